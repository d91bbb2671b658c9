"""Gradient descent and GD++ as functions of eigenvalues of S, and the search for their numbers on projected prompts.

A step of GD++ multiplies a residual by (1 - c s)(1 - gamma s), what queries have become by 1 - gamma s, and s by its
square; gamma is 0 for gradient descent.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mesa.learners.filters.projection import Projection

Number = float | Tensor


def descent_path(values: Tensor, gammas: Sequence[Number] | None, sizes: Sequence[Number]) -> list[Tensor]:
    """After each step, by what X^T Y is multiplied in the direction of each eigenvalue."""
    total = torch.zeros_like(values)
    residual = transform = torch.ones_like(values)
    path = []
    for index, size in enumerate(sizes):
        total = total + size * transform * residual
        path.append(total)
        residual = residual - size * values * residual
        if gammas is not None:
            factor = 1.0 - gammas[index] * values
            residual, transform, values = factor * residual, factor * transform, factor * factor * values
    return path


def projected_sizes(projection: Projection, steps: int, shared: bool) -> tuple[float, ...]:
    """The step sizes of gradient descent of least loss, one each.

    For one size each, searches start at Chebyshev's sizes for several spectra, and around the shared size.
    """

    def of_shared(parameters: Tensor, nodes: Tensor) -> Tensor:
        return descent_path(nodes, None, [parameters] * steps)[-1]

    def of_each(parameters: Tensor, nodes: Tensor) -> Tensor:
        return descent_path(nodes, None, parameters.split(1, dim=1))[-1]

    (size,) = projection.fit(of_shared, [(0.02 * 1.6**power,) for power in range(10)])
    sizes = (size,) * steps
    if not shared and steps > 1:
        spread = [[size * (1.0 + width * (2 * k / (steps - 1) - 1)) for k in range(steps)] for width in (0.1, 0.5, 0.9)]
        sizes = projection.fit(of_each, [*spread, *_chebyshev(steps)])
    return tuple(value / projection.unit for value in sizes)


def projected_pairs(projection: Projection, steps: int, shared: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The gammas and step sizes of GD++ of least loss, one of each a step; the last gamma changes no prediction."""
    unit, last = projection.unit, steps - 1

    def of_shared(parameters: Tensor, nodes: Tensor) -> Tensor:
        gamma, size = parameters.split(1, dim=1)
        return descent_path(nodes, [gamma] * steps, [size] * steps)[-1]

    def of_each(parameters: Tensor, nodes: Tensor) -> Tensor:
        gammas, sizes = parameters[:, :last].split(1, dim=1), parameters[:, last:].split(1, dim=1)
        return descent_path(nodes, [*gammas, 0.0], sizes)[-1]

    if steps == 1:
        return (0.0,), projected_sizes(projection, 1, True)
    grid = [(gamma, size) for gamma in (-0.2, 0.0, 0.1, 0.25, 0.4, 0.6) for size in (0.2, 0.5, 0.9, 1.3, 1.8)]
    gamma, size = projection.fit(of_shared, grid)
    if shared:
        return (gamma / unit,) * steps, (size / unit,) * steps
    spread = torch.linspace(0.9, 1.1, steps, dtype=torch.float64)
    starts = [[*(gamma * spread[:last]).tolist(), *(size * spread).tolist()]]
    # Gradient descent with a size each is a member of this class: the wider class never fits worse.
    plain = [unit * value for value in projected_sizes(projection, steps, False)]
    starts.append([0.0] * last + plain)
    # A correction leaves small eigenvalues, which need larger corrections and steps: so the best ones grow.
    for growth in (1.0, 1.5, 2.5, 4.0):
        for first in (0.2, 0.5):
            grown = [min(growth, 100.0 ** (1.0 / last)) ** k for k in range(steps)]
            starts += [[first * g for g in grown[:last]] + [0.4 * h * g for g in grown] for h in (1.0, 2.0)]
    best = projection.fit(of_each, starts)
    return (*(value / unit for value in best[:last]), 0.0), tuple(value / unit for value in best[last:])


def _chebyshev(steps: int) -> list[list[float]]:
    """Chebyshev's step sizes for eigenvalues between a lower end and 1, in units of 1 / |S|."""
    angles = [math.cos(math.pi * (k + 0.5) / steps) for k in range(steps)]
    ends = [(low, high) for low in (0.05, 0.2, 0.5) for high in (1.0, 2.0)]
    return [[2.0 / (high + low + (high - low) * angle) for angle in angles] for low, high in ends]
