"""Newton-Schulz iteration for the inverse of S; the number of correct digits doubles with each step ([FU])."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.spectrum import spectrum
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Newton:
    """W_k = M_k X^T Y with M_k = 2 M_{k-1} - M_{k-1} S M_{k-1} and M_0 = a S (Fu et al., arXiv 2310.17086).

    `scale` is a, one for all prompts; None, the default, is 1 / |S|_F^2 of each.

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
    name: str = "newton"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        context = spectrum(prompt)
        # Eigenvalues of M S: m' = 2 m - m s m becomes t' = t (2 - t), without any s that could overflow.
        if self.scale is None:
            t = (context.values / torch.linalg.vector_norm(context.values, dim=-1, keepdim=True)).square().nan_to_num()
        else:
            t = self.scale * context.values.square()
        path = []
        for _ in range(self.steps):
            t = t * (2.0 - t)
            path.append(t * context.damped())
        return context.weights(torch.stack(path)).to(prompt.x.dtype)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Newton":
        """A copy: it has no free parameter."""
        return replace(self)
