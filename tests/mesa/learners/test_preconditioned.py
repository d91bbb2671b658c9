"""The best fixed preconditioner: against numpy, against theory, and against plain gradient descent."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mesa.learners import GradientDescent, Learner, PreconditionedGradientDescent
from tasks import LinearRegression, half_squared_error
from tasks.predictor import RegressionPredictor

ANISOTROPIC = (1.0,) * 5 + (0.25,) * 5


def noisy(seeded, batch=6, queries=2, **fields):
    task = LinearRegression(**{"d_in": 5, "context": 12, "label_noise": 0.2, **fields})
    return task.sample(batch, seeded(0), queries).to(dtype=torch.float64)


def tuned_loss(learner: Learner, tuning, prompt) -> float:
    return half_squared_error(learner.fit(tuning).predict(prompt)[-1], prompt.target).item()


@pytest.mark.parametrize(("d_out", "queries"), [(1, 1), (2, 3)])
def test_it_is_the_least_squares_solution_of_the_whole_system(seeded, d_out, queries):
    prompt = LinearRegression(d_in=3, d_out=d_out, context=5).sample(40, seeded(0), queries).to(dtype=torch.float64)
    rows, targets = [], []
    for b in range(40):
        moment = np.zeros((3, d_out))
        for x, y in zip(prompt.x[b].numpy(), prompt.y[b].numpy(), strict=True):
            moment += np.outer(x, y)
        for q in range(queries):
            for o in range(d_out):
                rows.append([xi * mj for xi in prompt.query[b, q].tolist() for mj in moment[:, o]])
                targets.append(prompt.target[b, q, o].item())
    expected = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0].reshape(3, 3)
    tuned = PreconditionedGradientDescent().fit(prompt)
    assert tuned.preconditioner is not None
    # The normal equations square a condition number of about ten; float64 has digits to spare.
    np.testing.assert_allclose(tuned.preconditioner.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_no_nearby_preconditioner_is_better(seeded):
    prompt = LinearRegression(d_in=3, context=5, scales=(1.0, 0.5, 2.0)).sample(300, seeded(0)).to(dtype=torch.float64)
    tuned = PreconditionedGradientDescent().fit(prompt)
    assert tuned.preconditioner is not None
    least = half_squared_error(tuned.predict(prompt)[0], prompt.target)
    for seed in range(10):
        change = 0.01 * torch.randn(3, 3, generator=seeded(seed), dtype=torch.float64)
        other = PreconditionedGradientDescent(tuned.preconditioner + change)
        assert half_squared_error(other.predict(prompt)[0], prompt.target) > least


def test_on_isotropic_inputs_it_is_plain_gradient_descent(seeded):
    task = LinearRegression()
    tuning, prompt = task.sample(40_000, seeded(0)), task.sample(10_000, seeded(1))
    P = PreconditionedGradientDescent().fit(tuning).preconditioner
    assert P is not None
    (c,) = GradientDescent().fit(tuning).step_sizes
    # Measured standard error of an entry at 40,000 prompts: .011; the largest of a hundred is at about three.
    assert (P - c * torch.eye(10)).abs().max() < 5 * 0.011
    plain, full = (
        tuned_loss(learner, tuning, prompt) for learner in (GradientDescent(), PreconditionedGradientDescent())
    )
    # 100 parameters cost 100 / 40,000 of the loss; a seed adds its luck.
    assert full == pytest.approx(plain, rel=0.01)


def test_on_anisotropic_inputs_it_is_far_better(seeded):
    task = LinearRegression(scales=ANISOTROPIC)
    tuning, prompt = task.sample(20_000, seeded(0)), task.sample(20_000, seeded(1))
    zero = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    plain, full = (
        tuned_loss(learner, tuning, prompt) for learner in (GradientDescent(), PreconditionedGradientDescent())
    )
    # Standard errors at 20,000 prompts: .004 for zero, .003 and .002 for the two.
    assert zero == pytest.approx(0.4167, abs=0.02)
    assert plain == pytest.approx(0.30, abs=0.015)
    assert full == pytest.approx(0.207, abs=0.01)


def test_for_normal_inputs_it_is_the_matrix_of_the_theorem(seeded):
    # Ahn et al., Theorem 1: P = Gamma^-1 / N with Gamma = (1 + 1/N) Sigma + (tr Sigma / N) I, for w ~ N(0, I).
    scales, N = (1.0, 0.5, 2.0, 1.5), 8
    inputs = LinearRegression(d_in=4, context=N, law="normal", input_scale=1.0, scales=scales)
    generator = seeded(0)
    teacher = torch.randn(100_000, 4, 1, generator=generator)
    prompt = inputs.labelled(inputs.inputs(100_000, N + 1, generator), teacher, generator)
    sigma = torch.diag(torch.tensor(scales).square()).double()
    gamma = (1 + 1 / N) * sigma + sigma.trace() / N * torch.eye(4)
    expected = torch.linalg.inv(gamma) / N
    P = PreconditionedGradientDescent().fit(prompt).preconditioner
    assert P is not None
    # Whitened on both sides, every entry has a measured standard error of .001 or less.
    root = sigma.sqrt()
    assert (root @ (P - expected) @ root).abs().max() < 5e-3
    assert (root @ expected @ root).diagonal().max() > 0.05
    # The test can tell: without the trace term the diagonal would be off by a large part.
    assert (root @ (P - torch.linalg.inv((1 + 1 / N) * sigma) / N) @ root).abs().max() > 0.02


def test_predictions_are_query_times_weights(seeded):
    prompt = LinearRegression(d_in=3, d_out=2, context=5).sample(4, seeded(0), queries=6)
    P = torch.randn(3, 3, generator=seeded(1))
    learner = PreconditionedGradientDescent(P)
    assert isinstance(learner, Learner)
    assert torch.equal(learner.predict(prompt), prompt.query @ learner.weights(prompt))
    expected = torch.einsum("bqi,ij,bnj,bno->bqo", prompt.query, P, prompt.x, prompt.y)
    torch.testing.assert_close(learner.predict(prompt)[0], expected)


def test_a_multiple_of_the_identity_is_plain_gradient_descent(seeded):
    prompt = LinearRegression(d_in=3, context=5).sample(4, seeded(0))
    learner = PreconditionedGradientDescent(0.4 * torch.eye(3))
    torch.testing.assert_close(learner.predict(prompt), GradientDescent(0.4).predict(prompt))


@pytest.mark.parametrize("context", [3, 5, 12])
@pytest.mark.parametrize("d_out", [1, 3])
def test_steps_are_an_explicit_loop(seeded, context, d_out):
    prompt = noisy(seeded, context=context, d_out=d_out)
    # Not symmetric, so that a transpose would be noticed.
    P = 0.3 * torch.eye(5, dtype=torch.float64) + 0.05 * torch.randn(5, 5, generator=seeded(1), dtype=torch.float64)
    weights_by_step = PreconditionedGradientDescent(P, steps=4).weights(prompt)
    for b, (x, y) in enumerate(zip(prompt.x.numpy(), prompt.y.numpy(), strict=True)):
        W = np.zeros((5, d_out))
        for step in range(4):
            W = W + P.numpy() @ x.T @ (y - x @ W)
            np.testing.assert_allclose(weights_by_step[step, b].numpy(), W, rtol=0, atol=1e-10)


def test_several_steps_with_a_multiple_of_the_identity_are_gradient_descent(seeded):
    prompt = noisy(seeded, d_out=2)
    guess = PreconditionedGradientDescent(0.4 * torch.eye(5), steps=5).predict(prompt)
    # The preconditioner is float32, which holds .4 to 1e-8.
    torch.testing.assert_close(guess, GradientDescent(0.4, 5).predict(prompt), rtol=0, atol=1e-6)
    exact = PreconditionedGradientDescent(0.5 * torch.eye(5), steps=5).predict(prompt)
    torch.testing.assert_close(exact, GradientDescent(0.5, 5).predict(prompt), rtol=0, atol=1e-10)


@pytest.mark.parametrize("steps", [2, 3])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2])
def test_a_planted_preconditioner_is_found(seeded, steps, scale):
    prompt = noisy(seeded, batch=300, queries=4, input_scale=scale, scales=(1.0, 0.25, 2.0, 0.5, 1.0))
    white = torch.diag(scale * torch.tensor([1.0, 0.25, 2.0, 0.5, 1.0], dtype=torch.float64)).inverse()
    inner = 0.15 * torch.eye(5, dtype=torch.float64) + 0.02 * torch.randn(5, 5, generator=seeded(1)).double()
    planted = PreconditionedGradientDescent(white @ inner @ white, steps)
    told = replace(prompt, target=planted.predict(prompt)[-1])
    P = PreconditionedGradientDescent(steps=steps).fit(told).preconditioner
    assert P is not None
    torch.testing.assert_close(torch.linalg.solve(white, P) @ white.inverse(), inner, rtol=0, atol=1e-3)


@pytest.mark.parametrize("steps", [2, 4])
def test_several_tuned_steps_are_a_minimum_below_its_rivals(seeded, steps):
    prompt = noisy(seeded, batch=400, queries=4, scales=(1.0, 0.25, 2.0, 0.5, 1.0))
    tuned = PreconditionedGradientDescent(steps=steps).fit(prompt)
    assert tuned.preconditioner is not None

    def loss(learner: RegressionPredictor) -> float:
        return half_squared_error(learner.predict(prompt)[-1], prompt.target).item()

    for rival in (GradientDescent(steps=steps), PreconditionedGradientDescent(steps=steps - 1)):
        assert loss(tuned) < 0.99 * loss(rival.fit(prompt))
    for seed in range(10):
        change = 1.0 + 0.03 * torch.randn(5, 5, generator=seeded(seed), dtype=torch.float64)
        assert loss(replace(tuned, preconditioner=tuned.preconditioner * change)) > loss(tuned)
    # Tuning a tuned one again ends there.
    assert loss(tuned.fit(prompt)) == pytest.approx(loss(tuned), rel=1e-6)


def test_nonsense_is_refused(seeded):
    with pytest.raises(ValueError, match="steps: 0 must be at least 1"):
        PreconditionedGradientDescent(steps=0)
    with pytest.raises(ValueError, match=r"preconditioner: shape \(3, 3\) must be \(d_in, d_in\) = \(5, 5\)"):
        PreconditionedGradientDescent(torch.eye(3)).weights(noisy(seeded))
