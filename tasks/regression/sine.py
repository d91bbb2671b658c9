"""Regression on sine curves in context ([VO] section 4; von Oswald et al. 2023, arXiv 2212.07677)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.limits import LARGEST
from tasks.prompt import RegressionPrompt

Range = tuple[float, float]


@dataclass(frozen=True)
class SineRegression:
    """Each prompt has its own curve y = a sin(x + p), with a and p drawn uniformly and independently.

    Inputs are one number each, drawn uniformly too. The default is the paper's figure: a ~ U(0.1, 0.5), p ~ U(0, pi),
    x ~ U(-5, 5) and ten examples, where predicting zero costs 0.0258. Angles are in radians, the rest pure numbers.
    Raises ValueError, naming the field, for a value outside its range.

    >>> generator = torch.Generator().manual_seed(0)
    >>> prompt = SineRegression(context=5).sample(2, generator)
    >>> prompt.x.shape, prompt.y.shape, prompt.query.shape
    (torch.Size([2, 5, 1]), torch.Size([2, 5, 1]), torch.Size([2, 1, 1]))
    """

    context: int = field(default=10, metadata={"about": "examples per prompt, N"})
    d_out: int = field(default=1, metadata={"about": "entries of a label y: always 1"})
    amplitudes: Range = field(default=(0.1, 0.5), metadata={"about": "least and largest amplitude a"})
    phases: Range = field(default=(0.0, math.pi), metadata={"about": "least and largest phase p, radians"})
    inputs: Range = field(default=(-5.0, 5.0), metadata={"about": "least and largest input x"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        if not 1 <= self.context <= LARGEST:
            raise ValueError(f"context: {self.context} must be at least 1 and at most {LARGEST}")
        if self.d_out != 1:
            raise ValueError(f"d_out: {self.d_out} must be 1: a sine curve has one value")
        ranges = {"amplitudes": self.amplitudes, "phases": self.phases, "inputs": self.inputs}
        for name, (low, high) in ranges.items():
            if not (low <= high and math.isfinite(low) and math.isfinite(high)):
                raise ValueError(f"{name}: {(low, high)} must be two finite numbers, the lesser first")
        if self.amplitudes[0] < 0:
            raise ValueError(f"amplitudes: {self.amplitudes} must not be negative: a phase of pi flips the sign")

    def curves(
        self, batch: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch 1 1"], Float[Tensor, "batch 1 1"]]:
        """Draw only amplitudes and phases, one of each for each prompt."""
        a = torch.empty(batch, 1, 1, device=generator.device).uniform_(*self.amplitudes, generator=generator)
        return a, torch.empty_like(a).uniform_(*self.phases, generator=generator)

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw `batch` prompts with `queries` queries each, on the generator's device, in float32."""
        x = torch.empty(batch, self.context + queries, 1, device=generator.device)
        x.uniform_(*self.inputs, generator=generator)
        a, p = self.curves(batch, generator)
        y, count = a * torch.sin(x + p), self.context
        return RegressionPrompt(x[:, :count], y[:, :count], x[:, count:], y[:, count:])

    def trivial_predictions(self, prompt: RegressionPrompt) -> dict[str, Tensor]:
        """Zero and the mean of all curves, E[a] E[sin(x + p)]."""
        low, high = self.phases
        # The mean of sin(x + p) over p is sin(x + middle) times the mean of cos over half the range on both sides.
        half = (high - low) / 2
        shrink = math.sin(half) / half if half > 0 else 1.0
        mean = sum(self.amplitudes) / 2 * shrink * torch.sin(prompt.query + (low + high) / 2)
        return {"predicting zero": torch.zeros_like(prompt.target), "predicting the mean curve": mean}

    def bayes_predictor(self) -> None:
        """None: the posterior mean of a curve has no closed form."""
        return
