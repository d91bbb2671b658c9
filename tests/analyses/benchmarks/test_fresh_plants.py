"""Each fresh plant is what its description says, as far as this can be measured without naming it."""

from collections import Counter
from functools import cache

import pytest
import torch
from torch import Tensor

from analyses.benchmarks.described_plant import DescribedPlant
from analyses.benchmarks.fresh_plants import FRESH_PLANTS
from mesa import rng
from mesa.registry import LEARNERS
from probes.subject import RegressionSubject
from tasks.readers.paired import PairedReader
from tasks.task import Task

TRUE = [plant for plant in FRESH_PLANTS if not plant.is_impostor]
IMPOSTORS = [plant for plant in FRESH_PLANTS if plant.is_impostor]
IN_DISTRIBUTION = [plant for plant in IMPOSTORS if plant.shift is plant.task]
OUTSIDE = [plant for plant in IMPOSTORS if plant.shift is not plant.task]
PROMPTS = 200


@cache
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


def name(kind: str) -> str:
    """The name of a kind without its number of steps."""
    return kind.rstrip(" 123456789")


def label(plant: DescribedPlant) -> str:
    return f"{plant.kind} {plant.imitates} d={plant.task.d_in} N={plant.task.context}"


def test_there_are_three_plants_of_each_of_many_kinds():
    kinds = Counter(name(plant.kind) for plant in TRUE)
    assert len(kinds) >= 14 and min(kinds.values()) >= 3 and len(IMPOSTORS) >= 25


def test_kinds_are_learners_or_the_posterior_over_the_tasks_teachers():
    names = {name(kind) for plant in FRESH_PLANTS for kind in (plant.kind, plant.imitates) if kind}
    assert names - LEARNERS.keys() == {"teacher_pool", "none"}


def test_plants_stay_in_the_grid_that_was_asked_for():
    assert {plant.task.d_in for plant in FRESH_PLANTS} <= set(range(2, 17))
    assert {plant.task.context for plant in FRESH_PLANTS} <= set(range(3, 61))


def test_descriptions_begin_with_the_right_answer_and_differ():
    answers = [plant.also[0] if plant in OUTSIDE else plant.kind for plant in FRESH_PLANTS]
    assert [p.description for p, answer in zip(FRESH_PLANTS, answers, strict=True) if answer not in p.description] == []
    assert [text for text, count in Counter(p.description for p in FRESH_PLANTS).items() if count > 1] == []


@pytest.mark.parametrize("plant", FRESH_PLANTS, ids=label)
def test_a_plant_answers_its_task_finitely_and_the_same_way_twice(plant):
    first, again = predictions(plant, plant.task)[0], predictions.__wrapped__(plant, plant.task)[0]
    assert first.shape == (PROMPTS, 1, plant.task.d_out)
    assert bool(torch.isfinite(first).all()) and float(first.std()) > 0
    assert torch.equal(first, again)


@pytest.mark.parametrize("plant", TRUE, ids=label)
def test_a_true_plant_is_its_algorithm_up_to_noise(plant):
    f, g = predictions(plant, plant.task)
    # Noise of 10 % on the weights of one step leaves 4 % of the variance.
    assert float((f - g).square().mean() / g.square().mean()) < 0.05
    assert plant.imitates == "" and plant.shift is None


@pytest.mark.parametrize("plant", [plant for plant in TRUE if "exact" in plant.description], ids=label)
def test_a_plant_that_is_called_exact_is_exact(plant):
    f, g = predictions(plant, plant.task)
    # float64 rounds at 1e-16; the sums of a few layers, and the inverse of a small eigenvalue, lose some digits.
    assert float((f - g).norm() / g.norm()) < 1e-9


@pytest.mark.parametrize("plant", IMPOSTORS, ids=label)
def test_an_impostor_departs_from_what_it_imitates(plant):
    assert plant.shift is not None and plant.imitates
    # .2 is 4 % of the variance; noise leaves as much only at its largest, on one step.
    assert departure(plant, plant.shift) >= plant.departure >= 0.2


@pytest.mark.parametrize("plant", IN_DISTRIBUTION, ids=label)
def test_a_defect_in_distribution_has_no_other_right_answer(plant):
    assert plant.also == ()


@pytest.mark.parametrize("plant", OUTSIDE, ids=label)
def test_an_impostor_of_another_distribution_agrees_inside_its_own(plant):
    inside = departure(plant, plant.task)
    assert inside < 0.12
    assert departure(plant, plant.shift or plant.task) > 2 * inside
    assert plant.also == (f"{plant.imitates}, in distribution only",)
