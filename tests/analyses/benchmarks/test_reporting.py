"""The reporting plants are what they are called, differ from the calibration plants, and are scored by a fixed rule."""

import pytest
import torch

from analyses.benchmarks import identify_jobs
from analyses.benchmarks.described_jobs import calibration_jobs, fresh_jobs
from analyses.benchmarks.reporting.grid import TASKS, ReportingPlant, reporting_plants
from analyses.benchmarks.reporting.scoring import Scored, table
from mesa.learners import ConjugateGradients, CoordinateDescent, GradientDescent, NearestNeighbours, Newton, Ridge
from mesa.learners.descent.steps import typical_norm
from mesa.registry import LEARNERS
from mesa.rng import generator
from tasks.predictor import RegressionPredictor

PLANTS = list(reporting_plants())


def test_no_dimension_is_one_of_the_calibration_plants() -> None:
    sizes = {(task.d_in, task.context) for task in identify_jobs.TASKS.values()}
    assert sizes.isdisjoint((plant.task.d_in, plant.task.context) for plant in PLANTS)
    assert {plant.kind for plant in PLANTS}.isdisjoint(job.kind for job in identify_jobs.all_jobs())


def test_a_plant_is_a_function_of_itself(seeded) -> None:
    for plant in (PLANTS[0], PLANTS[1], PLANTS[2]):
        prompt = plant.task.sample(4, seeded(0)).to(dtype=torch.float64)
        assert torch.equal(plant.model().predict(prompt), plant.model().predict(prompt))


def unit(setting: str, kind: str) -> float:
    """The size of S that a plant takes as its unit."""
    source = generator(77, f"bench/reporting/{kind}/{setting}")
    return typical_norm(TASKS[setting].sample(600, source).to(dtype=torch.float64))


@pytest.mark.parametrize(
    ("kind", "learner"),
    [
        ("four steps", lambda unit: GradientDescent(0.6 / unit, 4)),
        ("two unequal steps", lambda unit: GradientDescent((1.3 / unit, 0.5 / unit), 2, shared=False)),
        ("three corrected steps", lambda unit: GradientDescent(1.1 / unit, 3, gamma=0.3 / unit)),
        ("strong ridge", lambda unit: Ridge(0.5 * unit)),
        ("pseudo-inverse", lambda unit: Ridge.least_squares()),
        ("Newton 3", lambda unit: Newton(3)),
        ("Newton 3 of one scale", lambda unit: Newton(3, scale=0.3 / unit**2)),
        ("conjugate gradients 3", lambda unit: ConjugateGradients(3)),
        ("two sweeps over the coordinates", lambda unit: CoordinateDescent(2)),
        ("two neighbours", lambda unit: NearestNeighbours(2)),
    ],
)
def test_a_plant_is_what_it_is_called(seeded, kind: str, learner) -> None:
    setting = "d=8 N=12"
    plant = next(plant for plant in PLANTS if (plant.kind, plant.setting) == (kind, setting))
    prompt = plant.task.sample(50, seeded(0)).to(dtype=torch.float64)
    explicit: RegressionPredictor = learner(unit(setting, kind))
    torch.testing.assert_close(plant.model().predict(prompt)[0], explicit.predict(prompt)[-1], rtol=1e-6, atol=1e-8)


def test_output_noise_has_its_size_and_differs_from_prompt_to_prompt(seeded) -> None:
    plain, noisy = (ReportingPlant("one step", "gd 1", "d=8 N=12", output_noise=size) for size in (0.0, 0.1))
    prompt = plain.task.sample(2000, seeded(0)).to(dtype=torch.float64)
    clean = plain.model().predict(prompt).flatten()
    noise = noisy.model().predict(prompt).flatten() - clean
    assert float(noise.std() / clean.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(torch.corrcoef(torch.stack([noise[:-1], noise[1:]]))[0, 1])) < 0.1


def test_a_described_plant_is_asked_for_under_the_names_of_candidates() -> None:
    names = {*LEARNERS, "teacher_pool", "none"}
    fresh = [next(job.models()) for job in list(fresh_jobs())[:40]]
    models = [next(job.models()) for job in list(calibration_jobs())[:40]]
    assert {model.expected.split()[0].rstrip(",") for model in (*models, *fresh)} <= names
    assert any("general_preconditioned_gd 1" in model.also for model in models)


def test_other_names_of_an_algorithm_are_equally_right() -> None:
    assert Scored("a", "newton 1", ("gd_per_step 4",), ("gd_per_step 4",)).points == 1.0
    mimic = Scored("b", "none", ("gd 3, in distribution only",), ("gd 3, in distribution only",))
    assert mimic.points == 1.0 and not mimic.names_an_impostor
    assert Scored("b", "none", ("gd 3",), ("gd 3, in distribution only",)).names_an_impostor


def test_the_table_says_which_goals_are_met() -> None:
    right = [Scored("a", "gd 1", ("gd 1",))] * 98
    text = "\n".join(table([*right, Scored("b", "none", ("none",))]))
    assert "gd: 98 of 98" in text and text.count(": met") == 4
    text = "\n".join(table([*right, Scored("b", "none", ("ridge",)), Scored("c", "ridge", ("ridge", "gd 1"))]))
    assert "b: ridge, not none" in text and "impostors named: 1, goal 0: not met" in text
    assert "lowest kind: 0%, goal 90%: not met" in text and '"A or B": 1.0%, at most 5%: met' in text
