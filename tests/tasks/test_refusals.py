"""Every check on a task, a shift or a reader fires, with a message that names the field."""

import copy
import math

import pytest
import torch

from tasks import (
    Inputs,
    InputScale,
    LinearRegression,
    NoisyLabels,
    PairedReader,
    QueryScale,
    RescaledInputs,
    TeacherScale,
)

BASE = LinearRegression(d_in=2, context=3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("d_in", 0),
        ("d_in", -3),
        ("d_out", 0),
        ("context", 0),
        *[(name, bad) for name in ("input_scale", "teacher_scale") for bad in (0.0, -1.0, math.inf, math.nan)],
        *[("label_noise", bad) for bad in (-0.1, math.inf, math.nan)],
        *[("teachers", bad) for bad in (0, -1, 2**20 + 1)],
        *[("prompts", bad) for bad in (0, -1, 2**20 + 1)],
        *[("teachers_seed", bad) for bad in (-1, 2**32)],
        ("scales", (1.0,)),
        ("scales", (1.0, 0.0)),
        ("scales", (1.0, math.nan)),
        ("scales", (1.0, math.inf)),
    ],
)
def test_linear_regression_refuses(field, value):
    with pytest.raises(ValueError, match=f"^{field}: "):
        LinearRegression(**{"d_in": 2, field: value})


@pytest.mark.parametrize("shift", [InputScale, TeacherScale, QueryScale])
@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_factor_must_be_positive_and_finite(shift, factor):
    with pytest.raises(ValueError, match=r"^factor: "):
        shift(BASE, factor)


@pytest.mark.parametrize("count", [-1, 4])
def test_noisy_labels_refuses_more_labels_than_there_are(count):
    with pytest.raises(ValueError, match=r"^count: .* 0\.\.3"):
        NoisyLabels(BASE, count)


@pytest.mark.parametrize("norm", [0.0, -1.0, math.inf, math.nan])
def test_other_law_refuses_a_norm(norm):
    with pytest.raises(ValueError, match=r"^norm: "):
        RescaledInputs(BASE, "normal", norm)


@pytest.mark.parametrize(
    ("known", "law", "message"),
    [
        (BASE, "cauchy", "^law: 'cauchy' must be 'uniform' or 'normal'"),
        (RescaledInputs(BASE, "normal", 1.0), "uniform", "^law: 'uniform' must be one of normal, exponential, laplace"),
    ],
)
def test_a_law_must_be_known(known, law, message):
    # The run-time type check of the tests would refuse the constructor's call first; users do not have it.
    unchecked = copy.copy(known)
    object.__setattr__(unchecked, "law", law)
    with pytest.raises(ValueError, match=message):
        unchecked.__post_init__()


def test_a_reader_refuses_prompts_of_another_width(seeded):
    with pytest.raises(ValueError, match=r"^d_out: the reader reads 2 outputs, the prompt has 1"):
        PairedReader(2).encode(BASE.sample(1, seeded(0)))


def test_a_reader_refuses_nothing_to_read_and_a_start_of_another_width():
    with pytest.raises(ValueError, match=r"^d_out: 0"):
        PairedReader(0)
    with pytest.raises(ValueError, match=r"^start: 1 outputs, but d_out is 2"):
        PairedReader(2, torch.zeros(3, 1))


@pytest.mark.parametrize("queries", [-1, 5])
def test_inputs_refuse_more_queries_than_tokens(queries):
    with pytest.raises(ValueError, match=r"^queries: .* 0\.\.4"):
        Inputs(torch.zeros(1, 4, 2), queries)
