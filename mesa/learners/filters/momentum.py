"""Gradient descent with momentum: Polyak's heavy ball, and Nesterov's accelerated gradient."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.filters.projection import Projection
from mesa.learners.filters.response import spectral_weights
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Momentum:
    """`steps` steps W <- W + c g + b (W - W before), from zero, with one size c and one momentum b for all steps.

    The gradient g = X^T (Y - X W) is taken at W (heavy ball, Polyak 1964), or with `ahead` at W + b (W - W before)
    (Nesterov 1983). Without momentum it is gradient descent. Raises ValueError for less than one step.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> Momentum(0.5, momentum=0.5, steps=2).predict(prompt).flatten()
    tensor([0.5000, 1.0000])
    """

    step_size: float = 1.0
    momentum: float = 0.0
    steps: int = 1
    ahead: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    @property
    def name(self) -> str:
        """`nesterov` where gradients are taken ahead, else `heavy_ball`."""
        return "nesterov" if self.ahead else "heavy_ball"

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted numbers by name."""
        return {"step_size": self.step_size, "momentum": self.momentum}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """After each step, by what X^T Y is multiplied in the direction of each eigenvalue."""
        return torch.stack(_path(values, self.step_size, self.momentum, self.steps, self.ahead))

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        return spectral_weights(self, prompt)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def fit(self, prompt: RegressionPrompt) -> "Momentum":
        """The size and the momentum of least loss after the last step."""
        return self.fit_projected(Projection.of(prompt))

    def fit_projected(self, projection: Projection) -> "Momentum":
        """The same on projected prompts."""
        starts = [(size, momentum) for size in (0.1, 0.3, 0.6, 1.0, 1.5) for momentum in (0.0, 0.3, 0.6, 0.9)]
        starts.append((projection.unit * self.step_size, self.momentum))

        def curve(parameters: Tensor, nodes: Tensor) -> Tensor:
            return _path(nodes, parameters[:, :1], parameters[:, 1:], self.steps, self.ahead)[-1]

        size, momentum = projection.fit(curve, starts)
        return replace(self, step_size=size / projection.unit, momentum=momentum)


def _path(values: Tensor, size: float | Tensor, momentum: float | Tensor, steps: int, ahead: bool) -> list[Tensor]:
    weight = before = torch.zeros_like(values)
    path = []
    for _ in range(steps):
        moved = weight + momentum * (weight - before)
        point = moved if ahead else weight
        weight, before = moved + size * (1.0 - values * point), weight
        path.append(weight)
    return path
