"""Newton-Schulz iteration for the inverse of S; the number of correct digits doubles with each step ([FU])."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import spectral_weights
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Newton:
    """W_k = M_k X^T Y with M_k = 2 M_{k-1} - M_{k-1} S M_{k-1} and M_0 = a S (Fu et al., arXiv 2310.17086).

    `scale` is a, one for all prompts; None, the default, is 1 / |S|_F^2 of each. With `fit_scale` a fit chooses it.

    Every M_k is a polynomial in S, so the iteration acts on each eigenvalue of S separately. Zero eigenvalues stay zero
    for any number of steps. The limit is the least-squares solution of least norm. The
    first step is M_1. Raises ValueError for less than one step.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> Newton(steps=3).predict(prompt).flatten()
    tensor([0.7500, 0.9375, 0.9961])
    """

    steps: int = 1
    scale: float | None = None
    fit_scale: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    @property
    def name(self) -> str:
        """`newton`, or `newton_fitted_scale` where the scale is fitted."""
        return "newton_fitted_scale" if self.fit_scale else "newton"

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name; none where every prompt has its own scale."""
        return {} if self.scale is None else {"scale": self.scale}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """After each step, by what X^T Y is multiplied in the direction of each eigenvalue."""
        if self.scale is None:
            # Eigenvalues t of M S: m' = 2 m - m s m becomes t' = t (2 - t), without any s that could overflow.
            t = (values / torch.linalg.vector_norm(values, dim=-1, keepdim=True)).square().nan_to_num()
        else:
            t = self.scale * values.square()
        path = []
        for _ in range(self.steps):
            t = t * (2.0 - t)
            path.append(torch.where(values > 0, t / values, 0.0))
        return torch.stack(path)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Newton":
        """The scale of least loss after the last step; a copy where it is not fitted."""
        return self.fit_projected(Projection.of(prompt)) if self.fit_scale else replace(self)

    def fit_projected(self, projection: Projection) -> "Newton":
        """The same on projected prompts."""
        if not self.fit_scale:
            return replace(self)
        unit = projection.unit**2
        starts = [(0.01 * 1.7**power,) for power in range(11)] + ([] if self.scale is None else [(self.scale * unit,)])
        (scale,) = projection.fit(lambda parameters, nodes: _polynomial(nodes, parameters, self.steps), starts)
        return replace(self, scale=scale / unit)


def _polynomial(values: Tensor, scale: Tensor, steps: int) -> Tensor:
    inverse = scale * values
    for _ in range(steps):
        inverse = inverse * (2.0 - values * inverse)
    return inverse
