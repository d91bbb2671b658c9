"""Impostors that read the examples of the context wrongly: their order, their labels or their inputs."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import DescribedPlant, Rule, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import defect
from mesa.learners.gradient_descent import GradientDescent
from mesa.learners.least_mean_squares import LeastMeanSquares
from mesa.learners.ridge import Ridge
from probes.controls.planted import last_step
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression


def _with_labels(rule: Rule, change: Callable[[Tensor], Tensor]) -> Rule:
    """The rule on labels (batch context d_out) that this function changes."""
    return lambda prompt: rule(replace(prompt, y=change(prompt.y)))


def _every_fifth_flipped(y: Tensor) -> Tensor:
    signs = torch.where(torch.arange(y.shape[1], device=y.device) % 5 == 2, -1.0, 1.0)
    return y * signs[:, None].to(y)


def _recent(prompt: RegressionPrompt, decay: float) -> RegressionPrompt:
    """Examples scaled by the root of decay^(N - i): a squared error then weighs example i by decay^(N - i)."""
    count = prompt.x.shape[1]
    ages = torch.arange(count - 1, -1, -1, dtype=prompt.x.dtype, device=prompt.x.device)
    root = (decay**ages).sqrt()[:, None]
    return replace(prompt, x=prompt.x * root, y=prompt.y * root)


def _last_exchanged(y: Tensor) -> Tensor:
    """Labels of which the last two are exchanged."""
    return torch.cat([y[:, :-2], y[:, -2:].flip(1)], dim=1)


def _without_first(prompt: RegressionPrompt) -> RegressionPrompt:
    return replace(prompt, x=prompt.x[:, 1:], y=prompt.y[:, 1:])


def _without_coordinate(prompt: RegressionPrompt) -> RegressionPrompt:
    """Inputs and queries whose last coordinate is zero."""
    mask = torch.ones_like(prompt.x[0, 0])
    mask[-1] = 0.0
    return replace(prompt, x=prompt.x * mask, query=prompt.query * mask)


def _next_coordinate(prompt: RegressionPrompt) -> RegressionPrompt:
    """Queries mixed with their coordinates moved by one."""
    query = 0.8 * prompt.query + 0.6 * prompt.query.roll(1, dims=-1)
    return replace(prompt, query=query)


_FLIPPED = LinearRegression(d_in=4, context=15, law="normal", input_scale=0.7)
_FLIPPED_GD = last_step(GradientDescent(0.5 * largest_stable_size(_FLIPPED)))
_RECENT = LinearRegression(d_in=12, context=45, input_scale=0.8)
_RECENT_GD = last_step(GradientDescent(0.4 * largest_stable_size(_RECENT)))
_RECENT_RIDGE = LinearRegression(d_in=6, context=24, law="normal", input_scale=1.0, label_noise=1.0)
_RIDGE = last_step(Ridge(4.0))
_SIGNS = LinearRegression(d_in=8, context=20, input_scale=0.9)
_SIGNS_GD = last_step(GradientDescent(0.6 * largest_stable_size(_SIGNS)))
_CLAMPED = LinearRegression(d_in=5, context=10, input_scale=1.0)
_LEAST_SQUARES = last_step(Ridge.least_squares())
_SHORT = LinearRegression(d_in=9, context=6, law="normal", input_scale=0.5)
_MOVED = LinearRegression(d_in=3, context=12, input_scale=1.4)
_EXCHANGED = LinearRegression(d_in=4, context=13, law="normal", input_scale=0.8)
_BLIND = LinearRegression(d_in=6, context=11, law="normal", input_scale=0.8)
_MIXED = LinearRegression(d_in=7, context=9, input_scale=1.1, label_noise=0.3)
_PASS = LinearRegression(d_in=6, context=9, law="normal", input_scale=0.4)
_LMS = last_step(LeastMeanSquares(0.9))

ALTERED_EXAMPLES: list[DescribedPlant] = [
    defect(
        "gd 1",
        "one step of gradient descent in which every fifth label has the wrong sign.",
        _FLIPPED,
        _with_labels(_FLIPPED_GD, _every_fifth_flipped),
        _FLIPPED_GD,
        0.45,
    ),
    defect(
        "least_squares",
        "least squares in which every fifth label has the wrong sign.",
        _MOVED,
        _with_labels(_LEAST_SQUARES, _every_fifth_flipped),
        _LEAST_SQUARES,
        0.45,
    ),
    defect(
        "gd 1",
        "one step of gradient descent whose examples lose 8 % of their weight for each later example.",
        _RECENT,
        lambda prompt: _RECENT_GD(_recent(prompt, 0.92)),
        _RECENT_GD,
        0.35,
        0.02,
    ),
    defect(
        "ridge",
        "ridge regression whose examples lose 15 % of their weight for each later example.",
        _RECENT_RIDGE,
        lambda prompt: _RIDGE(_recent(prompt, 0.85)),
        _RIDGE,
        0.25,
    ),
    defect(
        "gd 1",
        "one step of gradient descent on the signs of the labels.",
        _SIGNS,
        _with_labels(_SIGNS_GD, torch.sign),
        _SIGNS_GD,
        0.35,
    ),
    defect(
        "least_squares",
        "least squares on labels that are clamped to +-0.8, which cuts half of them.",
        _CLAMPED,
        _with_labels(_LEAST_SQUARES, lambda y: y.clamp(-0.8, 0.8)),
        _LEAST_SQUARES,
        0.4,
    ),
    defect(
        "least_squares",
        "least squares of least norm that misses the first of six examples.",
        _SHORT,
        lambda prompt: _LEAST_SQUARES(_without_first(prompt)),
        _LEAST_SQUARES,
        0.3,
        0.01,
    ),
    defect(
        "least_squares",
        "least squares in which the last two labels are exchanged.",
        _EXCHANGED,
        _with_labels(_LEAST_SQUARES, _last_exchanged),
        _LEAST_SQUARES,
        0.3,
    ),
    defect(
        "least_squares",
        "least squares that does not see the last of six coordinates.",
        _BLIND,
        lambda prompt: _LEAST_SQUARES(_without_coordinate(prompt)),
        _LEAST_SQUARES,
        0.55,
    ),
    defect(
        "ridge",
        "ridge regression whose query is mixed with its own coordinates moved by one.",
        _MIXED,
        lambda prompt: last_step(Ridge(0.3))(_next_coordinate(prompt)),
        last_step(Ridge(0.3)),
        0.6,
    ),
    defect(
        "least_mean_squares",
        "one pass of least mean squares from the last example to the first.",
        _PASS,
        lambda prompt: _LMS(replace(prompt, x=prompt.x.flip(1), y=prompt.y.flip(1))),
        _LMS,
        0.45,
    ),
]
