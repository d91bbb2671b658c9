"""Gradient flow: the limit of many small steps of gradient descent, stopped early."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import spectral_weights
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """W = (I - exp(-t S)) S^-1 X^T Y: dW/dt = X^T (Y - X W) from zero, stopped at the time t.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> round(GradientFlow(time=1.0).predict(prompt).item(), 4)
    0.6321
    """

    time: float = 1.0
    name: str = "gradient_flow"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted number by name."""
        return {"time": self.time}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """By what X^T Y is multiplied in the direction of each eigenvalue, as a single step."""
        return _response(values, self.time)[None]

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights, as a single step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction, as a single step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "GradientFlow":
        """The time of least loss."""
        return self.fit_projected(Projection.of(prompt))

    def fit_projected(self, projection: Projection) -> "GradientFlow":
        """The same on projected prompts."""
        starts = [(0.1 * 2.0**power,) for power in range(12)]
        starts.append((projection.unit * self.time,))
        (time,) = projection.fit(lambda parameters, nodes: _response(nodes, parameters), starts)
        return replace(self, time=time / projection.unit)


def _response(values: Tensor, time: float | Tensor) -> Tensor:
    # (1 - exp(-t s)) / s, and its limit t where s is zero.
    return torch.where(values > 0, -torch.expm1(-time * values) / values.clamp(min=1e-300), time)
