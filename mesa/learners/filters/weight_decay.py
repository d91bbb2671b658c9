"""Gradient descent with weight decay: gradient descent on the loss of ridge regression."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import spectral_weights
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class WeightDecay:
    """`steps` steps W <- (1 - c penalty) W + c X^T (Y - X W) from zero; their limit is ridge regression.

    One size c and one penalty hold for all steps; one step is gradient descent's, whatever the penalty. Raises
    ValueError for less than one step or a negative penalty.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> WeightDecay(0.5, penalty=1.0, steps=3).predict(prompt).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """

    step_size: float = 1.0
    penalty: float = 0.0
    steps: int = 1
    name: str = "weight_decay"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")
        if self.penalty < 0:
            raise ValueError(f"penalty: {self.penalty} must be at least 0")

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted numbers by name."""
        return {"step_size": self.step_size, "penalty": self.penalty}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """After each step, by what X^T Y is multiplied in the direction of each eigenvalue."""
        return torch.stack(_path(values, self.step_size, self.penalty, self.steps))

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "WeightDecay":
        """The size and the penalty of least loss after the last step."""
        return self.fit_projected(Projection.of(prompt))

    def fit_projected(self, projection: Projection) -> "WeightDecay":
        """The same on projected prompts."""
        # The second number is the root of the penalty.
        starts = [(size, penalty) for size in (0.1, 0.3, 0.6, 1.0, 1.5) for penalty in (0.1, 0.3, 0.5, 0.9)]
        starts.append((projection.unit * self.step_size, math.sqrt(self.penalty / projection.unit)))

        def curve(parameters: Tensor, nodes: Tensor) -> Tensor:
            # A square is not negative: with a negative penalty two steps would be two plain ones of a size each.
            return _path(nodes, parameters[:, :1], parameters[:, 1:].square(), self.steps)[-1]

        size, root = projection.fit(curve, starts)
        return replace(self, step_size=size / projection.unit, penalty=root**2 * projection.unit)


def _path(values: Tensor, size: float | Tensor, penalty: float | Tensor, steps: int) -> list[Tensor]:
    path = [size + torch.zeros_like(values)]
    for _ in range(steps - 1):
        path.append(path[-1] + size * (1.0 - (values + penalty) * path[-1]))
    return path
