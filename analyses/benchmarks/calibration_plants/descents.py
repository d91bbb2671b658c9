"""Plants that are weights of gradient descent, GD++ and preconditioned gradient descent."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from analyses.benchmarks.described_plant import DescribedPlant, from_weights, largest_stable_size
from mesa.construction.gradient_step import gradient_step_model
from mesa.learners.gradient_descent import GradientDescent
from mesa.learners.preconditioned import PreconditionedGradientDescent
from probes.controls.planted import last_step
from tasks.regression.linear_regression import LinearRegression


def _gd(
    description: str, task: LinearRegression, fraction: float, steps: int, noise: float = 0.0, tied: bool = False
) -> DescribedPlant:
    """Weights of gradient descent whose step is this fraction of the largest stable one."""
    size = fraction * largest_stable_size(task)
    make = partial(gradient_step_model, size, d_in=task.d_in, d_out=task.d_out, steps=steps, tied=tied)
    reference = last_step(GradientDescent(size, steps))
    return DescribedPlant(f"gd {steps}", description, task, from_weights(make, noise), reference)


def _per_step(
    description: str, task: LinearRegression, fractions: Sequence[float], noise: float, also: tuple[str, ...] = ()
) -> DescribedPlant:
    """Weights of gradient descent with a size for each step."""
    sizes, steps = tuple(fraction * largest_stable_size(task) for fraction in fractions), len(fractions)
    make = partial(gradient_step_model, sizes, d_in=task.d_in, steps=steps)
    reference = last_step(GradientDescent(sizes, steps, shared=False))
    return DescribedPlant(f"gd_per_step {steps}", description, task, from_weights(make, noise), reference, also)


def _plus_plus(
    description: str, task: LinearRegression, fractions: Sequence[float], gammas: Sequence[float], noise: float = 0.0
) -> DescribedPlant:
    """Weights of GD++ whose sizes and gammas are fractions of the largest stable step; equal ones are shared."""
    edge, steps = largest_stable_size(task), len(fractions)
    sizes, corrections = tuple(edge * value for value in fractions), tuple(edge * value for value in gammas)
    shared = len(set(sizes)) == 1 and len(set(corrections)) == 1
    name = "gd_plus_plus" if shared else "gd_plus_plus_per_step"
    make = partial(gradient_step_model, sizes, d_in=task.d_in, steps=steps, gamma=corrections, tied=shared)
    reference = last_step(GradientDescent(sizes, steps, shared=shared, gamma=corrections))
    return DescribedPlant(f"{name} {steps}", description, task, from_weights(make, noise), reference)


def _preconditioned(
    description: str, task: LinearRegression, shape: Tensor, fraction: float, steps: int, noise: float = 0.0
) -> DescribedPlant:
    """Weights of preconditioned gradient descent with this fraction of the largest stable step times the matrix."""
    P = fraction * largest_stable_size(task) * shape.double()
    make = partial(gradient_step_model, 1.0, d_in=task.d_in, steps=steps, preconditioner=P)
    reference = last_step(PreconditionedGradientDescent(P, steps))
    return DescribedPlant(f"preconditioned_gd {steps}", description, task, from_weights(make, noise), reference)


def _band(d_in: int) -> Tensor:
    """An asymmetric matrix: 1 on the diagonal, .8 above it and -.4 below it."""
    ones = torch.ones(d_in - 1)
    return torch.eye(d_in) + torch.diag(0.8 * ones, 1) - torch.diag(0.4 * ones, -1)


_TWO_FORMS = ("heavy_ball 2", "nesterov 2")
_ONE_WIDE = LinearRegression(d_in=8, context=16, scales=(1.0,) * 4 + (0.25,) * 4)

DESCENTS: list[DescribedPlant] = [
    _gd(
        "gd 1 with a twentieth of the best step: ridge with a large penalty comes near it and is not it.",
        LinearRegression(d_in=3, context=7, input_scale=1.0),
        0.05,
        1,
    ),
    _gd(
        "gd 1 close to the largest stable step, with 10 % noise on its weights and noisy labels.",
        LinearRegression(d_in=12, context=40, law="normal", input_scale=1.0, label_noise=0.5),
        0.95,
        1,
        0.1,
    ),
    _gd("gd 1 on contexts shorter than d, exact.", LinearRegression(d_in=16, context=5), 0.7, 1),
    _gd(
        "gd 2 with two outputs and 5 % noise on its weights.",
        LinearRegression(d_in=5, d_out=2, context=20, law="normal", input_scale=0.7),
        0.5,
        2,
        0.05,
    ),
    _gd(
        "gd 3 near the edge of stability with 3 % noise; every step has the same size.",
        LinearRegression(d_in=8, context=24, input_scale=0.6),
        0.85,
        3,
        0.03,
    ),
    _gd("gd 4 in tied layers, exact, on long contexts.", LinearRegression(d_in=4, context=60), 0.3, 4, tied=True),
    _per_step(
        "gd_per_step 2; two momentum methods of two steps have the same polynomials, so they are right too.",
        LinearRegression(d_in=6, context=12, input_scale=1.0),
        (0.3, 0.9),
        0.0,
        _TWO_FORMS,
    ),
    _per_step(
        "gd_per_step 3 with sizes 1 : 2 : 5, which two parameters cannot give, and 2 % noise.",
        LinearRegression(d_in=10, context=30, law="normal", input_scale=0.5),
        (0.3, 0.6, 1.5),
        0.02,
    ),
    _plus_plus(
        "gd_plus_plus 2 in tied layers, exact.",
        LinearRegression(d_in=6, context=15, input_scale=0.8),
        (0.5, 0.5),
        (0.15, 0.15),
    ),
    _plus_plus(
        "gd_plus_plus 2 with as many examples as dimensions and 2 % noise.",
        LinearRegression(d_in=9, context=9, law="normal", input_scale=0.4),
        (0.6, 0.6),
        (0.2, 0.2),
        0.02,
    ),
    _plus_plus(
        "gd_plus_plus 3 in tied layers with 1 % noise.",
        LinearRegression(d_in=5, context=25),
        (0.4,) * 3,
        (0.15,) * 3,
        0.01,
    ),
    _plus_plus(
        "gd_plus_plus_per_step 3 with sizes and gammas that grow, exact.",
        LinearRegression(d_in=7, context=14, input_scale=0.7),
        (0.4, 0.8, 1.6),
        (0.15, 0.3, 0.0),
    ),
    _preconditioned(
        "preconditioned_gd 1 on anisotropic inputs with 5 % noise: P undoes the inputs' scales.",
        _ONE_WIDE,
        torch.diag(torch.tensor([1.0] * 4 + [8.0] * 4)),
        0.7,
        1,
        0.05,
    ),
    _preconditioned(
        "preconditioned_gd 1 with an asymmetric P on isotropic inputs; gd 1 misses 42 % of its variance.",
        LinearRegression(d_in=6, context=20),
        _band(6),
        0.5,
        1,
    ),
    _preconditioned(
        "preconditioned_gd 1: gradient descent that ignores coordinate 0, so P is diagonal with one zero.",
        LinearRegression(d_in=4, context=10, law="normal", input_scale=1.0),
        torch.diag(torch.tensor([0.0, 1.0, 1.0, 1.0])),
        0.6,
        1,
    ),
    _preconditioned(
        "preconditioned_gd 2 with a diagonal P from .3 to 1.5 and 3 % noise.",
        LinearRegression(d_in=5, context=18, input_scale=1.0, label_noise=0.3),
        torch.diag(torch.linspace(0.3, 1.5, 5)),
        0.6,
        2,
        0.03,
    ),
    _preconditioned(
        "preconditioned_gd 3 with an asymmetric P, exact.", LinearRegression(d_in=4, context=30), _band(4), 0.45, 3
    ),
]
