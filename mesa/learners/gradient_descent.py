"""Gradient descent on the context's squared error ([VO] Prop. 1), and GD++, which also improves the curvature (A.10).

GD++ is gradient descent with a number more per step, gamma. Without it, or where it is 0, the two are one algorithm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.descent.fit import fitted_gammas_and_sizes, fitted_sizes
from mesa.learners.descent.projected import descent_path, projected_pairs, projected_sizes
from mesa.learners.descent.steps import descend, descend_clipped, moments
from mesa.learners.filters.projection import Projection
from tasks.prompt import RegressionPrompt

Values = float | tuple[float, ...]


@dataclass(frozen=True, eq=False)
class GradientDescent:
    """`steps` steps W <- W + c X^T (Y - X W) from `start` (zero by default); with a `gamma` steps of GD++.

    `step_size` is c = eta/N, for L(W) = 1/(2N) sum |W x_i - y_i|^2 with learning rate eta; weights are (d_in, d_out).
    It is one for all steps (`shared`, as the paper fits it) or one each, and so is `gamma`.

    A step of GD++ takes x_j to x_j (I - gamma S) and y_j to y_j - x_j dW. Here dW = c X^T Y and S = X^T X are of the
    tokens before that step; queries change as inputs do. Eigenvalues l of S become l (1 - gamma l)^2. The last step's
    gamma changes no prediction. A `gamma` of None stands for gradient descent, whose fit leaves gamma at 0.

    With a `clip` every entry of a token is clamped to +-clip after each step, as deep models do it; there are no
    weights then. Raises ValueError for a wrong number of values, for different ones where they are shared, and for a
    start together with a gamma.

    >>> import torch
    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> GradientDescent(step_size=0.5, steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    >>> GradientDescent(step_size=0.5, gamma=0.0, steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    """

    step_size: Values = 1.0
    steps: int = 1
    start: Float[Tensor, "d_in d_out"] | None = None
    shared: bool = True
    clip: float | None = None
    gamma: Values | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")
        if self.gamma is not None and self.start is not None:
            raise ValueError("start: GD++ starts at zero; put another start into the labels")
        _ = self.gammas, self.step_sizes

    @property
    def name(self) -> str:
        """`gd` or `gd_plus_plus`, followed by `_per_step` where each step has values of its own."""
        return ("gd" if self.gamma is None else "gd_plus_plus") + ("" if self.shared else "_per_step")

    @property
    def gammas(self) -> tuple[float, ...]:
        """The curvature correction of each step; zeros for gradient descent."""
        return per_step("gamma", 0.0 if self.gamma is None else self.gamma, self.steps, self.shared)

    @property
    def step_sizes(self) -> tuple[float, ...]:
        """The size of each step."""
        return per_step("step_size", self.step_size, self.steps, self.shared)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The implied weights after each step; None where tokens are clipped."""
        if self.clip is not None:
            return None
        start = self._start(prompt)
        added = descend(moments(prompt, start), *self._settings(prompt.x))
        return added if start is None else start + added

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        if self.clip is not None:
            return descend_clipped(prompt, *self._settings(prompt.x), self._start(prompt), self.clip)
        weights = self.weights(prompt)
        assert weights is not None
        return prompt.query @ weights

    def fit(self, prompt: RegressionPrompt) -> "GradientDescent":
        """The step sizes, and for GD++ the gammas, of least loss after the last step (`mesa.learners.descent.fit`)."""
        if self.gamma is None:
            self._start(prompt)
            sizes = fitted_sizes(prompt, self.steps, self.shared, self.start, self.clip)
            return replace(self, step_size=sizes[0] if self.shared else sizes)
        gammas, sizes = fitted_gammas_and_sizes(prompt, self.steps, self.shared, self.clip)
        return replace(self, gamma=gammas[0] if self.shared else gammas, step_size=sizes[0] if self.shared else sizes)

    @property
    def parameters(self) -> dict[str, float]:
        """The fitted numbers by name, with the step's number where each step has its own."""
        columns = {"step_size": self.step_sizes, **({} if self.gamma is None else {"gamma": self.gammas})}
        if self.shared:
            return {name: values[0] for name, values in columns.items()}
        return {f"{name}_{k}": value for name, values in columns.items() for k, value in enumerate(values, start=1)}

    def response(self, values: Float[Tensor, "*batch rank"]) -> Float[Tensor, "learner_step *batch rank"]:
        """After each step from zero, without a clip, by what X^T Y is multiplied in each eigendirection of S."""
        return torch.stack(descent_path(values, None if self.gamma is None else self.gammas, self.step_sizes))

    def fit_projected(self, projection: Projection) -> "GradientDescent":
        """The numbers of least loss on projected prompts, from zero, without a clip."""
        if self.gamma is None:
            sizes = projected_sizes(projection, self.steps, self.shared)
            return replace(self, step_size=sizes[0] if self.shared else sizes)
        gammas, sizes = projected_pairs(projection, self.steps, self.shared)
        return replace(self, gamma=gammas[0] if self.shared else gammas, step_size=sizes[0] if self.shared else sizes)

    def _settings(self, like: Tensor) -> tuple[Tensor | None, Tensor]:
        gammas = None if self.gamma is None else like.new_tensor(self.gammas)
        return gammas, like.new_tensor(self.step_sizes)

    def _start(self, prompt: RegressionPrompt) -> Float[Tensor, "d_in d_out"] | None:
        shape = prompt.x.shape[2], prompt.y.shape[2]
        if self.start is not None and tuple(self.start.shape) != shape:
            raise ValueError(f"start: shape {tuple(self.start.shape)} must be (d_in, d_out) = {shape}")
        return None if self.start is None else self.start.to(prompt.x)


def per_step(field: str, value: float | Sequence[float], steps: int, shared: bool) -> tuple[float, ...]:
    """One value for each step; ValueError for a wrong number of them, or different ones where they are shared."""
    values = (float(value),) * steps if isinstance(value, int | float) else tuple(value)
    if len(values) != steps:
        raise ValueError(f"{field}: {len(values)} values for {steps} steps: one for all or one each is needed")
    if shared and len(set(values)) > 1:
        raise ValueError(f"{field}: {values} must be one value where it is shared by all steps")
    return values
