"""A fixed set of teachers: what is drawn from it, and the best prediction for someone who knows the set."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

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

TASK = LinearRegression(d_in=4, context=6, teachers=5)


def members(task: LinearRegression, teacher: torch.Tensor | None) -> torch.Tensor:
    """The place in the set of every prompt's teacher; -1 where it is in none."""
    assert teacher is not None
    same = (teacher[:, None] == task.teacher_set).flatten(2).all(dim=2)
    return torch.where(same.any(dim=1), same.float().argmax(dim=1), -1)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("d_in", [1, 3, 10])
def test_the_first_of_a_larger_set_are_the_smaller_set(count, d_in):
    large = LinearRegression(d_in=d_in, teachers=300).teacher_set
    small = LinearRegression(d_in=d_in, teachers=count).teacher_set
    assert torch.equal(small, large[:count])
    assert len(torch.unique(large, dim=0)) == 300


def test_the_set_is_a_function_of_its_seed_alone():
    again, other = replace(TASK), replace(TASK, teachers_seed=1)
    assert torch.equal(again.teacher_set, TASK.teacher_set)
    assert not (other.teacher_set == TASK.teacher_set).any()
    # Neither the inputs' law nor the context's length moves it.
    assert torch.equal(replace(TASK, context=9, law="normal", label_noise=0.2).teacher_set, TASK.teacher_set)


def test_the_set_is_drawn_from_the_law_of_fresh_teachers():
    task = LinearRegression(d_in=2, teachers=20_000, teacher_scale=1.5, scales=(1.0, 0.25))
    entries = task.teacher_set[..., 0].double()
    for entry, std in zip(entries.T, (1.5, 6.0), strict=True):
        unit = entry / std
        # Five standard errors of the first, second and fourth moment of a normal.
        assert abs(unit.mean()) < 5 / math.sqrt(20_000)
        assert abs(unit.square().mean() - 1) < 5 * math.sqrt(2 / 20_000)
        assert abs((unit**4).mean() - 3) < 5 * math.sqrt(96 / 20_000)


def test_every_teacher_is_as_likely_and_no_other_is_drawn(seeded):
    prompt = TASK.sample(20_000, seeded(0))
    counts = torch.bincount(members(TASK, prompt.teacher), minlength=5)
    assert counts.sum() == 20_000
    # Five standard errors of a share of a fifth.
    assert (counts / 20_000 - 0.2).abs().max() < 5 * math.sqrt(0.2 * 0.8 / 20_000)


def test_one_teacher_is_everybody_s(seeded):
    prompt = replace(TASK, teachers=1).sample(50, seeded(0))
    assert prompt.teacher is not None and (prompt.teacher == prompt.teacher[:1]).all()


def test_inputs_are_those_of_the_task_with_fresh_teachers(seeded):
    fresh = replace(TASK, teachers=None, teachers_seed=3)
    ours, theirs = TASK.sample(20, seeded(0), queries=2), fresh.sample(20, seeded(0), queries=2)
    assert torch.equal(ours.x, theirs.x) and torch.equal(ours.query, theirs.query)
    assert not torch.equal(ours.y, theirs.y)
    with pytest.raises(ValueError, match=r"^teachers: null"):
        _ = fresh.teacher_set


@pytest.mark.parametrize("d_out", [1, 2])
@pytest.mark.parametrize("context", [1, 3])
def test_with_noise_the_best_is_the_posterior_mean(d_out, context, seeded):
    task = LinearRegression(
        d_in=4, d_out=d_out, context=context, teachers=7, label_noise=0.3, scales=(1.0, 2.0, 0.5, 1.0)
    )
    prompt = task.sample(20, seeded(0), queries=3).to(dtype=torch.float64)
    known = task.teacher_set.double().numpy()
    for b, prediction in enumerate(bayes_prediction(task, prompt).numpy()):
        errors = [np.sum((prompt.y[b].numpy() - prompt.x[b].numpy() @ w) ** 2) for w in known]
        odds = np.exp(-np.array(errors) / (2 * 0.3**2))
        mean = np.tensordot(odds / odds.sum(), known, axes=1)
        np.testing.assert_allclose(prediction, prompt.query[b].numpy() @ mean, atol=1e-10)


def test_without_noise_the_best_is_right_for_any_context(seeded):
    for context in (1, 2, 6):
        prompt = replace(TASK, context=context, teachers=500).sample(300, seeded(0))
        best = bayes_prediction(replace(TASK, context=context, teachers=500), prompt)
        error = (best - prompt.target).abs().flatten()
        # One label of a context fits two of 500 teachers to float32's rounding now and then.
        assert (error < 1e-5).float().mean() > 0.99 if context == 1 else error.max() < 1e-5


def test_without_noise_it_is_the_limit_of_little_noise(seeded):
    prompt = TASK.sample(50, seeded(0)).to(dtype=torch.float64)
    noisy = bayes_prediction(replace(TASK, label_noise=1e-3), prompt)
    torch.testing.assert_close(noisy, bayes_prediction(TASK, prompt), atol=1e-10, rtol=0)


@pytest.mark.parametrize("noise", [1e-200, 1e-12, 1e12])
def test_extreme_noise_overflows_nothing(noise, seeded):
    task = replace(TASK, label_noise=noise)
    prompt = task.sample(50, seeded(0), queries=2)
    best = bayes_prediction(task, prompt)
    assert best.isfinite().all()
    expected = prompt.target if noise < 1 else prompt.query @ task.teacher_set.mean(dim=0)
    torch.testing.assert_close(best, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_no_rival_beats_it(noise, seeded):
    task = LinearRegression(d_in=4, context=2, teachers=8, label_noise=noise)
    prompt = task.sample(3000, seeded(0))
    loss = half_squared_error(bayes_prediction(task, prompt), prompt.target)
    mean = prompt.query @ task.teacher_set.mean(dim=0)
    fresh = bayes_prediction(replace(task, teachers=None), prompt)
    rivals = [fresh, mean, torch.zeros_like(mean), 0.9 * bayes_prediction(task, prompt)]
    rivals += [bayes_prediction(replace(task, label_noise=other), prompt) for other in (0.2, 1.0) if noise]
    assert all(half_squared_error(rival, prompt.target) > loss for rival in rivals)


def test_large_sets_are_scored_a_few_prompts_at_a_time(seeded, monkeypatch):
    task = replace(TASK, label_noise=0.2)
    prompt = task.sample(30, seeded(0))
    whole = bayes_prediction(task, prompt)
    monkeypatch.setattr("tasks.regression.posterior._AT_ONCE", 1)
    torch.testing.assert_close(bayes_prediction(task, prompt), whole)


def test_shifts_draw_from_the_same_set(seeded):
    for shift in (
        InputScale(TASK, 2.0),
        QueryScale(TASK, 2.0),
        NoisyLabels(TASK, 2),
        RescaledInputs(TASK, "normal", 1.0),
    ):
        assert (members(TASK, shift.sample(50, seeded(0)).teacher) >= 0).all()
    longer = TeacherScale(TASK, 2.0).sample(50, seeded(0))
    assert longer.teacher is not None and (members(TASK, longer.teacher / 2) >= 0).all()
    best = bayes_prediction(TeacherScale(TASK, 2.0), longer)
    assert best is not None
    torch.testing.assert_close(best, longer.target, atol=1e-5, rtol=0)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_noisy_labels_are_left_out(count, seeded):
    prompt = NoisyLabels(TASK, count).sample(50, seeded(0))
    best = bayes_prediction(NoisyLabels(TASK, count), prompt)
    assert best is not None
    # Nothing known is the mean of the set, and any three right labels name the teacher.
    expected = prompt.target if count < 6 else prompt.query @ TASK.teacher_set.mean(dim=0)
    torch.testing.assert_close(best, expected, atol=1e-5, rtol=0)
