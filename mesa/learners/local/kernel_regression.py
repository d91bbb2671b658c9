"""Kernel regression (Nadaraya 1964, Watson 1964): labels averaged with weights that fall with distance to the query."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class KernelRegression:
    """Labels averaged with weights exp(-|x_q - x_i|^2 / (2 h^2)), h the `bandwidth`.

    It is not linear in the query. Raises ValueError for a bandwidth that is not positive.

    >>> x = torch.tensor([[[0.0], [1.0]]])
    >>> prompt = RegressionPrompt(x, y=x, query=x[:, :1], target=x[:, :1])
    >>> round(KernelRegression(bandwidth=1.0).predict(prompt).item(), 4)
    0.3775
    """

    bandwidth: float = 1.0
    name: str = "kernel_regression"

    def __post_init__(self) -> None:
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth: {self.bandwidth} must be positive")

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"bandwidth": self.bandwidth}

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: it is not linear in the query."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return (torch.softmax(-_half_squares(prompt) / self.bandwidth**2, dim=-1) @ prompt.y)[None]

    def fit(self, prompt: RegressionPrompt) -> "KernelRegression":
        """The bandwidth of least loss."""
        wide = prompt.to(dtype=torch.float64)
        half, target = _half_squares(wide), wide.target

        def loss(inverse: float) -> float:
            return float((torch.softmax(-inverse * half, dim=-1) @ wide.y - target).square().mean())

        return replace(self, bandwidth=_searched(loss, float(half.mean()), self.bandwidth**-2) ** -0.5)


@dataclass(frozen=True, eq=False)
class SoftmaxRegression:
    """Labels averaged with weights exp(x_q . x_i / `temperature`), times `scale`: one head of softmax attention.

    It is kernel regression, up to the scale, where all inputs have one length. It is not linear in the query. Raises
    ValueError for a temperature that is not positive.

    >>> x = torch.tensor([[[0.0], [1.0]]])
    >>> prompt = RegressionPrompt(x, y=x, query=x[:, 1:], target=x[:, 1:])
    >>> round(SoftmaxRegression(temperature=1.0).predict(prompt).item(), 4)
    0.7311
    """

    temperature: float = 1.0
    scale: float = 1.0
    name: str = "softmax_regression"

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature: {self.temperature} must be positive")

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted numbers by name."""
        return {"temperature": self.temperature, "scale": self.scale}

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: it is not linear in the query."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        scores = prompt.query @ prompt.x.mT / self.temperature
        return (self.scale * torch.softmax(scores, dim=-1) @ prompt.y)[None]

    def fit(self, prompt: RegressionPrompt) -> "SoftmaxRegression":
        """The temperature and the scale of least loss; for each temperature the best scale is in closed form."""
        wide = prompt.to(dtype=torch.float64)
        scores, target = wide.query @ wide.x.mT, wide.target

        def scale_and_loss(inverse: float) -> tuple[float, float]:
            mean = torch.softmax(inverse * scores, dim=-1) @ wide.y
            square = float(mean.square().sum())
            scale = float((mean * target).sum()) / square if square > 0 else 1.0
            return scale, float((scale * mean - target).square().mean())

        inverse = _searched(lambda value: scale_and_loss(value)[1], float(scores.std()), 1.0 / self.temperature)
        return replace(self, temperature=1.0 / inverse, scale=scale_and_loss(inverse)[0])


def _half_squares(prompt: RegressionPrompt) -> Float[Tensor, "batch query context"]:
    """Half the squared distances of queries and inputs; a form whose gradient is defined where they are equal."""
    return 0.5 * (prompt.query[:, :, None] - prompt.x[:, None]).square().sum(dim=-1)


def _searched(loss: Callable[[float], float], size: float, start: float) -> float:
    """The positive number of least loss: a grid in units of 1 / `size`, ended by Brent's method; or the start."""
    grid = np.logspace(-3, 4, 29) / (size if size > 0 else 1.0)
    best = int(np.argmin([loss(value) for value in grid]))
    bracket = np.log(grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]])
    end: Any = minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=bracket, method="bounded", options={"xatol": 1e-9}
    )
    return min((math.exp(end.x), start), key=loss)
