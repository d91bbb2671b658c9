"""How a prompt becomes model input, and how an output becomes a prediction and a loss."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tasks.prompt import RegressionPrompt


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model takes: tokens or ids, and how many of the last positions are queries, which are never keys."""

    values: Float[Tensor, "batch pos d_token"] | Int[Tensor, "batch pos"]
    queries: int

    def __post_init__(self) -> None:
        if not 0 <= self.queries <= self.values.shape[1]:
            raise ValueError(f"queries: {self.queries} must lie in 0..{self.values.shape[1]}, the number of tokens")


@runtime_checkable
class Reader(Protocol):
    """The one place that knows token layout, read-out, sign and loss.

    Law: `decode` reads the residual stream after any layer as it reads the model's output.
    """

    def encode(self, prompt: Any) -> Inputs:
        """Lay out the prompts as tokens; differentiable in everything that a prompt holds as real numbers."""
        ...

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Read the predictions off a residual stream (batch pos d_model): (batch query d_out), or logits."""
        ...

    def loss(self, prediction: Tensor, prompt: Any) -> Tensor:
        """The training loss, a scalar."""
        ...


@dataclass(frozen=True, eq=False)
class PairedReader:
    """Tokens (x_i, y_i), queries (x_q, 0), prediction minus the last d_out channels of a query ([VO] section 2).

    With a `start` W0 (d_in d_out) the query token is (x_q, -W0 x_q): the prediction then starts at W0 x_q.

    >>> from tasks.linear_regression import LinearRegression
    >>> prompt = LinearRegression(d_in=3, context=5).sample(2, torch.Generator().manual_seed(0))
    >>> inputs = PairedReader().encode(prompt)
    >>> inputs.values.shape, inputs.queries
    (torch.Size([2, 6, 4]), 1)
    """

    d_out: int = 1
    start: Float[Tensor, "d_in d_out"] | None = None

    def __post_init__(self) -> None:
        if self.d_out < 1:
            raise ValueError(f"d_out: {self.d_out} must be at least 1")
        if self.start is not None and self.start.shape[-1] != self.d_out:
            raise ValueError(f"start: {self.start.shape[-1]} outputs, but d_out is {self.d_out}")

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Lay out tokens (batch context+query d_in+d_out); ValueError where the prompt's d_out is not the reader's."""
        if prompt.y.shape[-1] != self.d_out:
            raise ValueError(f"d_out: the reader reads {self.d_out} outputs, the prompt has {prompt.y.shape[-1]}")
        guess = prompt.target.new_zeros(prompt.target.shape)
        if self.start is not None:
            guess = -(prompt.query @ self.start.to(prompt.query))
        context = torch.cat([prompt.x, prompt.y], dim=-1)
        query = torch.cat([prompt.query, guess], dim=-1)
        return Inputs(torch.cat([context, query], dim=1), queries=prompt.query.shape[1])

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Minus the last `d_out` channels at the query positions."""
        return -resid[:, resid.shape[1] - inputs.queries :, -self.d_out :]

    def loss(self, prediction: Tensor, prompt: RegressionPrompt) -> Tensor:
        """Half the squared error, summed over outputs, mean over prompts and queries."""
        return half_squared_error(prediction, prompt.target)


def half_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the squared distance, summed over the last axis and averaged over the others.

    >>> half_squared_error(torch.tensor([[[3.0]]]), torch.tensor([[[1.0]]])).item()
    2.0
    """
    return 0.5 * (prediction - target).square().sum(dim=-1).mean()
