"""A context in the eigenbasis of its S = X^T X, where several learners act on each eigenvalue by itself."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Spectrum:
    """S = V diag(values) V^T and V^T X^T Y; V has min(N, d_in) columns, `basis`. Null directions are exact zeros."""

    values: Float[Tensor, "batch rank"]
    basis: Float[Tensor, "batch d_in rank"]
    moment: Float[Tensor, "batch rank d_out"]

    def weights(self, inverse: Float[Tensor, "*step batch rank"]) -> Float[Tensor, "*step batch d_in d_out"]:
        """V diag(inverse) V^T X^T Y: what a learner makes of 1 / values."""
        return self.basis @ (inverse[..., None] * self.moment)

    def damped(self, penalty: float = 0.0) -> Float[Tensor, "batch rank"]:
        """1 / (values + penalty), and 0 in null directions."""
        return torch.where(self.values > 0, 1.0 / (self.values + penalty), 0.0)


def spectrum(prompt: RegressionPrompt, scales: Tensor | None = None) -> Spectrum:
    """The spectrum of the prompts' contexts in float64, of x * scales where `scales` (d_in) are given.

    It comes from the singular values of X: those of S would lose half of the digits. Singular values that the prompt's
    own precision cannot tell from zero, max(N, d_in) units in the last place of the largest, are zero: rounded
    float32 inputs are not of full rank when the true ones were not.

    >>> x = torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])
    >>> spectrum(RegressionPrompt(x, torch.ones(1, 2, 1), query=x, target=torch.ones(1, 2, 1))).values
    tensor([[4., 0.]], dtype=torch.float64)
    """
    x = prompt.x.double() if scales is None else prompt.x.double() * scales.to(prompt.x.device)
    left, sizes, right = torch.linalg.svd(x, full_matrices=False)
    rounding = max(x.shape[1:]) * torch.finfo(prompt.x.dtype).eps
    sizes = torch.where(sizes > rounding * sizes[:, :1], sizes, 0.0)
    return Spectrum(sizes.square(), right.mT, sizes[..., None] * (left.mT @ prompt.y.double()))
