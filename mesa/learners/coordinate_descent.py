"""Coordinate descent on the context's squared error: one weight at a time, each set to its best value."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.descent.steps import moments
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class CoordinateDescent:
    """`steps` sweeps from zero over w_0 .. w_(d_in - 1), where each visit minimises sum (y_i - W x_i)^2 in one weight.

    A visit sets w_k = (m_k - sum_(j != k) S_kj w_j) / S_kk, with S = X^T X and m = X^T Y: it is the Gauss-Seidel
    iteration on the normal equations. The weight of an input that is zero in all of the context stays zero. More sweeps
    converge to a solution of least squares; which coordinate is first matters before that. Sums are in float64. Raises
    ValueError for less than one step.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> CoordinateDescent().predict(prompt).item()
    1.0
    """

    steps: int = 1
    name: str = "coordinate_descent"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each sweep."""
        S, m = moments(prompt.to(dtype=torch.float64))
        curvature = S.diagonal(dim1=-2, dim2=-1)
        inverse = torch.where(curvature > 0, 1.0 / curvature, 0.0)
        w, path = torch.zeros_like(m), []
        for _ in range(self.steps):
            for k in range(S.shape[-1]):
                gradient = m[:, k] - (S[:, k, None] @ w)[:, 0]
                w = w.index_add(1, torch.tensor([k], device=w.device), (inverse[:, k, None] * gradient)[:, None])
            path.append(w)
        return torch.stack(path).to(prompt.x.dtype)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each sweep."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "CoordinateDescent":
        """A copy: it has no free parameter."""
        return replace(self)
