"""GD++: gradient descent that also improves the curvature of what it descends on ([VO] A.10)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.descent import descend, descend_clipped, moments, reach, typical_norm
from mesa.learners.gradient_descent import GradientDescent, per_step
from mesa.learners.optimise import minimise
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error


@dataclass(frozen=True, eq=False)
class GDPlusPlus:
    """Each step takes x_j to x_j (I - gamma S) and y_j to y_j - x_j dW, both from the tokens before it.

    dW = c X^T Y and S = X^T X are of that step's own tokens, queries move along; eigenvalues l of S become
    l (1 - gamma l)^2. `gamma` and `step_size` (c = eta/N) are one for all steps (`shared`) or one each; the last step's
    gamma changes no prediction. With a `clip` every entry of a token is clamped to +-clip after each step; there are no
    weights then. Raises ValueError for a wrong number of values, or different ones for shared steps.

    >>> x = torch.eye(2)[None]
    >>> prompt = RegressionPrompt(x, torch.ones(1, 2, 1), query=x[:, :1], target=torch.ones(1, 1, 1))
    >>> GDPlusPlus(gamma=0.0, step_size=0.5, steps=2).predict(prompt).flatten()
    tensor([0.5000, 0.7500])
    """

    gamma: float | tuple[float, ...] = 0.0
    step_size: float | tuple[float, ...] = 1.0
    steps: int = 1
    shared: bool = True
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: {self.steps} must be at least 1")
        per_step("gamma", self.gamma, self.steps, self.shared)
        per_step("step_size", self.step_size, self.steps, self.shared)

    @property
    def name(self) -> str:
        """`gd_plus_plus`, or `gd_plus_plus_per_step`."""
        return "gd_plus_plus" if self.shared else "gd_plus_plus_per_step"

    @property
    def gammas(self) -> tuple[float, ...]:
        """The curvature correction of each step."""
        return per_step("gamma", self.gamma, self.steps, self.shared)

    @property
    def step_sizes(self) -> tuple[float, ...]:
        """The size of each step."""
        return per_step("step_size", self.step_size, self.steps, self.shared)

    def weights(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch d_in d_out"] | None:
        """The implied weights after each step: predictions are linear in the query; None where tokens are clipped."""
        if self.clip is not None:
            return None
        return descend(moments(prompt), *self._settings(prompt.x))

    def predict(self, prompt: RegressionPrompt) -> Float[Tensor, "learner_step batch query d_out"]:
        """The prediction after each step."""
        weights = self.weights(prompt)
        if weights is not None:
            return prompt.query @ weights
        assert self.clip is not None
        gammas, sizes = self._settings(prompt.x)
        return descend_clipped(prompt, gammas, sizes, None, self.clip)

    def fit(self, prompt: RegressionPrompt) -> "GDPlusPlus":
        """gamma and the step size of least loss after the last step.

        The loss has several minima: it is descended from tuned gradient descent and from a start with a correction,
        and the better end is kept. One pair a step begins at the shared pair, spread, as equal ones are a saddle, at
        gradient descent's sizes, and at pairs that grow.
        """
        unit = 1.0 / typical_norm(prompt)
        wide = prompt.to(dtype=torch.float64)
        loss = self._loss(wide)
        plain = GradientDescent(steps=self.steps, clip=self.clip).fit(wide).step_sizes[0]
        if self.steps == 1:
            return replace(self, gamma=self._spread(0.0), step_size=self._spread(plain))

        def shared(pair: Tensor) -> Tensor:
            return loss(unit * pair[:1].expand(self.steps), unit * pair[1:].expand(self.steps))

        begins = [[0.0, plain / unit], [0.4, 1.0]]
        pairs = [minimise(shared, torch.tensor(begin, dtype=torch.float64)) for begin in begins]
        best = min(pairs, key=lambda pair: float(shared(pair)))
        if self.shared:
            return replace(self, gamma=unit * float(best[0]), step_size=unit * float(best[1]))
        last = self.steps - 1

        def each(values: Tensor, loss: Callable[[Tensor, Tensor], Tensor] = loss) -> Tensor:
            # The last gamma changes nothing: it is no variable.
            gammas = torch.cat([values[:last], values.new_zeros(1)])
            return loss(unit * gammas, unit * values[last:])

        spread = torch.linspace(0.9, 1.1, self.steps, dtype=torch.float64)
        # Per-step gradient descent is a member of this class, and so a start: the wider class never fits worse.
        plain_sizes = GradientDescent(steps=self.steps, shared=False, clip=self.clip).fit(wide).step_sizes
        none = torch.zeros(last, dtype=torch.float64)
        # A correction leaves small eigenvalues, which need larger corrections and steps: so the best ones grow.
        grown = min(4.0, 100.0 ** (1.0 / last)) ** torch.arange(self.steps, dtype=torch.float64)
        starts = [
            torch.cat([best[0] * spread[:last], best[1] * spread]),
            torch.cat([none, torch.tensor(plain_sizes, dtype=torch.float64) / unit]),
            torch.cat([0.4 * grown[:last], 0.5 * grown]),
        ]
        # Without a clip a loss costs a tenth: which start leads lowest is found there, and the end with the clip.
        bare = replace(self, clip=None)._loss(wide)
        ends = [minimise(lambda values: each(values, bare), start) for start in starts]
        begin = min([*starts, *ends], key=lambda values: float(each(values).nan_to_num(nan=math.inf)))
        # A search ends after some hundred evaluations: what is left is small, and the best one gets as many again.
        found = unit * minimise(each, begin, tolerance=1e-8)
        return replace(self, gamma=(*found[:last].tolist(), 0.0), step_size=tuple(found[last:].tolist()))

    def _spread(self, value: float) -> float | tuple[float, ...]:
        return value if self.shared else (value,) * self.steps

    def _loss(self, prompt: RegressionPrompt) -> Callable[[Tensor, Tensor], Tensor]:
        clip = self.clip
        if clip is not None:
            return lambda gammas, sizes: half_squared_error(
                descend_clipped(prompt, gammas, sizes, None, clip)[-1], prompt.target
            )
        last = reach(prompt)
        return lambda gammas, sizes: half_squared_error(last(gammas, sizes), prompt.target)

    def _settings(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.gammas), like.new_tensor(self.step_sizes)
