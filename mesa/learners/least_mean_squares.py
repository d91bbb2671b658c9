"""Least mean squares (Widrow and Hoff 1960): one pass over the examples, in order, a step for each."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class LeastMeanSquares:
    """W <- W + c x_i^T (y_i - x_i W) for i = 1 .. N, from zero: the last examples count most.

    >>> x = torch.tensor([[[1.0], [1.0]]])
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> LeastMeanSquares(step_size=0.5).predict(prompt).item()
    0.75
    """

    step_size: float = 1.0
    name: str = "least_mean_squares"

    @property
    def steps(self) -> int:
        """1: one pass is one step."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"step_size": self.step_size}

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after the pass, as a single step."""
        W = torch.zeros_like(prompt.x.mT @ prompt.y)
        for x, y in zip(prompt.x.split(1, dim=1), prompt.y.split(1, dim=1), strict=True):
            W = W + self.step_size * (x.mT * (y - x @ W))
        return W[None]

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after the pass, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "LeastMeanSquares":
        """The step size of least loss: a grid below where single steps diverge, ended by Brent's method."""
        wide = prompt.to(dtype=torch.float64)
        unit = 1.0 / max(float(wide.x.square().sum(dim=-1).mean()), torch.finfo(torch.float64).tiny)

        def loss(log: float) -> float:
            guess = replace(self, step_size=math.exp(log)).predict(wide)[-1]
            return float((guess - wide.target).square().mean().nan_to_num(nan=1e300, posinf=1e300))

        grid = np.log(unit * np.logspace(-2.5, 0.3, 15))
        best = int(np.argmin([loss(log) for log in grid]))
        bracket = grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]]
        end: Any = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-9})
        logs = [float(end.x), *([math.log(self.step_size)] if self.step_size > 0 else [])]
        return replace(self, step_size=math.exp(min(logs, key=loss)))
