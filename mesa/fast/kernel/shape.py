"""What a kernel's code depends on: two models of one shape share it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mesa.models.attention import Kernel as Attention

Span: TypeAlias = tuple[int, int, int, int, int]
"""First row, end of rows, their step, first column and end of columns of the tokens."""


@dataclass(frozen=True)
class Shape:
    """How many heads, tokens and channels there are, whether they are clipped, and what else the code depends on.

    `kernels` names each layer's attention. `weights` numbers the weights of each layer, so tied layers have one number.
    `sources` are the parts of the tokens that each tensor of a prompt fills; the rest is zero.
    """

    kernels: tuple[Attention, ...]
    weights: tuple[int, ...]
    heads: int
    context: int
    queries: int
    channels: int
    d_out: int
    clip: bool
    sources: tuple[Span, ...]

    @property
    def form(self) -> Literal["tokens", "gram"]:
        """The faster form: a layer costs five products of d x d by G, two of those and three with N x d by tokens."""
        linear = "softmax" not in self.kernels
        return "gram" if linear and len(self.kernels) > 1 and self.context >= 1.5 * self.channels else "tokens"

    @property
    def products(self) -> int:
        """How many numbers A and V of all heads hold."""
        return (max(self.weights) + 1) * self.heads * 2 * self.channels**2
