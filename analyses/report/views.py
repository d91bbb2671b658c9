"""A verdict as the page and the terminal show it: the numbers are text, and each control has its kind."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from analyses.claims.claim import Claim
from analyses.claims.outcome import Outcome
from analyses.claims.sharpness import pass_rate
from analyses.claims.verdict import Status, Verdict
from analyses.report.numbers import number, share, with_interval

ControlKind: TypeAlias = Literal["positive", "near miss", "negative", "explaining"]


@dataclass(frozen=True)
class MeasureView:
    """One measure of a rule: its bound, the mean over seeds with its interval, and the number of every seed."""

    label: str
    bound: str
    mean: str
    seeds: str


@dataclass(frozen=True)
class ControlView:
    """The rule on one control: on how many seeds it is met, and the mean of every measure.

    `good` is false where a positive control does not meet the rule on every seed, or where a near miss or another
    negative control does not break it on every seed; a seed that is undefined does neither.
    """

    name: str
    kind: ControlKind
    met: str
    means: str
    good: bool
    # How often a near miss would meet the rule on other seeds and prompts; empty for other controls.
    pass_rate: str


@dataclass(frozen=True)
class VerdictView:
    """A verdict in text; `words` say what "holds" means, and are empty where the sentence of the claim says it."""

    claim: Claim
    status: Status
    reason: str
    words: str
    measures: tuple[MeasureView, ...]
    controls: tuple[ControlView, ...]
    seeds: str


def verdict_view(verdict: Verdict) -> VerdictView:
    """A verdict as the page and the terminal show it."""
    claim = verdict.claim
    measures = []
    for measure in claim.measures:
        value_by_seed = verdict.outcome.values[measure.label]
        seeds = ", ".join(number(value) for value in value_by_seed.values())
        if measure.per_run:
            seeds = "one number for all"
        bound = f"{measure.sense} {measure.bound:g}"
        measures.append(
            MeasureView(measure.label, bound, with_interval(verdict.outcome.interval(measure.label)), seeds)
        )
    controls = tuple(_control_view(claim, name, outcome) for name, outcome in verdict.controls.items())
    words = claim.answer if verdict.status == "holds" else ""
    return VerdictView(claim, verdict.status, verdict.reason, words, tuple(measures), controls, verdict.outcome.counted)


def kind_of(claim: Claim, control: str) -> ControlKind:
    """Whether the rule must be met by a control, must break on it, or is applied to it only to explain."""
    if control in claim.positive:
        return "positive"
    if control in claim.near_miss:
        return "near miss"
    return "negative" if control in claim.negative else "explaining"


def _control_view(claim: Claim, name: str, outcome: Outcome) -> ControlView:
    means = "; ".join(number(outcome.interval(measure.label)[0]) for measure in claim.measures)
    kind = kind_of(claim, name)
    good = {"positive": outcome.all_met, "explaining": True}.get(kind, outcome.all_broken)
    rate = share(pass_rate(claim, outcome)) if kind == "near miss" else ""
    return ControlView(name, kind, outcome.counted, means, good, rate)
