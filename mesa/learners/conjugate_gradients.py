"""Conjugate gradients: after k steps, the best weights in the span of k products of S with X^T y."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.spectrum import Spectrum, spectrum
from tasks.prompt import RegressionPrompt

# A smaller residual, relative to the first one, is rounding.
_CONVERGED = 1e-15


@dataclass(frozen=True, eq=False)
class ConjugateGradients:
    """`steps` steps from zero on the normal equations S w = X^T y, each output separately (Hestenes and Stiefel 1952).

    As many steps as S has distinct eigenvalues give the least-squares solution of least norm; further steps stay there.
    The steps are taken in the eigenbasis of S, where rounding cannot enter the null space. Raises ValueError for
    less than one step.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> ConjugateGradients(steps=2).predict(prompt).flatten()
    tensor([1., 1.])
    """

    steps: int = 1
    name: str = "conjugate_gradients"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        context = spectrum(prompt)
        return (context.basis @ self.weights_in_eigenbasis(context)).to(prompt.x.dtype)

    def weights_in_eigenbasis(self, context: Spectrum) -> Float[Tensor, "learner_step batch rank d_out"]:
        """The weights after each step in the eigenbasis of S."""
        curvature, residual = context.values[..., None], context.moment
        w, direction, power = torch.zeros_like(residual), residual, _square(residual)
        rounding, path = _CONVERGED**2 * power, []
        for _ in range(self.steps):
            active = power > rounding
            size = torch.where(active, power / _square(direction, curvature), 0.0)
            w, residual = w + size * direction, residual - size * curvature * direction
            before, power = power, _square(residual)
            direction = residual + torch.where(active, power / before, 0.0) * direction
            path.append(w)
        return torch.stack(path)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "ConjugateGradients":
        """A copy: it has no free parameter."""
        return replace(self)


def _square(v: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """v^T diag(weight) v of every output."""
    return (weight * v.square()).sum(dim=-2, keepdim=True)
