"""Impostors that average labels, or the teachers of a pool, in a way that no named algorithm does."""

import torch
from torch import Tensor
from torch.nn import functional

from analyses.benchmarks.described_plant import DescribedPlant
from analyses.benchmarks.fresh_plants.planting import defect
from analyses.benchmarks.fresh_plants.rules import distances
from mesa.learners.local.kernel_regression import KernelRegression, SoftmaxRegression
from mesa.learners.local.mean_label import MeanLabel
from mesa.learners.nearest_neighbours import NearestNeighbours
from mesa.learners.teacher_pool import TeacherPool
from probes.controls.planted import last_step
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression


def _inverse_squares(prompt: RegressionPrompt) -> Tensor:
    """Shepard's weights: one over the squared distance to the query."""
    weights = 1.0 / (distances(prompt.query, prompt.x) + 1e-9)
    return weights / weights.sum(dim=-1, keepdim=True) @ prompt.y


def _nearest_direction(prompt: RegressionPrompt, neighbours: int) -> Tensor:
    """The mean label of the examples whose inputs make the smallest angles with the query."""
    cosines = functional.normalize(prompt.query, dim=-1) @ functional.normalize(prompt.x, dim=-1).mT
    chosen = cosines.detach().topk(neighbours, dim=-1).indices
    mask = torch.zeros_like(cosines).scatter(-1, chosen, 1.0 / neighbours)
    return mask @ prompt.y + 0.0 * prompt.query.sum(dim=-1, keepdim=True)


def _median_label(prompt: RegressionPrompt) -> Tensor:
    median = prompt.y.median(dim=1, keepdim=True).values
    return median + 0.0 * prompt.query.sum(dim=-1, keepdim=True)


def _squared_scores(prompt: RegressionPrompt) -> Tensor:
    """Labels averaged with weights (x_q . x_i)^2 and the sign of the product: attention without softmax."""
    scores = prompt.query @ prompt.x.mT
    return scores * scores.abs() @ prompt.y / scores.square().sum(dim=-1, keepdim=True).clamp(min=1e-12)


_SHEPARD = LinearRegression(d_in=3, context=19, input_scale=1.0)
_ANGLE = LinearRegression(d_in=4, context=23, law="normal", input_scale=1.0)
_MEDIAN = LinearRegression(d_in=5, context=9, law="normal", input_scale=0.8)
_SCORES = LinearRegression(d_in=6, context=20, law="normal", input_scale=0.9)
_POOL = LinearRegression(d_in=7, context=5, input_scale=0.8, teachers=6, teachers_seed=21)

ALTERED_AVERAGES: list[DescribedPlant] = [
    defect(
        "kernel_regression",
        "labels averaged with one over the squared distance to the query, which has no bandwidth.",
        _SHEPARD,
        _inverse_squares,
        last_step(KernelRegression(0.5)),
        0.25,
    ),
    defect(
        "nearest_neighbours",
        "the mean label of the three examples at the smallest angles, whatever their lengths.",
        _ANGLE,
        lambda prompt: _nearest_direction(prompt, 3),
        last_step(NearestNeighbours(3)),
        0.35,
    ),
    defect("mean_label", "the median label.", _MEDIAN, _median_label, last_step(MeanLabel()), 0.5),
    defect(
        "softmax_regression",
        "labels averaged with the signed squares of the scores.",
        _SCORES,
        _squared_scores,
        last_step(SoftmaxRegression(1.0)),
        0.45,
    ),
    defect(
        "teacher_pool",
        "the posterior mean over five of the task's six teachers.",
        _POOL,
        last_step(TeacherPool(_POOL.teacher_set[:5], 0.2)),
        last_step(TeacherPool(_POOL.teacher_set, 0.2)),
        0.5,
    ),
]
