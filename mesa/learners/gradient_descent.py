"""Gradient descent on the context's squared error ([VO] Prop. 1)."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from tasks.prompt import RegressionPrompt
from tasks.reader import half_squared_error


@dataclass(frozen=True, eq=False)
class GradientDescent:
    """`steps` steps W <- W + c X^T (Y - X W) from `start` (zero by default), one step size for all steps.

    `step_size` is c = eta/N, for L(W) = 1/(2N) sum |W x_i - y_i|^2 with learning rate eta; weights are (d_in, d_out).

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> GradientDescent(step_size=0.5, steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    """

    step_size: float = 1.0
    steps: int = 1
    start: Float[Tensor, "d_in d_out"] | None = None
    name: str = "gd"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"]:
        """The weights after each step."""
        W = self._begin(prompt)
        path = []
        for _ in range(self.steps):
            W = W + self.step_size * (prompt.x.mT @ (prompt.y - prompt.x @ W))
            path.append(W)
        return torch.stack(path)

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        return prompt.query @ self.weights(prompt)

    def tuned(self, prompt: RegressionPrompt) -> "GradientDescent":
        """The step size of least loss after the last step, shared by all steps.

        One step is least squares in c: the prediction is W0 x_q + c g, g = the raw step's change of it. More steps make
        the loss a polynomial in c without a closed form; it is searched below the size at which most prompts diverge.
        """
        if self.steps == 1:
            base = prompt.query @ self._begin(prompt)
            change = replace(self, step_size=1.0).predict(prompt)[0] - base
            size = float(((prompt.target - base) * change).sum() / change.square().sum())
            return replace(self, step_size=size)
        wide = prompt.to(dtype=torch.float64)
        top = 2.0 / float(torch.linalg.matrix_norm(wide.x.mT @ wide.x, ord=2).median())

        def loss(part: float) -> float:
            value = half_squared_error(replace(self, step_size=top * part).predict(wide)[-1], wide.target)
            return float(value.nan_to_num(nan=1e30, posinf=1e30))

        # Searched in parts of `top`, so that the tolerance is relative: inputs may have any scale.
        found: Any = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-7})
        return replace(self, step_size=top * float(found.x))

    def _begin(self, prompt: RegressionPrompt) -> Float[Tensor, "batch d_in d_out"]:
        shape = prompt.x.shape[2], prompt.y.shape[2]
        if self.start is None:
            return prompt.x.new_zeros(prompt.x.shape[0], *shape)
        if tuple(self.start.shape) != shape:
            raise ValueError(f"start: shape {tuple(self.start.shape)} must be (d_in, d_out) = {shape}")
        return self.start.to(prompt.x).expand(prompt.x.shape[0], *shape)
