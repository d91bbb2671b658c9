"""Averaging: the mean of label times input."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Averaging:
    """W = X^T Y / N: one step of gradient descent of size 1/N, which no tuning fits to the inputs.

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
        """The weights, as the one step there is."""
        return (prompt.x.mT @ prompt.y / prompt.x.shape[1])[None]

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as the one step there is."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Averaging":
        """The same: nothing is free."""
        return replace(self)
