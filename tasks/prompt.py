"""What a model is asked: a context of examples and the queries to answer."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int
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

    def __len__(self) -> int:
        return len(self.x)

    def prefix(self, n: int) -> "RegressionPrompt":
        """The same prompts with only the first `n` context examples; ValueError outside 1..context."""
        if not 1 <= n <= self.x.shape[1]:
            raise ValueError(f"prefix: n={n} must lie in 1..{self.x.shape[1]}, the context length")
        return replace(self, x=self.x[:, :n], y=self.y[:, :n])

    def permute(self, order: Tensor) -> "RegressionPrompt":
        """The same prompts with context example `order[i]` at position i; x and y move together.

        Raises ValueError unless `order` holds the number of every example once.
        """
        count = self.x.shape[1]
        if sorted(order.tolist()) != list(range(count)):
            raise ValueError(f"order: {order.tolist()} must hold each of 0..{count - 1} once")
        return replace(self, x=self.x[:, order], y=self.y[:, order])

    def batch(self, start: int, stop: int) -> "RegressionPrompt":
        """Only the prompts from `start` to `stop`."""
        return self._map(lambda tensor: tensor[start:stop])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "RegressionPrompt":
        """The same prompts on another device or in another floating-point type."""
        return self._map(lambda tensor: tensor.to(device, dtype))

    def _map(self, function: Callable[[Tensor], Tensor]) -> "RegressionPrompt":
        x, y, query, target = (function(tensor) for tensor in (self.x, self.y, self.query, self.target))
        return RegressionPrompt(x, y, query, target, None if self.teacher is None else function(self.teacher))


@dataclass(frozen=True, eq=False)
class TokenPrompt:
    """A batch of token sequences, and which of their tokens are to be predicted from the ones before them.

    Shapes: `tokens` (batch pos) of ids, `scored` (batch pos) of booleans; position 0 has nothing before it and is
    never scored. Raises ValueError where it is.

    >>> prompt = TokenPrompt(torch.tensor([[0, 3, 5, 3, 5]]), torch.tensor([[False, False, False, False, True]]))
    >>> prompt.prefix(3).tokens.tolist()
    [[0, 3, 5]]
    """

    tokens: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]

    def __post_init__(self) -> None:
        if bool(self.scored[:, 0].any()):
            raise ValueError("scored: position 0 has nothing before it and cannot be scored")

    def __len__(self) -> int:
        return len(self.tokens)

    def prefix(self, n: int) -> "TokenPrompt":
        """The same prompts with only the first `n` tokens; ValueError outside 1..pos."""
        if not 1 <= n <= self.tokens.shape[1]:
            raise ValueError(f"prefix: n={n} must lie in 1..{self.tokens.shape[1]}, the number of tokens")
        return replace(self, tokens=self.tokens[:, :n], scored=self.scored[:, :n])

    def permute(self, order: Tensor) -> "TokenPrompt":
        """The same prompts with token `order[i]` at position i, scored where it was; ValueError unless it permutes."""
        count = self.tokens.shape[1]
        if sorted(order.tolist()) != list(range(count)):
            raise ValueError(f"order: {order.tolist()} must hold each of 0..{count - 1} once")
        return replace(self, tokens=self.tokens[:, order], scored=self.scored[:, order])

    def batch(self, start: int, stop: int) -> "TokenPrompt":
        """Only the prompts from `start` to `stop`."""
        return replace(self, tokens=self.tokens[start:stop], scored=self.scored[start:stop])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "TokenPrompt":
        """The same prompts on another device; ids have no floating-point type, so `dtype` changes nothing."""
        return self if device is None else replace(self, tokens=self.tokens.to(device), scored=self.scored.to(device))


Prompt: TypeAlias = RegressionPrompt | TokenPrompt
