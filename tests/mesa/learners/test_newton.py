"""Newton-Schulz and conjugate gradients: against loops and scipy, and where both end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import cg

from mesa.learners import Averaging, ConjugateGradients, Newton, Ridge
from tasks import LinearRegression

EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}
CONTEXTS = pytest.mark.parametrize("context", [2, 3, 5, 12])
OUTPUTS = pytest.mark.parametrize("d_out", [1, 3])


def prompts(seeded, batch=8, **fields):
    task = LinearRegression(**{"d_in": 5, "label_noise": 0.2, **fields})
    return task.sample(batch, seeded(0), queries=2).to(dtype=torch.float64)


@CONTEXTS
@OUTPUTS
def test_newton_is_the_explicit_iteration(seeded, context, d_out):
    prompt = prompts(seeded, context=context, d_out=d_out)
    weights_by_step = Newton(steps=12).weights(prompt)
    for b, (x, y) in enumerate(zip(prompt.x.numpy(), prompt.y.numpy(), strict=True)):
        S = x.T @ x
        M = S / np.linalg.norm(S) ** 2
        for step in range(12):
            M = 2 * M - M @ S @ M
            # Early steps: the loop's own rounding, in the null space too, has not grown yet.
            np.testing.assert_allclose(weights_by_step[step, b].numpy(), M @ x.T @ y, rtol=0, atol=1e-10)


@CONTEXTS
def test_newton_stays_where_it_has_converged(seeded, context):
    # The plain iteration doubles the rounding in the null space with every step: after 100 it is anywhere.
    prompt = prompts(seeded, context=context)
    weights_by_step, least = Newton(steps=300).weights(prompt), Ridge.least_squares().weights(prompt)[0]
    for step in (40, 100, 299):
        torch.testing.assert_close(weights_by_step[step], least, **EXACT)
    if context < 5:
        S = prompt.x.mT @ prompt.x
        M = S / torch.linalg.matrix_norm(S).square()[:, None, None]
        for _ in range(300):
            M = 2 * M - M @ S @ M
        assert not (M @ prompt.x.mT @ prompt.y - least).abs().max() < 1e-6


def test_newtons_right_digits_double(seeded):
    prompt = prompts(seeded, context=12)
    S = prompt.x.mT @ prompt.x
    weights_by_step, least = Newton(steps=12).weights(prompt), Ridge.least_squares().weights(prompt)[0]
    # In the norm of S^2 the error of each eigenvector is (1 - t_0)^(2^k) of its start.
    errors = (S @ (weights_by_step - least)).flatten(2).norm(dim=-1)
    assert (errors[1:] <= errors[:-1] + 1e-12).all()
    worst = 1 - (torch.linalg.eigvalsh(S)[:, 0] / torch.linalg.matrix_norm(S)).square()
    for step in range(12):
        bound = worst ** (2 ** (step + 1)) * (S @ least).flatten(1).norm(dim=-1)
        assert (errors[step] <= bound + 1e-12).all()


@CONTEXTS
@OUTPUTS
def test_conjugate_gradients_are_scipys(seeded, context, d_out):
    prompt = prompts(seeded, context=context, d_out=d_out)
    # From here on a short context has converged, and scipy divides by rounding.
    steps = min(context, 4)
    weights_by_step = ConjugateGradients(steps).weights(prompt)
    for b in range(8):
        S, moment = (prompt.x[b].mT @ prompt.x[b]).numpy(), (prompt.x[b].mT @ prompt.y[b]).numpy()
        for o in range(d_out):
            path: list[np.ndarray] = []
            cg(S, moment[:, o], rtol=0.0, atol=0.0, maxiter=steps, callback=lambda w, path=path: path.append(w.copy()))
            np.testing.assert_allclose(weights_by_step[:, b, :, o].numpy(), np.array(path), rtol=0, atol=1e-10)


@pytest.mark.parametrize("context", [3, 5, 12])
def test_a_step_is_the_best_of_its_krylov_space(seeded, context):
    # The definition: w_k minimises w S w / 2 - w m among the combinations of m, S m, ..., S^(k-1) m.
    prompt = prompts(seeded, context=context)
    S, moment = prompt.x.mT @ prompt.x, prompt.x.mT @ prompt.y
    weights_by_step = ConjugateGradients(3).weights(prompt)
    for step in (1, 2, 3):
        space = torch.linalg.qr(torch.cat([torch.linalg.matrix_power(S, k) @ moment for k in range(step)], dim=-1))[0]
        best = space @ torch.linalg.solve(space.mT @ S @ space, space.mT @ moment)
        # The powers of S are nearly parallel; 1e-8 is what is left.
        torch.testing.assert_close(weights_by_step[step - 1], best, rtol=0, atol=1e-8)


@CONTEXTS
@OUTPUTS
def test_conjugate_gradients_stay_at_the_solution_of_least_norm(seeded, context, d_out):
    prompt = prompts(seeded, context=context, d_out=d_out)
    weights_by_step, least = ConjugateGradients(200).weights(prompt), Ridge.least_squares().weights(prompt)[0]
    for step in (20, 60, 199):
        torch.testing.assert_close(weights_by_step[step], least, rtol=0, atol=1e-9)


def test_outputs_do_not_influence_each_other(seeded):
    prompt = prompts(seeded, context=12, d_out=3)
    # One output converges at once, another is not asked at all.
    y = prompt.y.clone()
    y[..., 1] = 0.0
    prompt = replace(prompt, y=y, teacher=None)
    whole = ConjugateGradients(8).weights(prompt)
    for o in range(3):
        alone = replace(prompt, y=y[..., o : o + 1], target=prompt.target[..., o : o + 1])
        torch.testing.assert_close(whole[..., o : o + 1], ConjugateGradients(8).weights(alone), **EXACT)
    assert not whole[..., 1].any()


@pytest.mark.parametrize("context", [3, 5, 12])
def test_without_noise_four_learners_are_one(seeded, context):
    prompt = prompts(seeded, context=context, label_noise=0.0)
    least = Ridge.least_squares().predict(prompt)[0]
    # A square context's S has a condition number of 1e5 or so, by which rounding grows in five short recursions.
    same: dict[str, Any] = {"rtol": 0.0, "atol": 1e-8}
    for other in (Ridge(1e-13), ConjugateGradients(5), Newton(40)):
        torch.testing.assert_close(other.predict(prompt)[-1], least, **same)
    # Before that they are four.
    assert (ConjugateGradients(2).predict(prompt)[-1] - least).abs().max() > 1e-3
    assert (Newton(2).predict(prompt)[-1] - least).abs().max() > 1e-3


def test_averaging_keeps_its_one_over_n(seeded):
    prompt = prompts(seeded, context=7, d_out=2)
    for b in range(8):
        total = np.zeros((5, 2))
        for x, y in zip(prompt.x[b].numpy(), prompt.y[b].numpy(), strict=True):
            total += np.outer(x, y)
        np.testing.assert_allclose(Averaging().weights(prompt)[0, b].numpy(), total / 7, rtol=0, atol=1e-12)
