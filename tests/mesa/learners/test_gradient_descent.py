"""Gradient descent: one step is the gradient, and tuning finds the step size that theory gives."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.optimize import brute

from mesa.learners import GradientDescent, Learner
from tasks import LinearRegression, half_squared_error

NORMAL = {"law": "normal", "input_scale": 1.0}
# Inputs, N, c* = E tr S / E tr S^2, and the loss there; d = 10.
TABLE = [
    ({"input_scale": 0.5}, 10, 0.60606, 0.20623),
    ({"input_scale": 0.5}, 25, 0.34483, 0.11734),
    ({"input_scale": 0.5}, 50, 0.20067, 0.06828),
    ({"input_scale": 1.0}, 10, 0.15152, 0.82492),
    (NORMAL, 10, 1 / 21, 2.61905),
]


def moments(fields, N: int, d: int = 10) -> tuple[float, float]:
    """The closed form behind the table."""
    s = fields["input_scale"]
    v, k = (s**2, 3 * s**4) if fields.get("law") == "normal" else (s**2 / 3, s**4 / 5)
    one = N * d * v
    two = N * (N - 1) * d * v**2 + N * (d * k + d * (d - 1) * v**2)
    return one / two, v / 2 * (d - one**2 / two)


def weights_of(learner: GradientDescent, prompt) -> torch.Tensor:
    weights = learner.weights(prompt)
    assert weights is not None
    return weights


def loss(learner: GradientDescent, prompt) -> float:
    return half_squared_error(learner.predict(prompt)[-1], prompt.target).item()


@pytest.mark.parametrize(("fields", "N", "size", "expected"), TABLE)
def test_one_tuned_step_is_the_closed_form(seeded, fields, N, size, expected):
    closed = moments(fields, N)
    # The table gives five decimals.
    assert closed == pytest.approx((size, expected), abs=1e-5)
    task, generator = LinearRegression(context=N, **fields), seeded(0)
    sizes = torch.tensor([GradientDescent().fit(task.sample(1000, generator)).step_size for _ in range(20)])
    # Five standard errors over twenty samples.
    assert abs(sizes.mean() - size) < 5 * sizes.std() / math.sqrt(20)
    assert sizes.std() < 0.05 * size
    prompt = task.sample(20_000, generator)
    costs = 0.5 * (GradientDescent(size).predict(prompt)[0] - prompt.target).square().flatten()
    assert abs(costs.mean() - expected) < 5 * costs.std() / math.sqrt(len(costs))


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("scale", [0.5, 1e-3, 1e3])
@pytest.mark.parametrize("started", [False, True])
def test_the_tuned_size_is_a_minimum_at_any_scale(seeded, steps, scale, started):
    prompt = LinearRegression(input_scale=scale, d_in=5, context=8).sample(500, seeded(0)).to(dtype=torch.float64)
    start = 0.3 * torch.ones(5, 1) if started else None
    tuned = GradientDescent(steps=steps, start=start).fit(prompt)
    least = loss(tuned, prompt)
    for factor in (0.99, 1.01, 0.5, 1.5):
        assert loss(replace(tuned, step_size=tuned.step_sizes[0] * factor), prompt) > least
    # Stationary: a shift of 1e-4 costs its square, some 1e-7 of the loss at most.
    nearby = loss(replace(tuned, step_size=tuned.step_sizes[0] * 1.0001), prompt)
    assert nearby == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("steps", [2, 3, 6])
def test_several_tuned_steps_are_the_global_minimum(seeded, steps):
    prompt = LinearRegression(context=15).sample(300, seeded(0)).to(dtype=torch.float64)
    tuned = GradientDescent(steps=steps).fit(prompt)

    def cost(size) -> float:
        return loss(GradientDescent(float(size[0]), steps), prompt)

    best: Any = brute(cost, (slice(0.0, 1.0, 0.01),), finish=None)
    # The grid is .01 wide.
    assert tuned.step_size == pytest.approx(float(best), abs=0.01)
    assert loss(tuned, prompt) <= cost([best])
    assert loss(tuned, prompt) < loss(GradientDescent(steps=steps - 1).fit(prompt), prompt)


@pytest.mark.parametrize("d_out", [1, 2])
def test_a_step_is_minus_the_gradient_of_the_squared_error(seeded, d_out):
    prompt = LinearRegression(d_in=3, d_out=d_out, context=5).sample(4, seeded(0)).to(dtype=torch.float64)
    W = torch.randn(3, d_out, generator=seeded(1), dtype=torch.float64, requires_grad=True)
    eta = 0.8
    for b in range(4):
        error = 0.5 / 5 * (prompt.x[b] @ W - prompt.y[b]).square().sum()
        (gradient,) = torch.autograd.grad(error, W)
        stepped = weights_of(GradientDescent(eta / 5, 1, W.detach()), prompt)[0, b]
        torch.testing.assert_close(stepped, W.detach() - eta * gradient, rtol=0, atol=1e-12)


def test_predictions_are_query_times_weights_after_every_step(seeded):
    prompt = LinearRegression(d_in=3, d_out=2, context=5).sample(4, seeded(0), queries=6)
    learner = GradientDescent(0.3, 3, torch.ones(3, 2))
    assert isinstance(learner, Learner)
    assert learner.predict(prompt).shape == (3, 4, 6, 2)
    assert torch.equal(learner.predict(prompt), prompt.query @ weights_of(learner, prompt))
    assert torch.equal(replace(learner, steps=1).predict(prompt)[0], learner.predict(prompt)[0])


def test_many_steps_reach_least_squares(seeded):
    prompt = LinearRegression(d_in=3, context=20).sample(10, seeded(0)).to(dtype=torch.float64)
    weights = weights_of(GradientDescent(0.3, 300), prompt)[-1]
    assert prompt.teacher is not None
    # Curvatures lie between about .7 and 3: 300 steps shrink the error by (1 - .2)^300. Labels were float32.
    torch.testing.assert_close(weights, prompt.teacher, rtol=0, atol=1e-5)


def test_predictions_are_differentiable_in_the_query(seeded):
    prompt = LinearRegression(d_in=3, context=5).sample(4, seeded(0))
    query = prompt.query.clone().requires_grad_()
    learner = GradientDescent(0.3, 2)
    (gradient,) = torch.autograd.grad(learner.predict(replace(prompt, query=query))[-1].sum(), query)
    torch.testing.assert_close(gradient[:, 0], weights_of(learner, prompt)[-1][..., 0])


def test_nonsense_is_refused(seeded):
    with pytest.raises(ValueError, match="steps: 0 must be at least 1"):
        GradientDescent(steps=0)
    prompt = LinearRegression(d_in=3, d_out=2, context=5).sample(4, seeded(0))
    with pytest.raises(ValueError, match=r"start: shape \(3, 1\) must be \(d_in, d_out\) = \(3, 2\)"):
        GradientDescent(start=torch.zeros(3, 1)).weights(prompt)
