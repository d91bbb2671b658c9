"""Averaging: the mean of label times input."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Averaging:
    """W = X^T Y / N: one step of gradient descent whose size is fixed at 1/N.

    >>> import torch
    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> Averaging().predict(prompt).item()
    0.5
    """

    name: str = "averaging"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as a single step."""
        return (prompt.x.mT @ prompt.y / prompt.x.shape[1])[None]

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Averaging":
        """A copy: it has no free parameter."""
        return replace(self)
