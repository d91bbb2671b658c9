"""Bayes predictors against numpy, one prompt at a time, and against rivals."""

import numpy as np
import pytest
import torch
from scipy.linalg import solve

from tasks import (
    InputScale,
    LinearRegression,
    NoisyLabels,
    QueryScale,
    RescaledInputs,
    TeacherScale,
    half_squared_error,
)
from tests.helpers.predictions import bayes_prediction

SCALES = (1.0, 0.3, 2.0, 0.5)
SHAPES = [{"d_in": 4, "context": n, "d_out": o} for n, o in ((2, 1), (4, 1), (9, 2))]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scales", [None, SCALES])
def test_without_noise_it_is_minimum_norm_least_squares(shape, scales, seeded):
    task = LinearRegression(**shape, scales=scales, teacher_scale=1.5)
    prompt = task.sample(20, seeded(0), queries=3).to(dtype=torch.float64)
    tau = 1.5 / np.array(scales or (1.0,) * 4)
    for b, prediction in enumerate(bayes_prediction(task, prompt).numpy()):
        # Least squares in z = x tau, where the prior is isotropic: its minimum norm is the likeliest teacher.
        weights = np.linalg.lstsq(prompt.x[b].numpy() * tau, prompt.y[b].numpy(), rcond=None)[0]
        # Float64, but the condition of a square random system goes into the thousands, and is squared here.
        np.testing.assert_allclose(prediction, (prompt.query[b].numpy() * tau) @ weights, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scales", [None, SCALES])
def test_with_noise_it_is_ridge_regression(shape, scales, seeded):
    task = LinearRegression(**shape, scales=scales, teacher_scale=1.5, label_noise=0.2)
    prompt = task.sample(20, seeded(0), queries=3).to(dtype=torch.float64)
    precision = np.diag((np.array(scales or (1.0,) * 4) / 1.5) ** 2)
    for b, prediction in enumerate(bayes_prediction(task, prompt).numpy()):
        x, y = prompt.x[b].numpy(), prompt.y[b].numpy()
        weights = solve(x.T @ x + 0.04 * precision, x.T @ y, assume_a="pos")
        # Both sides are well conditioned: float64 rounding alone.
        np.testing.assert_allclose(prediction, prompt.query[b].numpy() @ weights, atol=1e-10)


def test_noiseless_with_enough_examples_it_is_right(seeded):
    task = LinearRegression(d_in=3, context=12)
    prompt = task.sample(200, seeded(0))
    # Float32 labels, condition of twelve examples in three dimensions below a hundred.
    torch.testing.assert_close(bayes_prediction(task, prompt), prompt.target, atol=1e-4, rtol=0)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("context", [3, 8])
def test_no_rival_beats_it(noise, context, seeded):
    task = LinearRegression(d_in=5, context=context, law="normal", input_scale=1.0, label_noise=noise)
    prompt = task.sample(4000, seeded(0)).to(dtype=torch.float64)
    eye = torch.eye(5, dtype=torch.float64)
    gram, moment = prompt.x.mT @ prompt.x, prompt.x.mT @ prompt.y
    best = bayes_prediction(task, prompt)
    rivals = {"zero": torch.zeros_like(best), "half": best * 0.5, "more": best * 1.1, "less": best * 0.9}
    rivals |= {f"step {c}": prompt.query @ (c * moment) for c in (0.03, 0.06, 0.1)}
    for ridge in (1e-3, 0.03, 0.3, 1.0):
        if abs(ridge - noise**2) > 0.05 or noise == 0:
            rivals[f"ridge {ridge}"] = prompt.query @ torch.linalg.solve(gram + ridge * eye, moment)
    loss = half_squared_error(best, prompt.target)
    for name, rival in rivals.items():
        # With enough noiseless examples both are right, but for the rival's bias.
        assert half_squared_error(rival, prompt.target) > loss, name


def test_shifts_that_change_only_inputs_keep_the_base_s_answer(seeded):
    task = LinearRegression(d_in=4, context=6, label_noise=0.2, scales=SCALES)
    for shift in (InputScale(task, 2.0), QueryScale(task, 2.0), RescaledInputs(task, "laplace", 2.0)):
        prompt = shift.sample(10, seeded(0))
        best = bayes_prediction(shift, prompt)
        assert best is not None and torch.equal(best, bayes_prediction(task, prompt))


def test_a_scaled_teacher_is_expected_to_be_large(seeded):
    task = LinearRegression(d_in=4, context=3, label_noise=0.5)
    shift = TeacherScale(task, 4.0)
    prompt = shift.sample(4000, seeded(0))
    best = bayes_prediction(shift, prompt)
    assert best is not None
    assert half_squared_error(best, prompt.target) < half_squared_error(bayes_prediction(task, prompt), prompt.target)


@pytest.mark.parametrize("count", [0, 2, 4, 6])
def test_noisy_labels_are_left_out(count, seeded):
    task = LinearRegression(d_in=4, context=6)
    shift = NoisyLabels(task, count)
    prompt = shift.sample(20, seeded(0)).to(dtype=torch.float64)
    best = bayes_prediction(shift, prompt)
    assert best is not None
    for b in range(20):
        x, y = prompt.x[b, count:].numpy(), prompt.y[b, count:].numpy()
        weights = np.linalg.lstsq(x, y, rcond=None)[0] if count < 6 else np.zeros((4, 1))
        # As above: a squared condition number in float64.
        np.testing.assert_allclose(best[b].numpy(), prompt.query[b].numpy() @ weights, atol=1e-7)
