"""Least squares on the largest eigenvalues of S alone: a number of them, or those above a bound."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import spectral_weights
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class TruncatedSpectrum:
    """Least squares in the eigendirections of the `rank` largest eigenvalues of S (principal component regression).

    Raises ValueError for a rank below 1.

    >>> x = torch.diag(torch.tensor([2.0, 1.0]))[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x, target=torch.ones(1, 2, 1))
    >>> TruncatedSpectrum(rank=1).predict(prompt).flatten()
    tensor([1., 0.])
    """

    rank: int = 1
    name: str = "truncated_spectrum"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank: {self.rank} must be at least 1")

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"rank": float(self.rank)}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """1 / value for the largest eigenvalues and 0 for the others, as a single step."""
        return _truncated(values, self.rank)[None]

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as a single step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "TruncatedSpectrum":
        """The rank of least loss, the smallest of equals."""
        return self.fit_projected(Projection.of(prompt))

    def fit_projected(self, projection: Projection) -> "TruncatedSpectrum":
        """The same on projected prompts."""
        values = projection.context.values
        ranks = range(1, values.shape[-1] + 1)
        losses = projection.loss_of(torch.stack([_truncated(values, rank) for rank in ranks]))
        return replace(self, rank=1 + int(losses.argmin()))


@dataclass(frozen=True, eq=False)
class SpectralCutoff:
    """Least squares in the eigendirections of S whose eigenvalues are larger than `bound`.

    >>> x = torch.diag(torch.tensor([2.0, 1.0]))[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x, target=torch.ones(1, 2, 1))
    >>> SpectralCutoff(bound=1.5).predict(prompt).flatten()
    tensor([1., 0.])
    """

    bound: float = 0.0
    name: str = "spectral_cutoff"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"bound": self.bound}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """1 / value for eigenvalues above the bound and 0 for the others, as a single step."""
        return _above(values, self.bound)[None]

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as a single step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "SpectralCutoff":
        """The bound of least loss: the loss is a step function of it, so a grid is refined three times."""
        return self.fit_projected(Projection.of(prompt))

    def fit_projected(self, projection: Projection) -> "SpectralCutoff":
        """The same on projected prompts."""
        values = projection.context.values
        grid = torch.cat([values.new_zeros(1), torch.logspace(-4, 0.3, 40, dtype=values.dtype) * projection.unit])
        bound = 0.0
        for _ in range(4):
            losses = projection.loss_of(torch.stack([_above(values, float(bound)) for bound in grid]))
            best = int(losses.argmin())
            bound = float(grid[best])
            low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
            grid = torch.linspace(float(low), float(high), 21, dtype=values.dtype)
        kept = projection.loss_of(torch.stack([_above(values, each) for each in (bound, self.bound)]))
        return replace(self, bound=bound if kept[0] <= kept[1] else self.bound)


def _inverse(values: Tensor) -> Tensor:
    return torch.where(values > 0, 1.0 / values.clamp(min=1e-300), 0.0)


def _truncated(values: Tensor, rank: int) -> Tensor:
    smallest = values.sort(dim=-1, descending=True).values[..., min(rank, values.shape[-1]) - 1, None]
    return torch.where(values >= smallest, _inverse(values), 0.0)


def _above(values: Tensor, bound: float) -> Tensor:
    return torch.where(values > bound, _inverse(values), 0.0)
