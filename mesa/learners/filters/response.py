"""What spectral learners share: W = V diag(response(values)) V^T X^T Y, with S = X^T X = V diag(values) V^T."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.spectrum import Spectrum, spectrum
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt

Numbers = tuple[Tensor, ...]


@runtime_checkable
class SpectralLearner(Protocol):
    """A learner whose weights are a function of the eigenvalues of S, times X^T Y.

    Law: `fit(prompt)` is `fit_projected(Projection.of(prompt))`, and `predict` uses `response`.
    """

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """After each step, by what X^T Y is multiplied in the direction of each eigenvalue."""
        ...

    def fit_projected(self, projection: Projection) -> RegressionPredictor:
        """The learner with the parameters of least loss on projected prompts."""
        ...


@runtime_checkable
class EigenbasisLearner(Protocol):
    """A predictor whose weights follow from the context's spectrum, but are no function of each eigenvalue alone."""

    def weights_in_eigenbasis(self, context: Spectrum) -> Float[Tensor, "learner_step batch rank d_out"]:
        """The weights after each step in the eigenbasis of S."""
        ...


def spectral_weights(
    learner: SpectralLearner, prompt: RegressionPrompt
) -> Float[Tensor, "learner_step batch d_in d_out"]:
    """The weights after each step, in the prompt's type; sums are in float64."""
    context = spectrum(prompt)
    inverse = learner.response(context.values).nan_to_num(nan=0.0)
    return context.weights(torch.where(context.values > 0, inverse, 0.0)).to(prompt.x.dtype)
