"""Ridge regression: least squares that pays for large weights; with the right price it is the Bayes-optimal guess."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from mesa.learners.spectrum import Spectrum, spectrum
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error
from tasks.regression.linear_regression import LinearRegression


@dataclass(frozen=True, eq=False)
class Ridge:
    """W = (S + penalty diag(1 / prior^2))^-1 X^T Y; a penalty of 0 is its limit, least squares of least norm.

    `prior` holds the teacher's standard deviation in each coordinate, up to a factor that the penalty takes up; None
    stands for equal ones. The norm that is least in the limit is that of W / prior. Raises ValueError for a negative
    penalty, or for a prior that is not positive, finite and of d_in entries.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> Ridge(penalty=1.0).predict(prompt).item()
    0.5
    """

    penalty: float = 0.0
    prior: tuple[float, ...] | None = None
    name: str = "ridge"

    def __post_init__(self) -> None:
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise ValueError(f"penalty: {self.penalty} must be a finite number of at least 0")
        if self.prior is not None and not all(scale > 0 and math.isfinite(scale) for scale in self.prior):
            raise ValueError(f"prior: {self.prior} must be positive, finite numbers")

    @staticmethod
    def bayes(task: LinearRegression) -> "Ridge":
        """The posterior mean under the task's noise and teachers: penalty sigma^2 / tau^2, tau_k = tau / scales[k].

        >>> Ridge.bayes(LinearRegression(label_noise=0.5, teacher_scale=2.0)).penalty
        0.0625
        """
        prior = None if task.scales is None else tuple(1.0 / scale for scale in task.scales)
        return Ridge((task.label_noise / task.teacher_scale) ** 2, prior)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as the one step there is."""
        found, prior = self._spectrum(prompt)
        return (prior[:, None] * found.weights(found.damped(self.penalty)))[None].to(prompt.x.dtype)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as the one step there is."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Ridge":
        """The penalty of least loss, 0 included; the prior stays.

        Several minima are possible, so a grid of two penalties a decade finds the region and Brent's method ends it.
        """
        found, prior = self._spectrum(prompt)
        asked, target = (prompt.query.double() * prior) @ found.basis, prompt.target.double()

        def loss(penalty: float) -> float:
            # The query in the eigenbasis: an evaluation costs one product, whatever d_in and N are.
            return float(half_squared_error(asked @ (found.damped(penalty)[..., None] * found.moment), target))

        unit = max(float(found.values.mean()), torch.finfo(torch.float64).tiny)
        grid = unit * np.logspace(-12, 6, 37)
        best = int(np.argmin([loss(penalty) for penalty in grid]))
        near = np.log(grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]])
        end: Any = minimize_scalar(
            lambda log: loss(math.exp(log)), bounds=near, method="bounded", options={"xatol": 1e-6}
        )
        # The first of equals: nothing to pay is the simplest.
        return replace(self, penalty=min((0.0, self.penalty, math.exp(end.x)), key=loss))

    def _spectrum(self, prompt: RegressionPrompt) -> tuple[Spectrum, Tensor]:
        d_in = prompt.x.shape[2]
        if self.prior is not None and len(self.prior) != d_in:
            raise ValueError(f"prior: {len(self.prior)} entries, but d_in is {d_in}: one each is needed")
        prior = torch.tensor(self.prior or (1.0,) * d_in, dtype=torch.float64, device=prompt.x.device)
        return spectrum(prompt, prior), prior
