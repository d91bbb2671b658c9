"""Coordinate descent against loops in numpy, a sweep by hand, and least squares."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mesa.learners import CoordinateDescent, Ridge
from mesa.registry import LEARNERS, CandidateSpace
from tasks import LinearRegression, RegressionPrompt


def prompts(seeded, context: int = 9, d_out: int = 2, batch: int = 5) -> RegressionPrompt:
    task = LinearRegression(d_in=4, d_out=d_out, context=context, label_noise=0.3)
    return task.sample(batch, seeded(0), 3).to(dtype=torch.float64)


def swept(x: np.ndarray, y: np.ndarray, sweeps: int) -> np.ndarray:
    """Weights after some sweeps, each of which sets one weight to its least-squares value given the others."""
    w = np.zeros((x.shape[1], y.shape[1]))
    for _ in range(sweeps):
        for k in range(x.shape[1]):
            w[k] = 0.0
            w[k] = x[:, k] @ (y - x @ w) / (x[:, k] @ x[:, k])
    return w


@pytest.mark.parametrize("context", [3, 9])
def test_sweeps_are_those_of_a_loop(seeded, context: int) -> None:
    prompt = prompts(seeded, context)
    weights = CoordinateDescent(steps=5).weights(prompt)
    for step in range(5):
        expected = [swept(x, y, step + 1) for x, y in zip(prompt.x.numpy(), prompt.y.numpy(), strict=True)]
        # Float64: the same sums in another order.
        np.testing.assert_allclose(weights[step].numpy(), np.stack(expected), rtol=0, atol=1e-10)


def test_the_first_sweep_by_hand() -> None:
    x = torch.tensor([[[1.0, 1.0], [1.0, 0.0]]], dtype=torch.float64)
    y = torch.tensor([[[3.0], [1.0]]], dtype=torch.float64)
    # w_0 = (3 + 1) / 2 = 2, and then w_1 = 3 - 2 = 1.
    weights = CoordinateDescent().weights(RegressionPrompt(x, y, query=x, target=y))
    assert weights[0, 0, :, 0].tolist() == [2.0, 1.0]


def test_many_sweeps_are_least_squares(seeded) -> None:
    prompt = prompts(seeded)
    expected = Ridge.least_squares().weights(prompt)[0]
    path = CoordinateDescent(steps=2_000).weights(prompt)
    torch.testing.assert_close(path[-1], expected, rtol=0, atol=1e-10)
    assert (path[0] - expected).abs().max() > 1e-2


def test_signs_of_coordinates_change_nothing_but_their_order_does(seeded) -> None:
    prompt, learner = prompts(seeded), CoordinateDescent(steps=2)
    signs, order = torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64), torch.tensor([2, 0, 3, 1])
    guess = learner.predict(prompt)
    flipped = replace(prompt, x=prompt.x * signs, query=prompt.query * signs)
    torch.testing.assert_close(learner.predict(flipped), guess, rtol=0, atol=1e-12)
    permuted = replace(prompt, x=prompt.x[..., order], query=prompt.query[..., order])
    assert (learner.predict(permuted) - guess).abs().max() > 1e-3
    assert not LEARNERS["coordinate_descent"].equivariant


def test_an_input_that_is_always_zero_has_no_weight(seeded) -> None:
    prompt = prompts(seeded)
    x = prompt.x.clone()
    x[..., 1] = 0.0
    weights = CoordinateDescent(steps=3).weights(replace(prompt, x=x))
    assert weights.isfinite().all() and not weights[:, :, 1].any()


def test_it_is_a_candidate_of_identify_where_there_are_several_coordinates() -> None:
    tried = LEARNERS["coordinate_descent"].candidate_steps
    assert list(tried(CandidateSpace(d_in=5, max_steps=4, max_costly_steps=4))) == [1, 2, 3]
    # In one dimension a sweep is least squares.
    assert not tried(CandidateSpace(d_in=1, max_steps=4, max_costly_steps=4))
