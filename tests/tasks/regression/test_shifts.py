"""Each shift changes what it names and nothing else. Same generator state, so comparisons are exact."""

from dataclasses import fields
from typing import Any

import pytest
import torch

from tasks import InputScale, LinearRegression, NoisyLabels, QueryScale, RescaledInputs, TeacherScale

BASE = LinearRegression(d_in=4, d_out=2, context=6, scales=(1.0, 0.5, 2.0, 1.0))
# A factor of a float32 number rounds once; a sum of four products a few times.
CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("shift", [InputScale(BASE, 1.0), TeacherScale(BASE, 1.0), QueryScale(BASE, 1.0)])
def test_factor_one_is_the_base_distribution(shift, seeded):
    ours, base = shift.sample(8, seeded(0), queries=2), BASE.sample(8, seeded(0), queries=2)
    assert all(torch.equal(getattr(ours, field.name), getattr(base, field.name)) for field in fields(base))


def test_no_noisy_labels_is_the_base_distribution(seeded):
    ours, base = NoisyLabels(BASE, 0).sample(8, seeded(0)), BASE.sample(8, seeded(0))
    assert all(torch.equal(getattr(ours, field.name), getattr(base, field.name)) for field in fields(base))


def test_input_scale_scales_inputs_queries_and_so_labels(seeded):
    ours, base = InputScale(BASE, 3.0).sample(8, seeded(0)), BASE.sample(8, seeded(0))
    for name in ("x", "y", "query", "target"):
        torch.testing.assert_close(getattr(ours, name), 3 * getattr(base, name), **CLOSE)
    assert ours.teacher is not None and base.teacher is not None
    assert torch.equal(ours.teacher, base.teacher)


def test_teacher_scale_scales_the_teacher_and_so_labels(seeded):
    ours, base = TeacherScale(BASE, 3.0).sample(8, seeded(0)), BASE.sample(8, seeded(0))
    assert torch.equal(ours.x, base.x) and torch.equal(ours.query, base.query)
    assert ours.teacher is not None and base.teacher is not None
    torch.testing.assert_close(ours.teacher, 3 * base.teacher, **CLOSE)
    torch.testing.assert_close(ours.y, 3 * base.y, **CLOSE)
    torch.testing.assert_close(ours.target, 3 * base.target, **CLOSE)


def test_query_scale_leaves_the_context_alone(seeded):
    ours, base = QueryScale(BASE, 3.0).sample(8, seeded(0)), BASE.sample(8, seeded(0))
    assert torch.equal(ours.x, base.x) and torch.equal(ours.y, base.y)
    torch.testing.assert_close(ours.query, 3 * base.query, **CLOSE)
    assert ours.teacher is not None
    torch.testing.assert_close(ours.target, ours.query @ ours.teacher, **CLOSE)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_exactly_count_labels_are_unrelated_to_their_inputs(count, seeded):
    prompt = NoisyLabels(BASE, count).sample(4000, seeded(0))
    assert prompt.teacher is not None
    off = (prompt.y - prompt.x @ prompt.teacher).abs() > 1e-5
    assert off.sum(dim=1).float().mean() == pytest.approx(count, abs=0.01)
    assert not off[:, count:].any()
    noise = prompt.y[:, :count]
    # 4000 * count * 2 draws of N(0, 1): five standard errors of mean, variance and correlation with x.w.
    error = 5 / (4000 * count * 2) ** 0.5
    assert abs(noise.mean()) < error
    assert abs(noise.var() - 1) < 2**0.5 * error
    clean = (prompt.x @ prompt.teacher)[:, :count]
    assert abs((noise * clean).mean() / clean.std()) < error
    torch.testing.assert_close(prompt.target, prompt.query @ prompt.teacher, **CLOSE)


@pytest.mark.parametrize("norm", [0.5, 5.0])
@pytest.mark.parametrize("law", ["normal", "exponential", "laplace"])
def test_other_laws_give_the_context_its_norm_and_label_afterwards(law, norm, seeded):
    prompt = RescaledInputs(BASE, law, norm).sample(50, seeded(0), queries=3)
    # The Frobenius norm of each context, exactly: float32 rounding of 24 squares is below 1e-6 relative.
    torch.testing.assert_close(prompt.x.flatten(1).norm(dim=1), torch.full((50,), norm), rtol=1e-5, atol=0)
    assert prompt.teacher is not None
    torch.testing.assert_close(prompt.y, prompt.x @ prompt.teacher, **CLOSE)
    torch.testing.assert_close(prompt.target, prompt.query @ prompt.teacher, **CLOSE)


def test_the_query_shares_its_context_s_factor(seeded):
    # The whole prompt is one draw times one factor, so ratios of entries do not depend on the norm.
    small, large = (RescaledInputs(BASE, "laplace", norm).sample(50, seeded(0)) for norm in (0.5, 5.0))
    torch.testing.assert_close(large.query, 10 * small.query, **CLOSE)
    torch.testing.assert_close(large.x, 10 * small.x, **CLOSE)


@pytest.mark.parametrize(("law", "kurtosis"), [("normal", 3.0), ("exponential", 9.0), ("laplace", 6.0)])
def test_other_laws_have_the_law_they_name(law, kurtosis, seeded):
    # One long context: dividing by its norm does not change the kurtosis E (x - m)^4 / (E (x - m)^2)^2.
    x = RescaledInputs(LinearRegression(d_in=1, context=200_000), law, 1.0).sample(1, seeded(0)).x.double().flatten()
    centred = (x - x.mean()) / x.std()
    # Five standard errors of a fourth moment at 200,000 draws: at most .9, for the exponential.
    assert (centred**4).mean() == pytest.approx(kurtosis, rel=0.1)
    # Exponential inputs are positive; the others are symmetric.
    assert ((x > 0).all()) == (law == "exponential")


@pytest.mark.parametrize("law", ["normal", "exponential", "laplace"])
def test_other_laws_keep_the_coordinates_scales(law, seeded):
    x = RescaledInputs(BASE, law, 1.0).sample(20_000, seeded(0)).x
    rms = x.square().mean(dim=(0, 1)).sqrt()
    # Kurtosis 9 or less on 120,000 draws: relative error of an rms below 1 %, the normalisation's correlation included
    # only where scales are equal, so only those are compared exactly.
    assert rms[0] / rms[3] == pytest.approx(1.0, abs=0.03)
    assert rms[1] < 0.6 * rms[0] < 0.4 * rms[2]
