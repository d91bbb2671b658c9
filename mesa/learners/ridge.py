"""Ridge regression, with a penalty on large weights; least squares is its limit at a penalty of 0."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.spectrum import Spectrum, spectrum
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error
from tasks.regression.linear_regression import LinearRegression


@dataclass(frozen=True, eq=False)
class Ridge:
    """W = (S + penalty diag(1 / prior^2))^-1 X^T Y; a penalty of 0 is its limit, least squares of least norm.

    `prior` holds the teacher's standard deviation in each coordinate, up to a factor that the penalty takes up; None
    stands for equal ones. The norm that is least in the limit is that of W / prior. With `fit_penalty` False nothing is
    fitted. Contexts may be shorter than d_in or of lower rank; sums are in float64. Raises ValueError for a negative
    penalty, or for a prior that is not positive, finite and of d_in entries.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> Ridge(penalty=1.0).predict(prompt).item()
    0.5
    """

    penalty: float = 0.0
    prior: tuple[float, ...] | None = None
    fit_penalty: bool = True

    def __post_init__(self) -> None:
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise ValueError(f"penalty: {self.penalty} must be a finite number of at least 0")
        if self.prior is not None and not all(scale > 0 and math.isfinite(scale) for scale in self.prior):
            raise ValueError(f"prior: {self.prior} must be positive, finite numbers")

    @property
    def name(self) -> str:
        """`ridge`, or `least_squares` where the penalty is 0 and stays so."""
        return "least_squares" if self.penalty == 0 and not self.fit_penalty else "ridge"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name; none where it is not fitted."""
        return {"penalty": self.penalty} if self.fit_penalty else {}

    @staticmethod
    def least_squares() -> "Ridge":
        """The weights of least norm among those that fit the context best: the pseudo-inverse X^+ Y.

        >>> x = torch.tensor([[[1.0, 1.0]]])
        >>> prompt = RegressionPrompt(x, torch.ones(1, 1, 1), query=x, target=torch.ones(1, 1, 1))
        >>> Ridge.least_squares().weights(prompt).flatten()
        tensor([0.5000, 0.5000])
        """
        return Ridge(fit_penalty=False)

    @staticmethod
    def bayes(task: LinearRegression) -> "Ridge":
        """The posterior mean under the task's noise and teachers: penalty sigma^2 / tau^2, tau_k = tau / scales[k].

        >>> Ridge.bayes(LinearRegression(label_noise=0.5, teacher_scale=2.0)).penalty
        0.0625
        """
        prior = None if task.scales is None else tuple(1.0 / scale for scale in task.scales)
        return Ridge((task.label_noise / task.teacher_scale) ** 2, prior)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as a single step."""
        context, prior = self._spectrum(prompt)
        return (prior[:, None] * context.weights(context.damped(self.penalty)))[None].to(prompt.x.dtype)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Ridge":
        """The penalty of least loss, 0 included; the prior stays.

        Several minima are possible, so a grid of two penalties a decade finds the region and Brent's method ends it.
        """
        if not self.fit_penalty:
            return replace(self)
        context, prior = self._spectrum(prompt)
        # The query in the eigenbasis: an evaluation costs one product, whatever d_in and N are.
        query, target = (prompt.query.double() * prior) @ context.basis, prompt.target.double()
        return replace(self, penalty=_fitted_penalty(context, query, target, self.penalty))

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """By what X^T Y is multiplied in the direction of each eigenvalue, as a single step; for equal priors."""
        return torch.where(values > 0, 1.0 / (values + self.penalty), 0.0)[None]

    def fit_projected(self, projection: Projection) -> "Ridge":
        """The penalty of least loss on projected prompts, for equal priors."""
        if not self.fit_penalty:
            return replace(self)
        penalty = _fitted_penalty(projection.context, projection.query, projection.target, self.penalty)
        return replace(self, penalty=penalty)

    def _spectrum(self, prompt: RegressionPrompt) -> tuple[Spectrum, Tensor]:
        d_in = prompt.x.shape[2]
        if self.prior is not None and len(self.prior) != d_in:
            raise ValueError(f"prior: {len(self.prior)} entries, but d_in is {d_in}: one each is needed")
        prior = torch.tensor(self.prior or (1.0,) * d_in, dtype=torch.float64, device=prompt.x.device)
        return spectrum(prompt, prior), prior


def _fitted_penalty(context: Spectrum, query: Tensor, target: Tensor, start: float) -> float:
    def loss(penalty: float) -> float:
        return float(half_squared_error(query @ (context.damped(penalty)[..., None] * context.moment), target))

    unit = max(float(context.values.mean()), torch.finfo(torch.float64).tiny)
    grid = unit * np.logspace(-12, 6, 37)
    best = int(np.argmin([loss(penalty) for penalty in grid]))
    bracket = np.log(grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]])
    end: Any = minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=bracket, method="bounded", options={"xatol": 1e-6}
    )
    # Of equal losses the first: no penalty is the simplest.
    return min((0.0, start, math.exp(end.x)), key=loss)
