"""Learners that are tuned once for a seed serve all its checkpoints and controls."""

from pathlib import Path

import pandas as pd
import pytest

from mesa import Run, generator, train
from mesa.config.yaml import parse
from mesa.learners import GradientDescent
from probes import GDAlignment, OutOfDistribution, Plan, WeightProducts, probe_runs
from tasks import LinearRegression

SETTINGS = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "model": {"n_layers": 2, "tied": True},
    "training": {"steps": 12, "batch": 16, "evaluate_every": 6, "held_out": 32},
    "seeds": 1,
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "model", parse(SETTINGS))
    train(run)
    return run


def learner_losses(table: pd.DataFrame) -> pd.Series:
    rows = table[(table["metric"] == "learner_loss") & (table["learner"] == "gd_plus_plus")]
    return rows.groupby(["step", "control"])["value"].last()


def test_one_tuning_serves_every_checkpoint_and_control(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    tunings = []
    fit = GradientDescent.fit
    monkeypatch.setattr(GradientDescent, "fit", lambda self, prompt: tunings.append(prompt) or fit(self, prompt))
    plan = Plan(
        GDAlignment(prompts=100, learners=(GradientDescent(gamma=0.0, steps=2),)), "all", ("untrained",), tune_once=True
    )
    once = learner_losses(probe_runs([(run, [plan])])[0].table)
    assert len(tunings) == 1
    assert len(once) >= 3 and once.nunique() == 1
    # On prompts of its own: none of those that it is scored on.
    scored = LinearRegression(d_in=3, context=4).sample(200, generator(0, "probe/gd_alignment"))
    assert not bool((tunings[0].target[:, None] == scored.target).any())


def test_without_learners_given_those_by_default_are_tuned(run: Run) -> None:
    probe = OutOfDistribution(prompts=50, input_scales=(1.0,), query_scales=(), teacher_scales=(), norms=())
    table = probe_runs([(run, [Plan(probe, controls=(), tune_once=True)])])[0].table
    assert set(table["learner"].dropna()) == {"gd", "gd_plus_plus", "preconditioned_gd", "zero"}


def test_a_probe_without_learners_cannot_be_planned_so(run: Run) -> None:
    with pytest.raises(AttributeError, match="learners"):
        probe_runs([(run, [Plan(WeightProducts(prompts=50), controls=(), tune_once=True)])])
