"""What a model is asked: a context of examples and the queries to answer."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RegressionPrompt:
    """A batch of regression contexts with their queries; knows nothing of token layout or of models.

    Shapes: `x` (batch context d_in), `y` (batch context d_out), `query` (batch query d_in),
    `target` (batch query d_out), `teacher` (batch d_in d_out) where the labels are linear in x.

    >>> x, y = torch.zeros(2, 5, 3), torch.zeros(2, 5, 1)
    >>> prompt = RegressionPrompt(x, y, query=x[:, :1], target=y[:, :1])
    >>> prompt.prefix(4).x.shape
    torch.Size([2, 4, 3])
    """

    x: Float[Tensor, "batch context d_in"]
    y: Float[Tensor, "batch context d_out"]
    query: Float[Tensor, "batch query d_in"]
    target: Float[Tensor, "batch query d_out"]
    teacher: Float[Tensor, "batch d_in d_out"] | None = None

    def prefix(self, n: int) -> "RegressionPrompt":
        """The same prompts with only the first `n` context examples; ValueError outside 1..context."""
        if not 1 <= n <= self.x.shape[1]:
            raise ValueError(f"prefix: n={n} must lie in 1..{self.x.shape[1]}, the context length")
        return replace(self, x=self.x[:, :n], y=self.y[:, :n])

    def permute(self, order: Tensor) -> "RegressionPrompt":
        """The same prompts with context example `order[i]` at place i; x and y move together.

        Raises ValueError unless `order` holds the number of every example once.
        """
        count = self.x.shape[1]
        if sorted(order.tolist()) != list(range(count)):
            raise ValueError(f"order: {order.tolist()} must hold each of 0..{count - 1} once")
        return replace(self, x=self.x[:, order], y=self.y[:, order])

    def batch(self, start: int, stop: int) -> "RegressionPrompt":
        """Only the prompts from `start` to `stop`."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: part[start:stop] for name, part in parts.items() if part is not None})

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "RegressionPrompt":
        """The same prompts on another device or in another floating-point type."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: part.to(device, dtype) for name, part in parts.items() if part is not None})
