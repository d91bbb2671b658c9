"""What each candidate leaves unexplained as shares of variance, over all prompts and over prompts drawn anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identification.unexplained import Unexplained

# Shares that differ by less do so by rounding: candidates that leave as little are equally good.
_ROUNDING = 1e-9
# Candidates whose squared errors differ by less predict the same: rounding is larger in contexts of nearly lower rank.
_COPY = 1e-6
# Conditions whose standard errors are smaller count alike.
_FINEST = 1e-6


@dataclass(frozen=True, eq=False)
class Shares:
    """What every candidate leaves unexplained under every condition; the first condition is the one in distribution.

    `total` is in units of the variance in distribution, or of the condition's own where that is larger. `systematic`,
    its standard error over prompts (`error`), and what is not systematic (`noise`) are in units of the condition's own.
    `copies` holds the indices of candidates whose predictions are those of a simpler one: they are one algorithm here.
    `beyond` says which conditions lie beyond training, `diverging` in which of them predictions may diverge; there the
    unit is (f^2 + g^2) / 2. `asymmetry` is that of the
    model in distribution.
    """

    candidates: tuple[Candidate, ...]
    beyond: Bool[Tensor, " condition"]
    diverging: Bool[Tensor, " condition"]
    total: Float[Tensor, "candidate condition"]
    systematic: Float[Tensor, "candidate condition"]
    error: Float[Tensor, "candidate condition"]
    noise: Float[Tensor, "candidate condition"]
    asymmetry: float
    copies: frozenset[int] = frozenset()

    @property
    def within(self) -> "Shares":
        """The shares under the conditions of training's range alone."""
        inside = ~self.beyond
        columns = (values[:, inside] for values in (self.total, self.systematic, self.error, self.noise))
        beyond, diverging = self.beyond[inside], self.diverging[inside]
        return Shares(self.candidates, beyond, diverging, *columns, asymmetry=self.asymmetry, copies=self.copies)

    @cached_property
    def misfit(self) -> list[float]:
        """What ranks equally simple candidates: systematic shares, each condition weighted by how well it is known."""
        error = self.error.nan_to_num(nan=math.inf).amin(dim=0)
        weight = 1.0 / (error + _FINEST)
        misfit = (self.systematic.nan_to_num(nan=math.inf) * weight).sum(dim=1) / weight.sum()
        return misfit.clamp(min=_ROUNDING).tolist()

    @cached_property
    def largest(self) -> list[float]:
        """The largest systematic share of each candidate in training's range; infinite where one is NaN."""
        return self.systematic[:, ~self.beyond].nan_to_num(nan=math.inf).amax(dim=1).clamp(min=0.0).tolist()


def shares_of(listed: Sequence[Unexplained], beyond: Tensor, diverging: Tensor, asymmetry: float) -> Shares:
    """The shares over all prompts."""
    total, systematic, size = _stacked(listed)
    spread = systematic.std(dim=2) / math.sqrt(systematic.shape[2])
    means = total.mean(dim=2), systematic.mean(dim=2), size.mean(dim=2)
    candidates = tuple(item.candidate for item in listed)
    copies = _copies(total, size)
    absolute = Shares(candidates, beyond, diverging, *means[:2], spread, means[0] - means[1], asymmetry, copies)
    return _relative(absolute, means[2])


def resampled_shares(
    listed: Sequence[Unexplained], shares: Shares, count: int, generator: torch.Generator
) -> list[Shares]:
    """The shares over `count` draws of as many prompts with replacement (bootstrap); parameters stay as fitted."""
    total, systematic, size = _stacked(listed)
    conditions, prompts = total.shape[1:]
    drawn = torch.randint(prompts, (count, conditions, prompts), generator=generator)
    weights = torch.zeros(count, conditions, prompts, dtype=total.dtype)
    weights.scatter_add_(2, drawn, torch.full_like(weights, 1.0 / prompts))
    means = [torch.einsum("cnp,rnp->rcn", values, weights) for values in (total, systematic, size)]
    spread = systematic.std(dim=2) / math.sqrt(prompts)
    return [
        _relative(replace(shares, total=each[0], systematic=each[1], error=spread, noise=each[0] - each[1]), each[2])
        for each in zip(*means, strict=True)
    ]


def _copies(total: Tensor, size: Tensor) -> frozenset[int]:
    """The candidates whose squared error is that of an earlier one for every prompt of every condition."""
    mean, unit = total.mean(dim=2), _COPY * size.mean(dim=2)
    copies: set[int] = set()
    for index in range(1, len(total)):
        near = ((mean[:index] - mean[index]).abs() <= unit[index]).all(dim=1).nonzero().flatten().tolist()
        if any(bool(((total[each] - total[index]).abs().mean(dim=1) <= unit[index]).all()) for each in near):
            copies.add(index)
    return frozenset(copies)


def _relative(absolute: Shares, size: Tensor) -> Shares:
    # The size in distribution is the same for all candidates: the variance of the model's predictions.
    unit = torch.where(absolute.diverging, size, size.maximum(size[:, :1]))
    return replace(
        absolute,
        total=absolute.total / unit,
        systematic=absolute.systematic / size,
        error=absolute.error / size,
        noise=(absolute.noise / size).clamp(min=0.0),
    )


def _stacked(listed: Sequence[Unexplained]) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.stack([item.total for item in listed]),
        torch.stack([item.systematic for item in listed]),
        torch.stack([item.size for item in listed]),
    )
