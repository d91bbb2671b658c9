"""What results.json holds: every claim with its numbers, and all that is needed to repeat the analysis."""

import math
from collections.abc import Sequence
from typing import TypedDict

from analyses.claims.claim import Claim
from analyses.claims.outcome import Outcome
from analyses.claims.sharpness import pass_rate
from analyses.claims.verdict import Status, Verdict
from analyses.evidence import Evidence
from analyses.report.commit import commit
from analyses.report.views import ControlKind, kind_of
from mesa.config.yaml import flat
from mesa.storage.versions import versions
from probes.readings.schema import SCHEMA


class MeasureData(TypedDict):
    """One measure of a rule on one subject; null is a number that is not defined, a string one that overflowed."""

    measure: str
    rule: str
    mean: float | str | None
    interval_95: list[float | str | None]
    seeds: dict[str, float | str | None]


class ControlData(TypedDict):
    """A claim's rule on one control."""

    kind: ControlKind
    # How often a near miss would meet the rule on other seeds and prompts; null for other controls.
    pass_rate: float | str | None
    seeds_met: int
    seeds_undefined: list[int]
    measures: list[MeasureData]


class ClaimData(TypedDict):
    """A claim, its verdict and the numbers behind it."""

    id: str
    sentence: str
    source: str
    rule: str
    amended: str
    verdict: Status
    answer: str
    reason: str
    measures: list[MeasureData]
    seeds_met: int
    seeds_undefined: list[int]
    controls: dict[str, ControlData]


class RunData(TypedDict):
    """How a run was configured, by dotted names of fields, and its seeds."""

    configuration: dict[str, object]
    seeds: list[int]


class ResultsData(TypedDict):
    """The content of results.json."""

    schema: int
    analysis: str
    size: str
    claims: list[ClaimData]
    runs: dict[str, RunData]
    diverged: list[str]
    undertrained: list[str]
    not_applicable: list[str]
    versions: dict[str, str]
    commit: str


def results(analysis: str, size: str, evidence: Evidence, verdicts: Sequence[Verdict]) -> ResultsData:
    """The content of results.json for an analysis of this name that was carried out at this size."""
    return {
        "schema": SCHEMA,
        "analysis": analysis,
        "size": size,
        "claims": [_claim_data(verdict) for verdict in verdicts],
        "runs": {
            name: {"configuration": flat(run.config), "seeds": list(run.seeds)} for name, run in evidence.runs.items()
        },
        "diverged": list(evidence.diverged),
        "undertrained": list(evidence.undertrained),
        "not_applicable": [f"{item.probe} on {item.subject}: {item.reason}" for item in evidence.skipped],
        "versions": versions(),
        "commit": commit(),
    }


def _claim_data(verdict: Verdict) -> ClaimData:
    claim = verdict.claim
    return {
        "id": claim.id,
        "sentence": claim.sentence,
        "source": claim.source,
        "rule": claim.rule,
        "amended": claim.amended,
        "verdict": verdict.status,
        "answer": claim.answer if verdict.status == "holds" else "",
        "reason": verdict.reason,
        "measures": _measures(claim, verdict.outcome),
        "seeds_met": verdict.outcome.seeds_met,
        "seeds_undefined": list(verdict.outcome.undefined_seeds),
        "controls": {
            name: {
                "kind": kind_of(claim, name),
                "pass_rate": _finite(pass_rate(claim, outcome)) if name in claim.near_miss else None,
                "seeds_met": outcome.seeds_met,
                "seeds_undefined": list(outcome.undefined_seeds),
                "measures": _measures(claim, outcome),
            }
            for name, outcome in verdict.controls.items()
        },
    }


def _measures(claim: Claim, outcome: Outcome) -> list[MeasureData]:
    rows: list[MeasureData] = []
    for measure in claim.measures:
        # A number of the whole run has no value of a seed.
        value_by_seed = {} if measure.per_run else outcome.values[measure.label]
        mean, low, high = (_finite(value) for value in outcome.interval(measure.label))
        rows.append(
            {
                "measure": measure.label,
                "rule": f"{measure.sense} {measure.bound:g}",
                "mean": mean,
                "interval_95": [low, high],
                "seeds": {str(seed): _finite(value) for seed, value in value_by_seed.items()},
            }
        )
    return rows


def _finite(value: float) -> float | str | None:
    # JSON has no NaN: not defined is null. An overflow is a result, and is named.
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
