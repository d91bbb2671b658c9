"""Gradient descent on the context's squared error ([VO] Prop. 1)."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

from mesa.learners.descent import descend, descend_clipped, moments, reach, typical_norm
from mesa.learners.optimise import minimise
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True, eq=False)
class GradientDescent:
    """`steps` steps W <- W + c X^T (Y - X W) from `start` (zero by default).

    `step_size` is c = eta/N, for L(W) = 1/(2N) sum |W x_i - y_i|^2 with learning rate eta; weights are (d_in, d_out).
    It is one for all steps (`shared`, as the paper tunes it) or one each. With a `clip` every entry of a token is
    clamped to +-clip after each step, as deep models do it; there are no weights then. Raises ValueError for a wrong
    number of sizes, or different ones for shared steps.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> GradientDescent(step_size=0.5, steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    """

    step_size: float | tuple[float, ...] = 1.0
    steps: int = 1
    start: Float[Tensor, "d_in d_out"] | None = None
    shared: bool = True
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")
        per_step("step_size", self.step_size, self.steps, self.shared)

    @property
    def name(self) -> str:
        """`gd`, or `gd_per_step`."""
        return "gd" if self.shared else "gd_per_step"

    @property
    def step_sizes(self) -> tuple[float, ...]:
        """The size of each step."""
        return per_step("step_size", self.step_size, self.steps, self.shared)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The weights after each step; None where tokens are clipped."""
        if self.clip is not None:
            return None
        start = self._start(prompt)
        added = descend(moments(prompt, start), None, prompt.x.new_tensor(self.step_sizes))
        return added if start is None else start + added

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        weights = self.weights(prompt)
        if weights is not None:
            return prompt.query @ weights
        return self._clipped(prompt, prompt.x.new_tensor(self.step_sizes))

    def fit(self, prompt: RegressionPrompt) -> "GradientDescent":
        """The step sizes of least loss after the last step.

        One step is least squares in c: the prediction is W0 x_q + c g, g = the raw step's change of it. More steps make
        the loss a polynomial in c without a closed form; it is searched below the size at which most prompts diverge.
        One size a step begins at distinct values, Chebyshev's and the shared size spread, and the better end is kept:
        the loss is symmetric in the sizes, and equal ones are a saddle.
        """
        if self.steps == 1 and self.clip is None:
            start = self._start(prompt)
            change = prompt.query @ descend(moments(prompt, start), None, prompt.x.new_ones(1))[0]
            base = 0.0 if start is None else prompt.query @ start
            size = float(((prompt.target - base) * change).sum() / change.square().sum())
            return replace(self, step_size=size if self.shared else (size,))
        wide = prompt.to(dtype=torch.float64)
        loss, unit = self._loss(wide), 1.0 / typical_norm(prompt)

        def along(part: float) -> float:
            value = loss(torch.full((self.steps,), 2.0 * unit * part, dtype=torch.float64))
            return float(value.nan_to_num(nan=1e30, posinf=1e30))

        # Searched in parts of 2 `unit`, so that the tolerance is relative: inputs may have any scale.
        found: Any = minimize_scalar(along, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-7})
        shared = 2.0 * float(found.x)
        if self.shared:
            return replace(self, step_size=unit * shared)
        spread = shared * torch.linspace(0.9, 1.1, self.steps, dtype=torch.float64)
        begins = [torch.tensor(distinct(self.steps), dtype=torch.float64), spread]
        ends = [minimise(lambda parts: loss(unit * parts), begin) for begin in begins]
        best = min(ends, key=lambda parts: float(loss(unit * parts)))
        return replace(self, step_size=tuple((unit * best).tolist()))

    def _loss(self, prompt: RegressionPrompt) -> Any:
        if self.clip is not None:
            return lambda sizes: half_squared_error(self._clipped(prompt, sizes)[-1], prompt.target)
        start = self._start(prompt)
        last, base = reach(prompt, start), 0.0 if start is None else prompt.query @ start
        return lambda sizes: half_squared_error(last(None, sizes) + base, prompt.target)

    def _clipped(self, prompt: RegressionPrompt, sizes: Tensor) -> Tensor:
        assert self.clip is not None
        return descend_clipped(prompt, None, sizes, self._start(prompt), self.clip)

    def _start(self, prompt: RegressionPrompt) -> Float[Tensor, "d_in d_out"] | None:
        shape = prompt.x.shape[2], prompt.y.shape[2]
        if self.start is not None and tuple(self.start.shape) != shape:
            raise ValueError(f"start: shape {tuple(self.start.shape)} must be (d_in, d_out) = {shape}")
        return None if self.start is None else self.start.to(prompt.x)


def per_step(field: str, value: float | tuple[float, ...], steps: int, shared: bool) -> tuple[float, ...]:
    """One value for each step; ValueError for a wrong number of them, or different ones where they are shared."""
    values = (float(value),) * steps if isinstance(value, int | float) else tuple(value)
    if len(values) != steps:
        raise ValueError(f"{field}: {len(values)} values for {steps} steps: one for all or one each is needed")
    if shared and len(set(values)) > 1:
        raise ValueError(f"{field}: {values} must be one value where it is shared by all steps")
    return values


def distinct(steps: int) -> list[float]:
    """Step sizes to begin a search at, in units of 1 / |S|: Chebyshev's for eigenvalues between .05 and 1."""
    middle, half = 0.525, 0.475
    return [1.0 / (middle + half * math.cos(math.pi * (k + 0.5) / steps)) for k in range(steps)]
