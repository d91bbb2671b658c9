"""Sampling is a function of the generator's state and touches nothing else."""

from dataclasses import fields
from typing import Any

import pytest
import torch

from tasks import (
    InputScale,
    LinearRegression,
    NoisyLabels,
    QueryScale,
    RegressionPrompt,
    RescaledInputs,
    Task,
    TeacherScale,
)
from tests.helpers.predictions import bayes_prediction

BASE = LinearRegression(d_in=3, d_out=2, context=4, label_noise=0.1, scales=(1.0, 0.5, 2.0))
CASES: dict[str, Any] = {
    "uniform": BASE,
    "normal": LinearRegression(d_in=3, context=4, law="normal"),
    "fixed set": LinearRegression(d_in=3, context=4, teachers=100_000),
    "input_scale": InputScale(BASE, 2.0),
    "teacher_scale": TeacherScale(BASE, 2.0),
    "query_scale": QueryScale(BASE, 2.0),
    "noisy_labels": NoisyLabels(BASE, 2),
    "other_normal": RescaledInputs(BASE, "normal", 1.0),
    "exponential": RescaledInputs(BASE, "exponential", 1.0),
    "laplace": RescaledInputs(BASE, "laplace", 1.0),
}
tasks = pytest.mark.parametrize("task", CASES.values(), ids=CASES.keys())


def parts(prompt: RegressionPrompt) -> list[torch.Tensor]:
    return [getattr(prompt, field.name) for field in fields(prompt)]


@tasks
def test_the_same_state_gives_the_same_batch_and_another_state_another(task, seeded):
    first, again, other = (parts(task.sample(5, seeded(seed), queries=2)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@tasks
def test_one_generator_gives_fresh_batches(task, seeded):
    generator = seeded(0)
    first, second = parts(task.sample(5, generator)), parts(task.sample(5, generator))
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@tasks
def test_the_global_random_state_is_neither_read_nor_moved(task, seeded):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = parts(task.sample(5, seeded(0)))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, parts(task.sample(5, seeded(0))), strict=True))


@tasks
def test_shapes_and_protocol(task, seeded):
    base = getattr(task, "task", task)
    prompt = task.sample(5, seeded(0), queries=7)
    assert prompt.x.shape == (5, base.context, base.d_in)
    assert prompt.y.shape == (5, base.context, base.d_out)
    assert prompt.query.shape == (5, 7, base.d_in)
    assert prompt.target.shape == (5, 7, base.d_out)
    assert prompt.teacher.shape == (5, base.d_in, base.d_out)
    assert all(part.dtype == torch.float32 for part in parts(prompt))
    assert bayes_prediction(task, prompt).shape == prompt.target.shape
    assert isinstance(task, Task)
