"""Impostors that update wrongly: they change the gradient, choose another step for each prompt, or mix algorithms."""

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import DescribedPlant, Rule, largest_stable_size
from analyses.benchmarks.fresh_plants.planting import defect
from mesa.learners.conjugate_gradients import ConjugateGradients
from mesa.learners.gradient_descent import GradientDescent
from mesa.learners.least_mean_squares import LeastMeanSquares
from mesa.learners.nearest_neighbours import NearestNeighbours
from mesa.learners.ridge import Ridge
from probes.controls.planted import last_step
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression


def _clipped_residuals(prompt: RegressionPrompt, size: float, steps: int, limit: float) -> Tensor:
    """Gradient descent on Huber's loss: residuals are clamped to +-limit before each step."""
    W = torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(steps):
        W = W + size * (prompt.x.mT @ (prompt.y - prompt.x @ W).clamp(-limit, limit))
    return prompt.query @ W


def _halves(prompt: RegressionPrompt, size: float) -> Tensor:
    """Two steps: the first on the first half of the examples, the second on the others; both of twice the size."""
    half = prompt.x.shape[1] // 2
    W = 2.0 * size * (prompt.x[:, :half].mT @ prompt.y[:, :half])
    rest, labels = prompt.x[:, half:], prompt.y[:, half:]
    return prompt.query @ (W + 2.0 * size * (rest.mT @ (labels - rest @ W)))


def _steepest(prompt: RegressionPrompt, steps: int) -> Tensor:
    """Steepest descent: each step goes along the gradient to the least error on that line."""
    W = torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(steps):
        g = prompt.x.mT @ (prompt.y - prompt.x @ W)
        size = g.square().sum(dim=1, keepdim=True) / (prompt.x @ g).square().sum(dim=1, keepdim=True).clamp(min=1e-12)
        W = W + size * g
    return prompt.query @ W


def _signed(prompt: RegressionPrompt, size: float, steps: int) -> Tensor:
    """Descent along the gradient's signs, with steps that fall as 1 / k."""
    W = torch.zeros_like(prompt.x.mT @ prompt.y)
    for k in range(steps):
        W = W + size / (k + 1) * (prompt.x.mT @ (prompt.y - prompt.x @ W)).sign()
    return prompt.query @ W


def _thresholded(prompt: RegressionPrompt, size: float, threshold: float, steps: int) -> Tensor:
    """Gradient steps, each followed by soft thresholding of the weights (the lasso's iteration)."""
    W = torch.zeros_like(prompt.x.mT @ prompt.y)
    for _ in range(steps):
        W = W + size * (prompt.x.mT @ (prompt.y - prompt.x @ W))
        W = W.sign() * (W.abs() - threshold).clamp(min=0.0)
    return prompt.query @ W


def _normalised_pass(prompt: RegressionPrompt, size: float) -> Tensor:
    """Least mean squares whose step is divided by the square of each example's length."""
    W = torch.zeros_like(prompt.x.mT @ prompt.y)
    for x, y in zip(prompt.x.split(1, dim=1), prompt.y.split(1, dim=1), strict=True):
        W = W + size * (x.mT * (y - x @ W)) / x.square().sum(dim=-1, keepdim=True).clamp(min=1e-12)
    return prompt.query @ W


def _mean_of(first: Rule, second: Rule) -> Rule:
    return lambda prompt: 0.5 * first(prompt) + 0.5 * second(prompt)


def _by_first_label(first: Rule, second: Rule) -> Rule:
    """The first rule where the context's first label is positive, otherwise the second."""
    return lambda prompt: torch.where(prompt.y[:, :1, :1] > 0, first(prompt), second(prompt))


def _steep_at_large_inputs(prompt: RegressionPrompt, size: float) -> Tensor:
    """One gradient step in which an example counts by the square of its length, relative to the context's mean."""
    squares = prompt.x.square().sum(dim=-1, keepdim=True)
    return prompt.query @ (size * (prompt.x.mT @ (prompt.y * squares / squares.mean(dim=1, keepdim=True))))


_HUBER = LinearRegression(d_in=7, context=15, input_scale=1.0)
_HUBER_SIZE = 0.8 * largest_stable_size(_HUBER)
_HALVES = LinearRegression(d_in=9, context=12, law="normal", input_scale=0.7)
_HALVES_SIZE = 0.7 * largest_stable_size(_HALVES)
_STEEP = LinearRegression(d_in=6, context=9, input_scale=0.8, scales=(1.6, 1.6, 1.0, 0.6, 0.4, 0.4))
_SIGNED = LinearRegression(d_in=6, context=18, input_scale=0.7)
_SPARSE = LinearRegression(d_in=5, context=14, law="normal", input_scale=0.6)
_SPARSE_SIZE = 0.5 * largest_stable_size(_SPARSE)
_ORDERED = LinearRegression(d_in=3, context=7, law="normal", input_scale=0.9)
_BLEND = LinearRegression(d_in=4, context=18, input_scale=1.2)
_NEAREST = last_step(NearestNeighbours(2))
_LEAST_SQUARES = last_step(Ridge.least_squares())
_SWITCH = LinearRegression(d_in=8, context=12, input_scale=0.6)
_SWITCH_GD = last_step(GradientDescent(0.6 * largest_stable_size(_SWITCH)))
_HEAVY = LinearRegression(d_in=2, context=6, law="normal", input_scale=0.7)
_HEAVY_SIZE = 0.4 * largest_stable_size(_HEAVY)

ALTERED_UPDATES: list[DescribedPlant] = [
    defect(
        "gd 3",
        "three steps of gradient descent whose residuals are clamped to +-0.7, which cuts about half of the first.",
        _HUBER,
        lambda prompt: _clipped_residuals(prompt, _HUBER_SIZE, 3, 0.7),
        last_step(GradientDescent(_HUBER_SIZE, 3)),
        0.2,
    ),
    defect(
        "gd 2",
        "two steps of gradient descent of which each sees only one half of the examples.",
        _HALVES,
        lambda prompt: _halves(prompt, _HALVES_SIZE),
        last_step(GradientDescent(_HALVES_SIZE, 2)),
        0.2,
    ),
    defect(
        "conjugate_gradients 4",
        "four steps of steepest descent with exact line search, whose directions are not conjugate.",
        _STEEP,
        lambda prompt: _steepest(prompt, 4),
        last_step(ConjugateGradients(4)),
        0.35,
    ),
    defect(
        "gd 4",
        "four steps along the signs of the gradient's entries.",
        _SIGNED,
        lambda prompt: _signed(prompt, 0.5, 4),
        last_step(GradientDescent(0.9 * largest_stable_size(_SIGNED), 4)),
        0.3,
    ),
    defect(
        "gd 4",
        "four gradient steps with soft thresholding, which sets small weights to zero.",
        _SPARSE,
        lambda prompt: _thresholded(prompt, _SPARSE_SIZE, 0.25, 4),
        last_step(GradientDescent(_SPARSE_SIZE, 4)),
        0.35,
        0.01,
    ),
    defect(
        "least_mean_squares",
        "one pass of least mean squares with steps divided by the square of each input's length.",
        _ORDERED,
        lambda prompt: _normalised_pass(prompt, 0.8),
        last_step(LeastMeanSquares(0.8 / (3 * 0.81))),
        0.35,
    ),
    defect(
        "least_squares",
        "half of least squares plus half of the mean label of the two nearest neighbours.",
        _BLEND,
        _mean_of(_LEAST_SQUARES, _NEAREST),
        _LEAST_SQUARES,
        0.2,
    ),
    defect(
        "gd 1",
        "one step of gradient descent where the first label is positive, and least squares elsewhere.",
        _SWITCH,
        _by_first_label(_SWITCH_GD, _LEAST_SQUARES),
        _SWITCH_GD,
        0.6,
    ),
    defect(
        "gd 1",
        "one gradient step in which an example counts by the square of its length relative to the others'.",
        _HEAVY,
        lambda prompt: _steep_at_large_inputs(prompt, _HEAVY_SIZE),
        last_step(GradientDescent(_HEAVY_SIZE)),
        0.25,
    ),
]
