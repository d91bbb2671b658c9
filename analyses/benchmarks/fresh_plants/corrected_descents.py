"""True plants that are weights of GD++ and of preconditioned gradient descent.

GD++ with two shared steps leaves the residual (1 - c s)(1 - c s (1 - g s)^2) of a label in a direction of eigenvalue s.
The largest value of s (1 - g s)^2 below 1 / g is 4 / (27 g). Where c >= 27 g / 4 all four zeros are real, and gradient
descent with four sizes is the same function. The gammas here are larger, so no other descent is equal.

With a symmetric matrix P the name is preconditioned_gd, otherwise general_preconditioned_gd.
"""

from functools import partial

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import DescribedPlant, from_weights, largest_stable_size
from mesa.construction.gradient_step import gradient_step_model
from mesa.learners.gradient_descent import GradientDescent
from mesa.learners.preconditioned import PreconditionedGradientDescent
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _plus_plus(
    description: str,
    task: LinearRegression,
    fractions: tuple[float, ...],
    gammas: tuple[float, ...],
    noise: float = 0.0,
) -> DescribedPlant:
    """Weights of GD++; sizes and gammas are fractions of the largest stable size, and equal ones are shared."""
    edge, steps = largest_stable_size(task), len(fractions)
    shared = len(set(fractions)) == 1 and len(set(gammas)) == 1
    sizes, corrections = tuple(edge * value for value in fractions), tuple(edge * value for value in gammas)
    make = partial(gradient_step_model, sizes, d_in=task.d_in, d_out=task.d_out, steps=steps, gamma=corrections)
    reference = last_step(GradientDescent(sizes, steps, shared=shared, gamma=corrections))
    name = "gd_plus_plus" if shared else "gd_plus_plus_per_step"
    return DescribedPlant(f"{name} {steps}", description, task, from_weights(make, noise), reference)


def _preconditioned(
    description: str, task: LinearRegression, shape: Tensor, fraction: float, steps: int, noise: float = 0.0
) -> DescribedPlant:
    """Weights of descent with this matrix, scaled so that its largest singular value is a fraction of the edge."""
    P = fraction * largest_stable_size(task) * shape.double() / torch.linalg.matrix_norm(shape.double(), ord=2)
    make = partial(gradient_step_model, 1.0, d_in=task.d_in, d_out=task.d_out, steps=steps, preconditioner=P)
    reference = last_step(PreconditionedGradientDescent(P, steps))
    name = "preconditioned_gd" if torch.equal(shape, shape.mT) else "general_preconditioned_gd"
    return DescribedPlant(f"{name} {steps}", description, task, from_weights(make, noise), reference)


def _tridiagonal(d_in: int, above: float, below: float) -> Tensor:
    """1 on the diagonal and these values beside it."""
    ones = torch.ones(d_in - 1)
    return torch.eye(d_in) + torch.diag(above * ones, 1) + torch.diag(below * ones, -1)


def _cycle(d_in: int) -> Tensor:
    """The identity plus half the matrix that moves each coordinate to the next."""
    return torch.eye(d_in) + 0.5 * torch.eye(d_in).roll(1, dims=1)


CORRECTED_DESCENTS: list[DescribedPlant] = [
    _plus_plus(
        "gd_plus_plus 2 with a large gamma, exact.",
        LinearRegression(d_in=8, context=13, input_scale=1.0),
        (0.62,) * 2,
        (0.58,) * 2,
    ),
    _plus_plus(
        "gd_plus_plus 3 on as many examples as dimensions, with 0.5 % noise.",
        LinearRegression(d_in=7, context=7, law="normal", input_scale=0.5),
        (0.7,) * 3,
        (0.54,) * 3,
        0.005,
    ),
    _plus_plus(
        "gd_plus_plus 4 with two outputs, exact.",
        LinearRegression(d_in=11, d_out=2, context=12, law="normal", input_scale=0.6),
        (0.95,) * 4,
        (0.5,) * 4,
    ),
    _plus_plus(
        "gd_plus_plus_per_step 2 with a short step before a long one, and 1.5 % noise.",
        LinearRegression(d_in=10, context=14, law="normal", input_scale=0.7),
        (0.4, 2.5),
        (0.5, 0.0),
        0.015,
    ),
    _plus_plus(
        "gd_plus_plus_per_step 2 on few noisy examples, exact.",
        LinearRegression(d_in=5, context=6, input_scale=1.5, label_noise=0.2),
        (1.95, 0.94),
        (0.33, 0.0),
    ),
    _plus_plus(
        "gd_plus_plus_per_step 3 whose first step is short and whose second is long, exact.",
        LinearRegression(d_in=6, context=22, input_scale=0.7, scales=(1.4, 1.2, 1.0, 0.8, 0.6, 0.5)),
        (0.33, 1.8, 1.14),
        (0.58, 0.47, 0.0),
    ),
    _preconditioned(
        "preconditioned_gd 1 with a full symmetric P on isotropic inputs and 5 % noise.",
        LinearRegression(d_in=7, context=25, law="normal", input_scale=1.0),
        _tridiagonal(7, 0.45, 0.45),
        0.9,
        1,
        0.05,
    ),
    _preconditioned(
        "preconditioned_gd 1 that damps the large inputs of an anisotropic task with two outputs, exact.",
        LinearRegression(d_in=5, d_out=2, context=11, scales=(2.0, 1.0, 1.0, 0.5, 0.25)),
        torch.diag(torch.tensor([0.25, 1.0, 1.0, 4.0, 16.0])),
        6.0,
        1,
    ),
    _preconditioned(
        "preconditioned_gd 2 with a diagonal P between 0.2 and 1.4, exact.",
        LinearRegression(d_in=4, context=9, input_scale=1.0),
        torch.diag(torch.tensor([0.2, 0.5, 1.0, 1.4])),
        0.9,
        2,
    ),
    _preconditioned(
        "general_preconditioned_gd 1 with a P of ones and a shift of coordinates, and 6 % noise.",
        LinearRegression(d_in=8, context=30, input_scale=0.4),
        _cycle(8),
        0.8,
        1,
        0.06,
    ),
    _preconditioned(
        "general_preconditioned_gd 1 with a triangular P on contexts shorter than the inputs, exact.",
        LinearRegression(d_in=6, context=4, law="normal", input_scale=0.9),
        torch.ones(6, 6).triu(),
        0.9,
        1,
    ),
    _preconditioned(
        "general_preconditioned_gd 2 with an antisymmetric part as large as the symmetric one, and 1 % noise.",
        LinearRegression(d_in=3, context=15, input_scale=1.0),
        _tridiagonal(3, 0.7, -0.7),
        0.8,
        2,
        0.01,
    ),
]
