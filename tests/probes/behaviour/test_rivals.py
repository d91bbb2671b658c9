"""A run beside another as its rival, and sine curves out of distribution."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, Run, UserError, generator, train
from mesa.config.yaml import parse
from mesa.learners import TrainedModel
from probes import GDAlignment, OutOfDistribution, Plan, RegressionSubject, WeightProducts, probe_runs
from probes.readings.recipe import recipe_of
from tasks import LinearRegression, PairedReader, SineRegression

MODEL: dict[str, Any] = {"d_model": 6, "input_mlp": 8}
SETTINGS = {
    "task": {"name": "sine"},
    "training": {"steps": 12, "batch": 16, "evaluate_every": 6, "held_out": 32, "learning_rate": 0.01},
    "seeds": 2,
}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Run, Run]:
    """A model and its learner, hardly trained."""
    found = []
    for name, attention in (("model", "trained"), ("learner", "gradient_step")):
        settings = {**SETTINGS, "model": {**MODEL, "attention": attention}}
        found.append(Run.create(tmp_path / name, parse(settings)))
        train(found[-1])
    return found[0], found[1]


def values(table: pd.DataFrame, metric: str) -> pd.Series:
    return table[(table["metric"] == metric) & (table["learner"] == "meta_learned")]["value"]


def test_a_rival_is_the_last_model_of_the_same_seed_in_the_run_beside(runs: tuple[Run, Run]) -> None:
    model, learner = runs
    plan = Plan(GDAlignment(prompts=60), "all", (), rival="learner")
    table = probe_runs([(model, [plan])])[0].table
    assert set(table["learner"].dropna()) == {"meta_learned", "zero"}
    for seed in (0, 1):
        beside = TrainedModel(learner.load(seed), PairedReader())
        for step in (0, 12):
            subject = RegressionSubject(model.load(seed, step), PairedReader(), SineRegression())
            probe = GDAlignment(prompts=60, learners=(), rivals=(beside,))
            alone = probe(subject, generator(seed, "probe/gd_alignment")).table
            rows = table[(table["seed"] == seed) & (table["step"] == step)]
            np.testing.assert_allclose(rows["value"], alone["value"])


def test_a_run_is_its_own_perfect_rival(runs: tuple[Run, Run]) -> None:
    _, learner = runs
    plans = [Plan(probe, controls=(), rival="learner") for probe in (GDAlignment(60), OutOfDistribution(60))]
    table = probe_runs([(learner, plans)])[0].table
    # The same float32 weights by two ways of calling them.
    assert values(table, "relative_distance").max() < 1e-5
    assert values(table, "error_ratio").max() < 1e-5
    assert values(table, "sensitivity_cosine").min() > 1 - 1e-5


def test_a_rival_may_be_of_the_next_seed(runs: tuple[Run, Run]) -> None:
    _, learner = runs
    plan = Plan(GDAlignment(60), controls=(), rival="learner", other_seed=True)
    distances = values(probe_runs([(learner, [plan])])[0].table, "relative_distance")
    assert len(distances) == 2 and distances.min() > 1e-3
    for seed, other in ((0, 1), (1, 0)):
        rival = TrainedModel(learner.load(other), PairedReader())
        subject = RegressionSubject(learner.load(seed), PairedReader(), SineRegression())
        alone = GDAlignment(60, learners=(), rivals=(rival,))(subject, generator(seed, "probe/gd_alignment")).table
        assert distances.iloc[seed] == pytest.approx(values(alone, "relative_distance").item())


def test_a_run_of_one_seed_has_no_other(runs: tuple[Run, Run], tmp_path: Path) -> None:
    alone = Run.create(tmp_path / "alone", runs[1].config.model_copy(update={"seeds": 1}))
    train(alone)
    plan = Plan(GDAlignment(60), controls=(), rival="alone", other_seed=True)
    reading, skipped = probe_runs([(alone, [plan])])
    assert len(reading.table) == 0 and [item.reason for item in skipped] == ["alone has no other seed"]


def test_a_reading_with_another_seed_is_made_anew_where_that_seed_changed(runs: tuple[Run, Run]) -> None:
    _, learner = runs
    plan = Plan(GDAlignment(60), controls=(), rival="learner", other_seed=True)
    before = recipe_of(plan, learner, 0), recipe_of(replace(plan, other_seed=False), learner, 0)
    for manifest in learner.seed_path(1).rglob("manifest.json"):
        manifest.write_text(manifest.read_text() + " ")
    after = recipe_of(plan, learner, 0), recipe_of(replace(plan, other_seed=False), learner, 0)
    assert before[0] != after[0] and before[1] == after[1]


def test_a_seed_whose_rival_diverged_is_skipped_and_says_so(runs: tuple[Run, Run]) -> None:
    model, learner = runs
    outcome = {"status": "diverged", "step": 11, "reason": "diverged at step 11", "last_good_checkpoint": "step-000010"}
    (learner.seed_path(1) / "outcome.json").write_text(json.dumps(outcome))
    reading, skipped = probe_runs([(model, [Plan(GDAlignment(60), controls=(), rival="learner")])])
    assert set(reading.table["seed"]) == {0}
    assert [item.reason for item in skipped] == ["the rival of this seed in learner diverged"]


def test_a_rival_that_is_not_there_is_an_error(runs: tuple[Run, Run]) -> None:
    with pytest.raises(UserError, match="is not a run"):
        probe_runs([(runs[0], [Plan(GDAlignment(60), rival="nowhere")])])


def sine_subject(seed: int = 0) -> RegressionSubject:
    model = InContextTransformer(InContextConfig(**MODEL, init_variance=2.0), 2, seed=seed, dtype=torch.float64)
    return RegressionSubject(model, PairedReader(), SineRegression())


def ask(subject: RegressionSubject, rival: Any, **fields: Any) -> pd.DataFrame:
    probe = OutOfDistribution(learners=(), rivals=(TrainedModel(rival, PairedReader()),), **fields)
    assert probe.applies(subject) is None
    return probe(subject, generator(0, "tests/probe")).table


def test_shifted_sines_leave_a_model_on_itself_and_part_it_from_another() -> None:
    subject = sine_subject()
    same, other = (ask(subject, rival, prompts=200) for rival in (subject.model, sine_subject(1).model))
    # Float64, in other batches.
    assert values(same, "relative_distance").max() < 1e-12
    assert values(same, "error_ratio").max() < 1e-12
    assert values(other, "relative_distance").min() > 0.01
    assert set(same["condition"]) == {"input_scale", "amplitude_scale", "phase_shift"}


def test_every_shift_of_a_sine_is_the_one_that_it_is_called() -> None:
    """What predicting zero costs, E a^2 E sin^2 / 2, tells which prompts were drawn."""
    fields: dict[str, Any] = {"prompts": 8_000, "input_scales": (0.1, 2.0)}
    fields |= {"amplitude_scales": (1.0, 3.0), "phase_shifts": (0.0, 1.5)}
    table = ask(sine_subject(), sine_subject().model, **fields)
    zero = table[table["learner"] == "zero"].set_index(["condition", "condition_value"])["value"].to_dict()
    base = 0.31 / 12
    # A phase over half a period makes E sin^2 a half, wherever it begins and whatever x is.
    expected = {("amplitude_scale", 3.0): 9 * base, ("amplitude_scale", 1.0): base}
    expected |= {("input_scale", 0.1): base, ("input_scale", 2.0): base}
    expected |= {("phase_shift", 0.0): base, ("phase_shift", 1.5): base}
    # 8,000 prompts: a standard error of about 1.3 %.
    assert zero == pytest.approx(expected, rel=0.065)


def test_a_shifted_phase_moves_the_curve_along_x() -> None:
    """Of curves that all begin at phase 0, at inputs near 0, predicting zero costs E a^2 / 2 sin^2 of the shift."""
    near = replace(sine_subject(), task=SineRegression(phases=(0.0, 0.001), inputs=(0.0, 0.001)))
    fields: dict[str, Any] = {"prompts": 4000, "input_scales": (), "amplitude_scales": ()}
    table = ask(near, near.model, phase_shifts=(0.0, 0.5, 1.5), **fields)
    zero = table[table["learner"] == "zero"].set_index("condition_value")["value"].to_dict()
    # 4,000 amplitudes: a standard error of 1.3 %; at no shift the inputs' own width is left.
    assert zero == pytest.approx({by: 0.31 / 6 * math.sin(by) ** 2 for by in (0.0, 0.5, 1.5)}, rel=0.065, abs=1e-6)


def test_error_ratio_is_the_distance_in_units_of_the_rivals_own_error() -> None:
    subject, other = sine_subject(), sine_subject(1)
    table = ask(subject, other.model, prompts=300, input_scales=(1.0,), amplitude_scales=(), phase_shifts=())
    source = generator(0, "tests/probe")
    subject.prompts(300, source)
    prompt = subject.prompts(300, source)
    f, g = subject.predict(prompt), other.predict(prompt)
    assert values(table, "error_ratio").item() == pytest.approx(float((f - g).norm() / (g - prompt.target).norm()))
    assert values(table, "relative_distance").item() == pytest.approx(float((f - g).norm() / g.norm()))


def test_other_tasks_have_other_shifts() -> None:
    assert WeightProducts().applies(sine_subject()) is not None
    linear = RegressionSubject(InContextTransformer(InContextConfig(), 11), PairedReader(), LinearRegression())
    assert OutOfDistribution().applies(linear) is None

    class Other(LinearRegression):
        """Still linear regression."""

    assert OutOfDistribution().applies(RegressionSubject(linear.model, linear.reader, Other())) is None
