"""The sine analysis end to end, small; its rules on models that have learnt nothing, and on the learner itself."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analyses.claims.analysis import Size
from analyses.claims.claim import Source
from analyses.claims.verdict import Circumstances, judge
from analyses.experiments.sine.analysis import LEARNER, MODEL, Sine
from analyses.experiments.sine.claims import distance, log_ratio
from analyses.progress import Progress
from analyses.reproduce import Result, reproduce
from mesa.config.presets import preset
from probes.plan import Plan
from probes.readings.reading import Reading


class Small(Sine):
    """The same with only the last checkpoints, and each learner compared with itself instead of with another seed's."""

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        plans = super().plans(size)
        plans[MODEL][0] = replace(plans[MODEL][0], checkpoint="last")
        plans[LEARNER] = [replace(plan, other_seed=False) for plan in plans[LEARNER]]
        return plans


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("out") / "sine"
    return out, reproduce(Small(), out, Size(seeds=2, quick=True), progress=Progress())


@pytest.mark.slow
def test_a_quick_run_is_whole_and_never_holds(smoke: tuple[Path, Result]) -> None:
    out, result = smoke
    assert {verdict.status for verdict in result.verdicts} == {"inconclusive"}
    for verdict in result.verdicts:
        assert verdict.claim.near_miss, verdict.claim.id
        assert not [name for name, outcome in verdict.controls.items() if outcome.undefined_seeds], verdict.claim.id
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
        held = judge(claim, pd.concat([controls, itself, twin], ignore_index=True), Circumstances())
        assert held.outcome.all_met, claim.id
        broken = judge(claim, pd.concat([controls, itself, right], ignore_index=True), Circumstances())
        assert not broken.outcome.all_met, claim.id


def test_the_positive_control_is_the_learner_of_another_seed() -> None:
    plans = Sine().plans(Size(seeds=5))[LEARNER]
    assert all(plan.rival == LEARNER and plan.other_seed for plan in plans)
    assert all(claim.positive == {LEARNER: Source(LEARNER)} for claim in Sine().claims())
    assert Sine().seeds == 5


def test_wider_inputs_are_judged_although_the_learner_does_worse_than_zero_there() -> None:
    rows = []
    for scale, away in ((1.0, 0.05), (2.0, 0.9)):
        shift = {"probe": "out_of_distribution", "condition": "input_scale", "condition_value": scale}
        learner = {**shift, "learner": "meta_learned", "learner_step": 1}
        rows += [
            {**shift, "metric": "loss", "value": 1.0},
            {**learner, "metric": "learner_loss", "value": 3.0 if scale > 1 else 1.0},
            {**shift, "metric": "learner_loss", "learner": "zero", "learner_step": None, "value": 0.02},
            {**learner, "metric": "relative_distance", "value": away},
        ]
    table = Reading.of({"run": "model", "seed": 0, "step": 1, "control": "none", **row} for row in rows).table
    assert (distance(beyond=False)(table), distance(beyond=True)(table)) == (0.05, 0.9)
    assert log_ratio(beyond=False)(table) == 0.0 and log_ratio(beyond=True)(table) == pytest.approx(math.log(3.0))


def test_full_is_the_papers_size_and_default_is_not() -> None:
    for name, stem in ((MODEL, "sine"), (LEARNER, "sine-learner")):
        paper = preset(stem).training
        full, default = (Sine().runs(Size(seeds=2, full=full))[name].training for full in (True, False))
        assert full == paper and (paper.steps, paper.batch) == (20_000, 2048)
        assert full.until == "steps" and default.until == "settled" and default.batch < paper.batch
    assert {preset("sine").training.learning_rate, preset("sine-learner").training.learning_rate} == {1e-3, 3e-4}
