"""The sine analysis end to end, small; its rules on models that have learnt nothing, and on the learner itself."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analyses.claims.analysis import Size
from analyses.claims.verdict import Circumstances, judge
from analyses.experiments.sine.analysis import LEARNER, MODEL, Sine
from analyses.progress import Progress
from analyses.reproduce import Result, reproduce
from mesa.config.presets import preset
from probes.plan import Plan


class Small(Sine):
    """The same with fewer prompts and only the checkpoints at both ends of training."""

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        plans = super().plans(size)
        plans[MODEL][0] = replace(plans[MODEL][0], checkpoint="last")
        return plans


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("out") / "sine"
    return out, reproduce(Small(), out, Size(seeds=2, quick=True), progress=Progress())


@pytest.mark.slow
def test_a_quick_run_is_whole_and_never_holds(smoke: tuple[Path, Result]) -> None:
    out, result = smoke
    assert {verdict.status for verdict in result.verdicts} == {"inconclusive"}
    figures = {path.stem for path in (out / "figures").glob("*.svg")}
    assert figures == {"claims", "training", "curves", "alignment-model", "shifts"}
    for figure in figures:
        assert len((out / "data" / f"{figure}.csv").read_text().splitlines()) > 2, f"{figure} was drawn from nothing"
    assert not result.evidence.skipped


@pytest.mark.slow
def test_the_learner_in_the_models_place_meets_every_rule_and_the_controls_none(smoke: tuple[Path, Result]) -> None:
    _, result = smoke
    for verdict in result.verdicts:
        assert verdict.controls[LEARNER].all_met, verdict.claim.id
        assert set(verdict.claim.positive) == {LEARNER}
    # After 200 steps the learner itself predicts little: only the right answer is far from it for sure.
    by_name = {verdict.claim.id: verdict for verdict in result.verdicts}
    assert by_name["prediction"].controls["sine_fit"].seeds_met == 0
    assert by_name["loss"].controls["sine_fit"].seeds_met == 0


@pytest.mark.slow
def test_rules_hold_for_a_model_that_is_its_learner_and_break_for_the_right_answer(smoke: tuple[Path, Result]) -> None:
    """The measured rows, with another subject in the model's place: the verdict follows the subject."""
    _, result = smoke
    last = result.evidence.last
    controls = last[last["control"] != "none"]
    itself = last[(last["run"] == LEARNER)]
    twin = itself.assign(run=pd.array([MODEL] * len(itself), dtype="string"))
    right = controls[controls["control"] == "sine_fit"].assign(control="none")
    for claim in Sine().claims():
        rules = replace(claim, negative={"sine_fit": claim.explaining.get("sine_fit", claim.negative.get("sine_fit"))})
        held = judge(rules, pd.concat([controls, itself, twin], ignore_index=True), Circumstances())
        assert held.outcome.all_met, claim.id
        broken = judge(rules, pd.concat([controls, itself, right], ignore_index=True), Circumstances())
        if claim.id != "cosine":
            assert not broken.outcome.all_met, claim.id


def test_full_is_the_papers_size_and_default_is_not() -> None:
    for name, stem in ((MODEL, "sine"), (LEARNER, "sine-learner")):
        paper = preset(stem).training
        full, default = (Sine().runs(Size(seeds=2, full=full))[name].training for full in (True, False))
        assert full == paper and (paper.steps, paper.batch) == (20_000, 2048)
        assert default.steps < paper.steps and default.batch < paper.batch
    assert {preset("sine").training.learning_rate, preset("sine-learner").training.learning_rate} == {1e-3, 3e-4}
