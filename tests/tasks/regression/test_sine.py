"""Sine curves: their law, read off the prompts alone, and every refusal. Bounds are five standard errors."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks import RegressionPrompt, SineRegression, Task, half_squared_error

TASK = SineRegression()
BATCH = 20_000


def fitted(prompt: RegressionPrompt) -> tuple[Tensor, Tensor]:
    """Amplitude and phase of each prompt's context: y = A sin x + B cos x by least squares, in float64."""
    x, y = prompt.x.double(), prompt.y.double()
    A, B = torch.linalg.lstsq(torch.cat([x.sin(), x.cos()], dim=-1), y).solution[..., 0].unbind(-1)
    return torch.hypot(A, B), torch.atan2(B, A) % (2 * math.pi)


def assert_uniform(values: Tensor, low: float, high: float) -> None:
    # Float32 labels, and the fit's condition: a few units of 1e-5 beyond the range.
    assert values.min() > low - 1e-3 and values.max() < high + 1e-3
    unit = (values - low) / (high - low)
    for power in (1, 2, 4):
        moment = unit**power
        error = moment.std() / math.sqrt(len(moment))
        assert abs(moment.mean() - 1 / (power + 1)) < 5 * error, power


def test_amplitude_phase_and_inputs_are_uniform_and_independent(seeded):
    prompt = TASK.sample(BATCH, seeded(0))
    amplitude, phase = fitted(prompt)
    assert_uniform(amplitude, 0.1, 0.5)
    assert_uniform(phase, 0.0, math.pi)
    assert_uniform(prompt.x[:, 0, 0].double(), -5.0, 5.0)
    assert_uniform(prompt.query[:, 0, 0].double(), -5.0, 5.0)
    # The public notebooks draw both from one key: there this correlation is 1.
    for one, other in ((amplitude, phase), (amplitude, prompt.x[:, 0, 0]), (prompt.x[:, 0, 0], prompt.query[:, 0, 0])):
        assert abs(torch.corrcoef(torch.stack([one.double(), other.double()]))[0, 1]) < 5 / math.sqrt(BATCH)


def test_context_and_queries_lie_on_one_curve(seeded):
    prompt = TASK.sample(200, seeded(0), queries=7)
    amplitude, phase = (part[:, None, None] for part in fitted(prompt))
    curve = amplitude * torch.sin(prompt.query.double() + phase)
    # Ten points fix the curve to float32's 1e-7 times the fit's condition.
    torch.testing.assert_close(prompt.target.double(), curve, atol=1e-4, rtol=0)


def test_predicting_zero_costs_what_the_paper_s_figure_says(seeded):
    prompt = TASK.sample(50_000, seeded(0))
    loss = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    # E a^2 / 4 = (.1^2 + .1 * .5 + .5^2) / 12: the phase covers a whole period of sin^2. Standard error 1.3e-4.
    assert loss == pytest.approx(0.31 / 12, abs=6e-4)


@pytest.mark.parametrize(
    "ranges",
    [{"amplitudes": (1.0, 1.5)}, {"phases": (math.pi, 2 * math.pi)}, {"inputs": (-10.0, 10.0)}, {"inputs": (5.0, 6.0)}],
    ids=lambda ranges: next(iter(ranges)),
)
def test_every_range_is_the_one_that_is_asked_for(ranges: dict[str, Any], seeded):
    task = replace(TASK, **ranges, context=30)
    prompt = task.sample(4000, seeded(0))
    amplitude, phase = fitted(prompt)
    assert_uniform(prompt.x[:, 0, 0].double(), *task.inputs)
    if "inputs" not in ranges:
        assert_uniform(amplitude, *task.amplitudes)
        assert_uniform(phase, *task.phases)


def test_a_range_of_one_point_is_a_constant(seeded):
    prompt = SineRegression(amplitudes=(1.0, 1.0), phases=(0.0, 0.0)).sample(5, seeded(0))
    torch.testing.assert_close(prompt.y, prompt.x.sin())


def test_it_is_a_task_with_shapes_of_one(seeded):
    prompt = SineRegression(context=4).sample(5, seeded(0), queries=3)
    assert isinstance(TASK, Task) and TASK.bayes_predictor() is None
    assert prompt.x.shape == prompt.y.shape == (5, 4, 1)
    assert prompt.query.shape == prompt.target.shape == (5, 3, 1)
    assert prompt.teacher is None
    assert all(part.dtype == torch.float32 for part in (prompt.x, prompt.y, prompt.query, prompt.target))


def test_sampling_is_a_function_of_the_generator(seeded):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (TASK.sample(5, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("x", "y", "query", "target"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(other, name))
    source = seeded(0)
    assert torch.equal(TASK.sample(5, source).y, first.y)
    assert not torch.equal(TASK.sample(5, source).y, first.y)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("context", 0, "at least 1"),
        ("context", 2**20 + 1, "at most"),
        ("d_out", 2, "must be 1"),
        *[(name, (1.0, 0.5), "the lesser first") for name in ("amplitudes", "phases", "inputs")],
        *[(name, (0.0, bad), "finite") for name in ("amplitudes", "phases", "inputs") for bad in (math.inf, math.nan)],
        ("amplitudes", (-0.1, 0.5), "must not be negative"),
    ],
)
def test_it_refuses(field, value, rule):
    with pytest.raises(ValueError, match=f"^{field}: .*{rule}"):
        SineRegression(**{field: value})
