"""A model with a known right answer, written by an author who has not read how `identify` decides.

Names of kinds, with S = X^T X, m = X^T Y, W_0 = 0 and a number of steps k behind the name where there are steps:
gd k, gd_per_step k, gd_plus_plus k, gd_plus_plus_per_step k, preconditioned_gd k, newton k, conjugate_gradients k,
coordinate_descent k, ridge, least_squares, nearest_neighbours and averaging are the learners of `mesa.learners`.
heavy_ball k, nesterov k, gd_weight_decay k, truncated_spectrum, gradient_flow, lms, kernel_ridge, nadaraya_watson and
mean_label are the functions of `rules`; pool_bayes is the posterior mean over the task's fixed set of teachers.
An impostor has the kind "none".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.models.in_context import InContextTransformer
from probes.controls.planted import Planted, noisy, noisy_embedding
from tasks.prompt import RegressionPrompt
from tasks.regression.linear_regression import LinearRegression
from tasks.task import Task

Rule: TypeAlias = Callable[[RegressionPrompt], Float[Tensor, "batch query d_out"]]
Build: TypeAlias = Callable[[torch.Generator], InContextTransformer | Planted]


@dataclass(frozen=True, eq=False)
class DescribedPlant:
    """A model and its right answer: `kind`, or one of the equally right names in `also`.

    `build` makes the model; all its randomness comes from the generator. Models with weights read `PairedReader`.
    `reference` is the algorithm `kind` without noise, or for an impostor the algorithm `imitates`. An impostor departs
    from its reference on prompts of `shift`: the root mean square of (f - a g) is at least `departure` times that of
    a g, where the factor a is fitted on prompts of `task`. A `shift` that is the task is a defect in distribution.

    >>> from mesa.learners import GradientDescent
    >>> from probes.controls.planted import last_step
    >>> task, rule = LinearRegression(d_in=2), last_step(GradientDescent(0.5))
    >>> DescribedPlant("gd 1", "One step.", task, lambda generator: Planted(rule), rule).is_impostor
    False
    """

    kind: str
    description: str
    task: LinearRegression
    build: Build
    reference: Rule
    also: tuple[str, ...] = ()
    imitates: str = ""
    shift: Task | None = None
    departure: float = 0.0

    @property
    def is_impostor(self) -> bool:
        """Whether no named algorithm is the right answer."""
        return self.kind == "none"


def largest_stable_size(task: LinearRegression) -> float:
    """2 / |S| for a typical context: a larger step size diverges.

    Inputs of variance v have |S| near N v (1 + sqrt(d/N))^2 (the edge of Marchenko and Pastur's law); with `scales` the
    largest coordinate stands for all.

    >>> round(largest_stable_size(LinearRegression(d_in=4, context=16, law="normal", input_scale=1.0)), 4)
    0.0556
    """
    variance = task.input_scale**2 * (1.0 if task.law == "normal" else 1.0 / 3.0) * max(task.scales or (1.0,)) ** 2
    return 2.0 / (task.context * variance * (1.0 + math.sqrt(task.d_in / task.context)) ** 2)


def from_weights(make: Callable[[], InContextTransformer], noise: float = 0.0) -> Build:
    """Build these weights with relative noise and a random basis in every head."""
    return lambda generator: noisy(make(), noise, generator)


def from_rule(rule: Rule, d_in: int, noise: float = 0.0) -> Build:
    """Build a predictor that runs this rule on inputs whose embedding is noisy."""
    return lambda generator: Planted(rule, noisy_embedding(d_in, noise, generator))
