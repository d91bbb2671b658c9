"""Linear algorithms of the reporting plants, written without the package's learners: weights from S and X^T Y.

Each function takes the eigenvalues of S of every prompt, in units of a typical largest one, and returns by what X^T Y
is multiplied in each eigendirection, in units of its inverse.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from mesa.learners.descent.steps import typical_norm
from tasks.prompt import RegressionPrompt

Filter = Callable[[Tensor], Tensor]


def _descent(sizes: Sequence[float], s: Tensor) -> Tensor:
    weight = torch.zeros_like(s)
    for size in sizes:
        weight = weight + size * (1.0 - s * weight)
    return weight


def _decayed(size: float, decay: float, steps: int, s: Tensor) -> Tensor:
    weight = torch.zeros_like(s)
    for _ in range(steps):
        weight = weight + size * (1.0 - s * weight) - decay * weight
    return weight


def _heavy_ball(size: float, momentum: float, steps: int, s: Tensor) -> Tensor:
    weight = before = torch.zeros_like(s)
    for _ in range(steps):
        weight, before = weight + size * (1.0 - s * weight) + momentum * (weight - before), weight
    return weight


def _nesterov(size: float, momentum: float, steps: int, s: Tensor) -> Tensor:
    weight = before = torch.zeros_like(s)
    for _ in range(steps):
        ahead = weight + momentum * (weight - before)
        weight, before = ahead + size * (1.0 - s * ahead), weight
    return weight


def _curvature_corrected(gammas: Sequence[float], sizes: Sequence[float], s: Tensor) -> Tensor:
    weight, left, transform = torch.zeros_like(s), torch.ones_like(s), torch.ones_like(s)
    for gamma, size in zip(gammas, sizes, strict=True):
        weight = weight + size * transform * left
        factor = 1.0 - gamma * s
        left = left * (1.0 - size * s) * factor
        transform, s = transform * factor, s * factor.square()
    return weight


def _newton(start: float, steps: int, s: Tensor) -> Tensor:
    inverse = start * s
    for _ in range(steps):
        inverse = inverse * (2.0 - s * inverse)
    return inverse


def _newton_of_each(steps: int, s: Tensor) -> Tensor:
    inverse = s / s.square().sum(dim=-1, keepdim=True)
    for _ in range(steps):
        inverse = inverse * (2.0 - s * inverse)
    return inverse


def _inverse(s: Tensor) -> Tensor:
    return torch.where(s > 1e-10, 1.0 / s.clamp(min=1e-10), 0.0)


def _largest_half(s: Tensor) -> Tensor:
    rank = s.shape[-1] // 2
    return torch.where(s >= s.sort(dim=-1, descending=True).values[:, rank - 1 : rank], _inverse(s), 0.0)


FILTERS: Mapping[str, tuple[str, Filter]] = {
    "one step": ("gd 1", partial(_descent, (0.5,))),
    "one small step": ("gd 1", partial(_descent, (0.05,))),
    "three long steps": ("gd 3", partial(_descent, (1.35,) * 3)),
    "four steps": ("gd 4", partial(_descent, (0.6,) * 4)),
    "two unequal steps": ("gd_per_step 2", partial(_descent, (1.3, 0.5))),
    "three unequal steps": ("gd_per_step 3", partial(_descent, (0.3, 1.0, 1.5))),
    "two corrected steps": ("gd_plus_plus 2", partial(_curvature_corrected, (0.3,) * 2, (1.2,) * 2)),
    "three corrected steps": ("gd_plus_plus 3", partial(_curvature_corrected, (0.3,) * 3, (1.1,) * 3)),
    "two unequal corrected steps": (
        "gd_plus_plus_per_step 2",
        partial(_curvature_corrected, (0.6, 0.0), (0.7, 2.0)),
    ),
    "three steps with momentum": ("heavy_ball 3", partial(_heavy_ball, 0.6, 0.6, 3)),
    "four steps with momentum": ("heavy_ball 4", partial(_heavy_ball, 0.5, 0.7, 4)),
    "three accelerated steps": ("nesterov 3", partial(_nesterov, 0.7, 0.8, 3)),
    "four accelerated steps": ("nesterov 4", partial(_nesterov, 0.6, 0.6, 4)),
    "two decayed steps": ("weight_decay 2", partial(_decayed, 0.9, 0.25, 2)),
    "three decayed steps": ("weight_decay 3", partial(_decayed, 0.9, 0.2, 3)),
    "strong ridge": ("ridge", lambda s: 1.0 / (s + 0.5)),
    "weak ridge": ("ridge", lambda s: 1.0 / (s + 0.06)),
    "pseudo-inverse": ("least_squares", _inverse),
    "gradient flow, short": ("gradient_flow", lambda s: -torch.expm1(-1.5 * s) / s.clamp(min=1e-12)),
    "gradient flow, long": ("gradient_flow", lambda s: -torch.expm1(-6.0 * s) / s.clamp(min=1e-12)),
    "half of the directions": ("truncated_spectrum", _largest_half),
    "directions above a bound": ("spectral_cutoff", lambda s: torch.where(s > 0.25, _inverse(s), 0.0)),
    "Newton 3": ("newton 3", partial(_newton_of_each, 3)),
    "Newton 5": ("newton 5", partial(_newton_of_each, 5)),
    "Newton 1 of one scale": ("newton_fitted_scale 1", partial(_newton, 0.5, 1)),
    "Newton 3 of one scale": ("newton_fitted_scale 3", partial(_newton, 0.3, 3)),
}


def spectral_answer(transform: Filter, tuning: RegressionPrompt) -> Callable[[RegressionPrompt], Tensor]:
    """The predictions of a filter whose unit of S is that of these prompts, for every later prompt."""
    unit = typical_norm(tuning)

    def answer(prompt: RegressionPrompt) -> Tensor:
        wide = prompt.to(dtype=torch.float64)
        values, basis = torch.linalg.eigh(wide.x.mT @ wide.x / unit)
        moment = basis.mT @ (wide.x.mT @ wide.y) / unit
        return wide.query @ (basis @ (transform(values.clamp(min=0.0))[..., None] * moment))

    return answer
