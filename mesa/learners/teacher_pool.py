"""The posterior mean over a finite pool of teachers, with the noise that a fit finds ([RAV])."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from tasks.prompt import RegressionPrompt
from tasks.regression.posterior import SetPosterior


@dataclass(frozen=True, eq=False)
class TeacherPool:
    """The mean of the `teachers`, weighted by exp(-|y - x w|^2 / (2 noise^2)) (Raventos et al., arXiv 2306.15063).

    >>> import torch
    >>> x = torch.ones(1, 1, 1)
    >>> pool = TeacherPool(torch.tensor([[[1.0]], [[3.0]]]), noise=0.1)
    >>> pool.predict(RegressionPrompt(x, 3 * x, query=2 * x, target=6 * x)).item()
    6.0
    """

    teachers: Float[Tensor, "teacher d_in d_out"]
    noise: float = 0.0
    name: str = "teacher_pool"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"noise": self.noise}

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The posterior mean of the teacher, as a single step."""
        return SetPosterior(self.teachers, self.noise).weights(prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return SetPosterior(self.teachers, self.noise).predict(prompt)

    def fit(self, prompt: RegressionPrompt) -> "TeacherPool":
        """The noise of least loss, 0 included: a grid in units of the labels, ended by Brent's method."""

        def loss(noise: float) -> float:
            guess = replace(self, noise=noise).predict(prompt)[-1]
            return float((guess - prompt.target).square().mean())

        grid = float(prompt.y.std()) * np.logspace(-2.5, 1.5, 17)
        best = int(np.argmin([loss(noise) for noise in grid]))
        bracket = np.log(grid[[max(best - 1, 0), min(best + 1, len(grid) - 1)]])
        end: Any = minimize_scalar(
            lambda log: loss(math.exp(log)), bounds=bracket, method="bounded", options={"xatol": 1e-8}
        )
        return replace(self, noise=min((0.0, self.noise, math.exp(end.x)), key=loss))
