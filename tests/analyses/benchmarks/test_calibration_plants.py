"""Each described calibration plant is what its description says, as far as this can be measured without naming it."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from analyses.benchmarks.calibration_plants import CALIBRATION_PLANTS, DescribedPlant
from mesa import rng
from probes.subject import RegressionSubject
from tasks.readers.paired import PairedReader
from tasks.task import Task

TRUE = [plant for plant in CALIBRATION_PLANTS if not plant.is_impostor]
IMPOSTORS = [plant for plant in CALIBRATION_PLANTS if plant.is_impostor]
PROMPTS = 300


def predictions(plant: DescribedPlant, task: Task, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What the model and its reference predict for the same prompts."""
    model = plant.build(rng.generator(seed, "model"))
    subject = RegressionSubject(model, PairedReader(plant.task.d_out), plant.task)
    prompt = task.sample(PROMPTS, rng.generator(seed, "prompts")).to(dtype=torch.float64)
    return subject.predict(prompt), plant.reference(prompt)


def departure(plant: DescribedPlant, task: Task) -> float:
    """The root mean square of f - a g over that of a g on the task; the factor a is fitted on the plant's own task."""
    f, g = predictions(plant, plant.task)
    a = (f * g).sum() / g.square().sum()
    f, g = predictions(plant, task, seed=1)
    return float((f - a * g).norm() / (a * g).norm())


def label(plant: DescribedPlant) -> str:
    return f"{plant.kind} {plant.imitates} d={plant.task.d_in} N={plant.task.context}"


def test_there_are_enough_plants_of_enough_kinds():
    classes = {plant.kind.rstrip(" 123456789") for plant in TRUE}
    assert len(TRUE) >= 40 and len(classes) >= 12 and len(IMPOSTORS) >= 20


def test_descriptions_say_the_right_answer_and_differ():
    assert {plant.description for plant in CALIBRATION_PLANTS if not plant.description.startswith(plant.kind)} == set()
    assert [text for text, count in Counter(p.description for p in CALIBRATION_PLANTS).items() if count > 1] == []


@pytest.mark.parametrize("plant", CALIBRATION_PLANTS, ids=label)
def test_a_plant_answers_its_task_finitely_and_the_same_way_twice(plant):
    first, again = predictions(plant, plant.task)[0], predictions(plant, plant.task)[0]
    assert first.shape == (PROMPTS, 1, plant.task.d_out)
    assert bool(torch.isfinite(first).all())
    assert torch.equal(first, again)


@pytest.mark.parametrize("plant", TRUE, ids=label)
def test_a_true_plant_is_its_algorithm_up_to_noise(plant):
    f, g = predictions(plant, plant.task)
    # Noise of 10 % on the weights of one step leaves 4 % of the variance; what a defect leaves is above 6 %.
    assert float((f - g).square().mean() / g.square().mean()) < 0.05
    assert plant.imitates == "" and plant.shift is None


@pytest.mark.parametrize("plant", [plant for plant in TRUE if "exact" in plant.description], ids=label)
def test_a_plant_that_is_called_exact_is_exact(plant):
    f, g = predictions(plant, plant.task)
    # float64 rounds at 1e-16; the sums of a few layers lose some digits.
    assert float((f - g).norm() / g.norm()) < 1e-10


@pytest.mark.parametrize("plant", IMPOSTORS, ids=label)
def test_an_impostor_departs_from_what_it_imitates(plant):
    assert plant.shift is not None and plant.imitates
    # .25 is a sixteenth of the variance, above what the noise of any true plant leaves.
    assert departure(plant, plant.shift) >= plant.departure >= 0.25


@pytest.mark.parametrize("plant", [p for p in IMPOSTORS if p.shift is not p.task], ids=label)
def test_an_impostor_of_another_distribution_agrees_inside_its_own(plant):
    inside = departure(plant, plant.task)
    assert inside < 0.15
    assert departure(plant, plant.shift or plant.task) > 2.5 * inside
    assert plant.also == (f"{plant.imitates}, in distribution only",)
