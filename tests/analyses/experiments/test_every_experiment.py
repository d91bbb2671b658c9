"""Every analysis end to end, small; and fed with models that have learnt nothing, and with the construction."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analyses.claims.analysis import Size, judged
from analyses.claims.verdict import Circumstances, judge
from analyses.evidence import gather
from analyses.progress import Progress
from analyses.registry import ANALYSES
from analyses.reproduce import Result, reproduce
from mesa.storage.run import Run
from probes.readings.schema import SCHEMA
from probes.runner import probe_runs

SMALL = Size(seeds=1, quick=True)
# Each analysis with the claims for which no weights can be written that meet the rule: they are about training, or say
# what a model cannot do.
CASES = {
    "two-step": {"order"},
    "curvature": set(),
    "depth": set(),
    "deep-mlp": set(),
    "softmax-heads": {"one-head"},
    "layer-norm": set(),
    "plateau": {"plateau", "seed-dependent", "seed-dependent-large", "two-heads", "two-heads-large"},
    "fixed-tasks": set(),
    "markov": {"phases", "one-layer"},
    "induction": {"together", "previous-first"},
    "induction-step": {"softmax-bigram"},
    "attribution": {"linear-share"},
    "copying": {"order", "order-of-size"},
}

# The analyses whose claims all have a near miss, and controls that are defined whatever was trained.
WITH_NEAR_MISSES = {"softmax-heads", "curvature", "layer-norm", "two-step", "depth", "deep-mlp", "fixed-tasks"}

# Those with deep models, or with many runs, take up to a minute.
SLOW = {"depth", "deep-mlp", "curvature", "fixed-tasks", "two-step", "plateau", "layer-norm", "induction"}
SLOW |= {"induction-step", "copying", "softmax-heads"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES],
)
def smoke(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("out") / request.param
    return out, reproduce(ANALYSES[request.param].analysis(), out, SMALL, progress=Progress())


def test_a_quick_run_is_whole_and_never_concludes(smoke: tuple[Path, Result]) -> None:
    out, result = smoke
    assert {verdict.status for verdict in result.verdicts} <= {"inconclusive", "undefined"}
    results = json.loads((out / "results.json").read_text())
    assert results["schema"] == SCHEMA
    assert [claim["id"] for claim in results["claims"]] == [claim.id for claim in result.analysis.claims()]
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert names == {p.stem for p in (out / "figures").glob("*.pdf")} == {p.stem for p in (out / "data").glob("*.csv")}
    assert "claims" in names and len(names) >= 3


def test_every_rule_can_be_contradicted_and_met(smoke: tuple[Path, Result]) -> None:
    _, result = smoke
    for verdict in result.verdicts:
        claim = verdict.claim
        assert claim.contradicting, claim.id
        assert bool(claim.positive) == (claim.id not in CASES[result.analysis.name]), claim.id
        # Whatever is named as a control was measured.
        assert all(outcome.met for outcome in verdict.controls.values()), claim.id
        built = {name: verdict.controls[name] for name in claim.positive if name.startswith("constructed")}
        assert all(outcome.all_met for outcome in built.values()), f"{claim.id}: {built}"
        if result.analysis.name in WITH_NEAR_MISSES:
            assert claim.near_miss, claim.id
            undefined = {name: verdict.controls[name].undefined_measures for name in claim.contradicting}
            assert not any(undefined.values()), f"{claim.id}: {undefined}"


def test_no_rule_is_met_by_untrained_models(smoke: tuple[Path, Result]) -> None:
    """Every rule is put to step-0 models as if they were trained, with nothing that excuses them."""
    out, result = smoke
    analysis = result.analysis
    runs = {name: Run.open(out / "runs" / name) for name in analysis.runs(SMALL)}
    plans = {name: [replace(plan, checkpoint=0) for plan in found] for name, found in analysis.plans(SMALL).items()}
    reading, _ = probe_runs([(run, plans[name]) for name, run in runs.items()])
    evidence = gather(runs, reading)
    evidence = replace(evidence, curves=evidence.curves[evidence.curves["step"] == 0])
    rows = judged(analysis, evidence)
    verdicts = [judge(claim, rows, Circumstances()) for claim in analysis.claims()]
    assert {verdict.claim.id: verdict.outcome.seeds_met for verdict in verdicts if verdict.outcome.seeds_met} == {}
