"""Kernel ridge regression: ridge regression on the features of a Gaussian kernel."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from tasks.prompt import RegressionPrompt

# Prompts on which two numbers are fitted, and fewer on which the search looks for a start.
_FITTED_ON, _STARTED_ON = 256, 48


@dataclass(frozen=True, eq=False)
class KernelRidge:
    """k(x_q, X) (K + penalty I)^-1 Y with k(x, z) = exp(-|x - z|^2 / (2 h^2)), h the `bandwidth`.

    K has the entries k(x_i, x_j) (Saunders et al. 1998). The prediction is the posterior mean of a Gaussian process
    whose covariance is k and whose labels have noise of variance `penalty`; it falls to zero far from the examples. It
    is not linear in the query. Raises ValueError for a bandwidth or a penalty that is not positive.

    >>> x = torch.tensor([[[0.0], [9.0]]])
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> KernelRidge(bandwidth=1.0, penalty=1.0).predict(prompt).item()
    0.5
    """

    bandwidth: float = 1.0
    penalty: float = 0.1
    name: str = "kernel_ridge"

    def __post_init__(self) -> None:
        for field, value in (("bandwidth", self.bandwidth), ("penalty", self.penalty)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{field}: {value} must be positive and finite")

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted numbers by name."""
        return {"bandwidth": self.bandwidth, "penalty": self.penalty}

    def weights(self, prompt: RegressionPrompt) -> None:
        """None: it is not linear in the query."""
        return

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        wide = prompt.to(dtype=torch.float64)
        halves = _half_squares(wide.x, wide.x), _half_squares(wide.query, wide.x)
        return _predicted(*halves, wide.y, self.bandwidth, self.penalty)[None].to(prompt.x.dtype)

    def fit(self, prompt: RegressionPrompt) -> "KernelRidge":
        """The bandwidth and the penalty of least loss on the first 256 prompts.

        A grid on fewer prompts finds the region, and a search in the logarithms of both numbers ends it.
        """
        wide = prompt.to(dtype=torch.float64).batch(0, _FITTED_ON)
        among, to_query = _half_squares(wide.x, wide.x), _half_squares(wide.query, wide.x)
        unit = math.sqrt(float(among.mean()) or 1.0)

        def residual(logs: np.ndarray, count: int = _FITTED_ON) -> np.ndarray:
            bandwidth, penalty = (math.exp(log) for log in np.clip(logs, -30.0, 30.0))
            guess = _predicted(among[:count], to_query[:count], wide.y[:count], unit * bandwidth, penalty)
            return (guess - wide.target[:count]).flatten().numpy()

        grid = [np.array([h, p]) for h in np.log(np.logspace(-1, 1, 11)) for p in np.log(np.logspace(-5, 1, 7))]
        start = min(grid, key=lambda logs: float(np.square(residual(logs, _STARTED_ON)).sum()))
        own = np.log([self.bandwidth / unit, self.penalty])
        end: Any = least_squares(residual, start, xtol=1e-10, ftol=1e-12, max_nfev=40)
        best = min((end.x, own), key=lambda logs: float(np.square(residual(logs)).sum()))
        bandwidth, penalty = np.exp(np.clip(best, -30.0, 30.0)).tolist()
        return replace(self, bandwidth=unit * bandwidth, penalty=penalty)


def _predicted(among: Tensor, to_query: Tensor, y: Tensor, bandwidth: float, penalty: float) -> Tensor:
    """The predictions (batch query d_out) for half squared distances among examples and to the queries."""
    gram, near = (torch.exp(-half / bandwidth**2) for half in (among, to_query))
    gram = gram + penalty * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return near @ torch.linalg.solve(gram, y)


def _half_squares(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared distances; a form whose gradient is defined where they are equal."""
    return 0.5 * (a[:, :, None] - b[:, None]).square().sum(dim=-1)
