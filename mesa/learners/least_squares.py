"""Least squares: the weights of least norm among those that fit the context best."""

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from mesa.learners.spectrum import spectrum
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """W = X^+ Y with the pseudo-inverse of X, in float64; contexts may be shorter than d_in or of lower rank.

    >>> import torch
    >>> x = torch.tensor([[[1.0, 1.0]]])
    >>> prompt = RegressionPrompt(x, torch.ones(1, 1, 1), query=x, target=torch.ones(1, 1, 1))
    >>> LeastSquares().weights(prompt).flatten()
    tensor([0.5000, 0.5000])
    """

    name: str = "least_squares"

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as the one step there is."""
        found = spectrum(prompt)
        return found.weights(found.damped())[None].to(prompt.x.dtype)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as the one step there is."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "LeastSquares":
        """The same: nothing is free."""
        return replace(self)
