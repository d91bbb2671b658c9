"""Sparse teachers: how many weights they have, which, and what is as in dense linear regression."""

import math
from dataclasses import replace

import pytest
import torch

from tasks import LinearRegression, SparseLinearRegression, half_squared_error

TASK = SparseLinearRegression(d_in=6, context=8, nonzero=2)
BATCH = 20_000


def test_every_teacher_has_as_many_weights_as_are_asked_for(seeded) -> None:
    for nonzero in (1, 2, 6):
        teacher = replace(TASK, nonzero=nonzero, d_out=2).sample(500, seeded(0)).teacher
        assert teacher is not None
        used = teacher != 0
        assert used[..., 0].sum(dim=1).eq(nonzero).all()
        # One choice of inputs for all outputs.
        assert torch.equal(used[..., 0], used[..., 1])


def test_each_pair_of_inputs_is_as_likely(seeded) -> None:
    teacher = TASK.sample(BATCH, seeded(0)).teacher
    assert teacher is not None
    used = (teacher[..., 0] != 0).double()
    together = used.mT @ used / BATCH
    pairs = together[~torch.eye(6, dtype=torch.bool)]
    # 15 pairs of inputs; five standard errors of a share.
    bound = 5 * math.sqrt(1 / 15 / BATCH)
    assert (pairs - 1 / 15).abs().max() < bound
    assert (together.diagonal() - 1 / 3).abs().max() < 5 * math.sqrt(2 / 9 / BATCH)


def test_weights_that_are_not_zero_are_normal(seeded) -> None:
    teacher = replace(TASK, teacher_scale=3.0).sample(BATCH, seeded(0)).teacher
    assert teacher is not None
    weights = teacher[teacher != 0].double() / 3.0
    error = math.sqrt(2 / len(weights))
    assert abs(weights.mean()) < 5 * error and abs(weights.var() - 1) < 5 * error
    # A normal law's fourth moment is 3; its standard error is sqrt(96 / n).
    assert abs(weights.pow(4).mean() - 3) < 5 * math.sqrt(96 / len(weights))


def test_labels_are_the_teacher_s_and_targets_have_no_noise(seeded) -> None:
    prompt = replace(TASK, label_noise=0.5).sample(BATCH, seeded(0), queries=3)
    assert prompt.teacher is not None
    torch.testing.assert_close(prompt.target, prompt.query @ prompt.teacher, rtol=0, atol=1e-5)
    noise = prompt.y - prompt.x @ prompt.teacher
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)


def test_predicting_zero_costs_a_share_of_what_it_costs_for_dense_teachers(seeded) -> None:
    prompt = TASK.sample(BATCH, seeded(0))
    loss = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    # 2 weights of variance 1 times inputs of variance 1/12, halved; the standard error is about 2 %.
    assert loss == pytest.approx(2 * 0.25 / 6, rel=0.08)


def test_with_all_weights_it_is_linear_regression(seeded) -> None:
    task = SparseLinearRegression(d_in=3, context=5, nonzero=3, label_noise=0.1)
    assert task.dense == LinearRegression(d_in=3, context=5, label_noise=0.1)
    predictor = task.bayes_predictor()
    assert predictor is not None and TASK.bayes_predictor() is None
    prompt = task.sample(5, seeded(0))
    expected = task.dense.bayes_predictor().predict(prompt)
    assert torch.equal(predictor.predict(prompt), expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nonzero": 0}, "nonzero: 0 must be at least 1 and at most d_in, 6"),
        ({"nonzero": True}, "nonzero: True must be a whole number"),
        ({"d_in": True}, "d_in: True must be a whole number"),
        ({"nonzero": 7}, "nonzero: 7 must be at least 1 and at most d_in, 6"),
        ({"d_in": 0}, "d_in: 0 must be at least 1"),
        ({"label_noise": -1.0}, "label_noise: -1.0 must be a finite"),
    ],
)
def test_wrong_fields_are_refused(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TASK, **fields)
