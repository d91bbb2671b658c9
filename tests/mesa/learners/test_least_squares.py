"""Least squares and ridge: against numpy and against the task's own best guess, and the penalty that tuning finds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesa.learners import ConjugateGradients, Newton, Ridge
from tasks import LinearRegression, half_squared_error


def prompts(seeded, batch=8, queries=3, seed=0, **fields):
    return LinearRegression(**{"d_in": 5, **fields}).sample(batch, seeded(seed), queries).to(dtype=torch.float64)


def with_context(prompt, x):
    return replace(prompt, x=x, y=prompt.y[:, : x.shape[1]])


@pytest.mark.parametrize("context", [1, 3, 5, 12, 40])
@pytest.mark.parametrize("d_out", [1, 3])
def test_least_squares_is_numpys(seeded, context, d_out):
    prompt = prompts(seeded, context=context, d_out=d_out, label_noise=0.3)
    weights = Ridge.least_squares().weights(prompt)[0]
    for b in range(8):
        expected = np.linalg.lstsq(prompt.x[b].numpy(), prompt.y[b].numpy(), rcond=None)[0]
        # Square contexts reach a condition number of some hundred.
        np.testing.assert_allclose(weights[b].numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("context", [4, 5, 12])
def test_a_context_of_low_rank_has_weights_of_least_norm(seeded, dtype, context):
    whole = prompts(seeded, context=context, label_noise=0.3)
    # All inputs in one plane, each rounded to the prompt's type: in float32 the others are 1e-8, not zero.
    plane = torch.randn(8, 2, 5, generator=seeded(1), dtype=torch.float64)
    x = torch.randn(8, context, 2, generator=seeded(2), dtype=torch.float64) @ plane
    prompt, tolerance = with_context(whole, x).to(dtype=dtype), 1e-10 if dtype == torch.float64 else 1e-4
    # The others end there.
    for learner in (Ridge.least_squares(), Ridge(), Newton(60), ConjugateGradients(60)):
        weights = learner.weights(prompt)[-1]
        assert weights.dtype == dtype
        for b in range(8):
            expected = np.linalg.lstsq(x[b].numpy(), whole.y[b].numpy(), rcond=1e-10)[0]
            np.testing.assert_allclose(weights[b].numpy(), expected, rtol=0, atol=tolerance)


def test_a_repeated_example_counts_twice(seeded):
    prompt = prompts(seeded, context=7, label_noise=0.3)
    twice = replace(prompt, x=torch.cat([prompt.x, prompt.x], dim=1), y=torch.cat([prompt.y, prompt.y], dim=1))
    same: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}
    torch.testing.assert_close(Ridge.least_squares().weights(twice), Ridge.least_squares().weights(prompt), **same)
    torch.testing.assert_close(Ridge(0.8).weights(twice), Ridge(0.4).weights(prompt), **same)


@pytest.mark.parametrize("context", [3, 5, 12])
@pytest.mark.parametrize("d_out", [1, 3])
@pytest.mark.parametrize("prior", [None, (1.0, 0.3, 2.0, 1.0, 0.5)])
@pytest.mark.parametrize("penalty", [1e-3, 0.5, 30.0])
def test_ridge_is_the_solution_of_its_normal_equations(seeded, context, d_out, prior, penalty):
    prompt = prompts(seeded, context=context, d_out=d_out, label_noise=0.3)
    weights = Ridge(penalty, prior).weights(prompt)[0].numpy()
    price = penalty * np.diag(1.0 / np.square(prior or np.ones(5)))
    for b, (x, y) in enumerate(zip(prompt.x.numpy(), prompt.y.numpy(), strict=True)):
        np.testing.assert_allclose(weights[b], np.linalg.solve(x.T @ x + price, x.T @ y), rtol=0, atol=1e-10)


@pytest.mark.parametrize("context", [3, 5, 12])
@pytest.mark.parametrize("noise", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("scales", [None, (1.0, 0.25, 2.0, 0.5, 1.0)])
def test_the_bayes_penalty_is_the_tasks_best_guess(seeded, context, noise, scales):
    task = LinearRegression(d_in=5, d_out=2, context=context, label_noise=noise, scales=scales, teacher_scale=1.5)
    prompt = task.sample(20, seeded(0), queries=3).to(dtype=torch.float64)
    guess = Ridge.bayes(task).predict(prompt)[0]
    # `best` inverts X X^T, which squares a condition number of up to a thousand.
    torch.testing.assert_close(guess, task.bayes_predictor().predict(prompt)[0], rtol=0, atol=1e-10 if noise else 1e-7)
    other = replace(task, label_noise=noise + 0.3)
    assert (Ridge.bayes(other).predict(prompt)[0] - guess).abs().max() > 1e-2


@pytest.mark.parametrize("context", [3, 5, 12])
def test_without_a_penalty_ridge_is_least_squares(seeded, context):
    prompt = prompts(seeded, context=context, label_noise=0.3)
    least = Ridge.least_squares().weights(prompt)
    torch.testing.assert_close(Ridge().weights(prompt), least, rtol=0, atol=0)
    # In each eigenvector the gap is at most the penalty over the least eigenvalue of S, of the weights.
    gap = (Ridge(1e-9).weights(prompt) - least).flatten(2).norm(dim=-1)
    bound = 1e-9 / torch.linalg.svdvals(prompt.x)[:, -1].square() * least.flatten(2).norm(dim=-1)
    assert (gap <= bound + 1e-12).all()
    assert (gap > 0).any()


@pytest.mark.parametrize("noise", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("context", [3, 10])
def test_the_tuned_penalty_is_noise_over_prior(seeded, noise, context):
    task = LinearRegression(d_in=5, context=context, label_noise=noise, teacher_scale=1.5)
    tuning = task.sample(8000, seeded(0))
    tuned, bayes = Ridge().fit(tuning), Ridge.bayes(task)
    # Over seeds its logarithm spreads by .03 (large noise) to .1 (small noise, short contexts).
    assert tuned.penalty == pytest.approx(bayes.penalty, rel=0.35)
    losses = [half_squared_error(each.predict(tuning)[0], tuning.target) for each in (tuned, bayes, Ridge())]
    assert losses[0] <= losses[1] * (1 + 1e-6)
    assert losses[1] < losses[2]


def test_the_tuned_penalty_is_the_global_minimum(seeded):
    prompt = prompts(seeded, batch=200, context=8, label_noise=0.3)
    least = half_squared_error(Ridge().fit(prompt).predict(prompt)[0], prompt.target)
    for penalty in np.logspace(-10, 3, 200):
        assert half_squared_error(Ridge(float(penalty)).predict(prompt)[0], prompt.target) >= least * (1 - 1e-9)


@pytest.mark.parametrize("prior", [None, (1.0, 0.3, 2.0, 1.0, 0.5)])
def test_a_planted_penalty_is_found(seeded, prior):
    prompt = prompts(seeded, batch=100, context=8, label_noise=0.3)
    for penalty in (0.0, 1e-4, 0.02, 5.0):
        told = replace(prompt, target=Ridge(penalty, prior).predict(prompt)[0])
        # Nothing to pay is found exactly, not as a small penalty.
        assert Ridge(1.0, prior).fit(told).penalty == pytest.approx(penalty, rel=1e-5, abs=0.0)


def test_nonsense_is_refused(seeded):
    with pytest.raises(ValueError, match=r"penalty: -1.0 must be a finite number of at least 0"):
        Ridge(-1.0)
    with pytest.raises(ValueError, match=r"prior: \(1.0, 0.0\) must be positive"):
        Ridge(prior=(1.0, 0.0))
    with pytest.raises(ValueError, match=r"prior: 2 entries, but d_in is 5"):
        Ridge(prior=(1.0, 1.0)).weights(prompts(seeded))
