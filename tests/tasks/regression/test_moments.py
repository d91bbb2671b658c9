"""Moments of the prompts. Every bound is five standard errors of the estimate; seeds are fixed."""

import math

import pytest
import torch
from torch import Tensor

from tasks import LinearRegression, RegressionPrompt, half_squared_error

BATCH = 20_000


def assert_mean(values: Tensor, expected: float) -> None:
    """`values` (batch ...) are independent over the first axis only."""
    rows = values.double().flatten(1).mean(dim=1)
    error = rows.std() / math.sqrt(len(rows))
    assert abs(rows.mean() - expected) < 5 * error, (rows.mean().item(), expected, error.item())


def drawn(seeded, **fields) -> RegressionPrompt:
    return LinearRegression(**{"d_in": 4, "context": 5, **fields}).sample(BATCH, seeded(0))


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_uniform_inputs_have_zero_mean_variance_a_third_and_a_bound(seeded, scale):
    prompt = drawn(seeded, input_scale=scale)
    for part in (prompt.x, prompt.query):
        assert_mean(part, 0.0)
        assert_mean(part.square(), scale**2 / 3)
        # The fourth moment tells a uniform law from any other of the same variance.
        assert_mean(part**4, scale**4 / 5)
        assert part.abs().max() <= scale


def test_normal_inputs_have_the_moments_of_a_normal(seeded):
    prompt = drawn(seeded, law="normal", input_scale=0.7)
    for part in (prompt.x, prompt.query):
        assert_mean(part, 0.0)
        assert_mean(part.square(), 0.7**2)
        assert_mean(part**4, 3 * 0.7**4)


@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_scales_multiply_inputs_and_divide_teachers(seeded, law):
    scales = (1.0, 0.25, 3.0, 0.5)
    prompt = drawn(seeded, law=law, scales=scales, teacher_scale=1.5)
    base = 0.5**2 / (3 if law == "uniform" else 1)
    assert prompt.teacher is not None
    for k, scale in enumerate(scales):
        assert_mean(prompt.x[..., k].square(), base * scale**2)
        assert_mean(prompt.query[..., k].square(), base * scale**2)
        assert_mean(prompt.teacher[:, k].square(), (1.5 / scale) ** 2)


def test_coordinates_and_examples_are_uncorrelated(seeded):
    prompt = drawn(seeded)
    assert prompt.teacher is not None
    assert_mean(prompt.x[..., 0] * prompt.x[..., 1], 0.0)
    assert_mean(prompt.x[:, 0] * prompt.x[:, 1], 0.0)
    assert_mean(prompt.x[:, 0] * prompt.query[:, 0], 0.0)
    assert_mean(prompt.teacher[:, 0] * prompt.teacher[:, 1], 0.0)
    assert_mean(prompt.x[:, 0] * prompt.teacher[:, :, 0], 0.0)


def test_teachers_are_normal(seeded):
    teacher = drawn(seeded, teacher_scale=2.0, d_out=3).teacher
    assert teacher is not None
    assert_mean(teacher, 0.0)
    assert_mean(teacher.square(), 4.0)
    assert_mean(teacher**4, 3 * 16.0)


@pytest.mark.parametrize("d_out", [1, 3])
def test_labels_and_targets_are_linear_in_the_inputs(seeded, d_out):
    prompt = LinearRegression(d_in=4, d_out=d_out, context=5).sample(50, seeded(0), queries=3)
    assert prompt.teacher is not None
    # Two float32 sums of four terms of order one: a few units of 6e-8 apart.
    torch.testing.assert_close(prompt.y, torch.einsum("bni,bio->bno", prompt.x, prompt.teacher), atol=1e-6, rtol=1e-6)
    expected = torch.einsum("bqi,bio->bqo", prompt.query, prompt.teacher)
    torch.testing.assert_close(prompt.target, expected, atol=1e-6, rtol=1e-6)


def test_noise_falls_on_context_labels_only(seeded):
    prompt = drawn(seeded, label_noise=0.3)
    assert prompt.teacher is not None
    noise = prompt.y - prompt.x @ prompt.teacher
    assert_mean(noise, 0.0)
    assert_mean(noise.square(), 0.09)
    assert_mean(noise[:, 0] * noise[:, 1], 0.0)
    torch.testing.assert_close(prompt.target, prompt.query @ prompt.teacher, atol=1e-6, rtol=1e-6)


def test_predicting_zero_costs_what_the_paper_says(seeded):
    prompt = LinearRegression().sample(50_000, seeded(0))
    costs = 0.5 * prompt.target.square()
    assert_mean(costs, 10 * 0.5**2 / 6)
    loss = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    # Measured standard error at 50,000 prompts: .0028.
    assert loss == pytest.approx(0.41667, abs=0.014)
