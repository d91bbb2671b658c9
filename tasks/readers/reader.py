"""How a prompt becomes model input, and how an output becomes a prediction and a loss."""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from tasks.prompt import RegressionPrompt, TokenPrompt

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt, contravariant=True)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model takes: token vectors or ids. The last `queries` positions are queries, which are never keys."""

    values: Float[Tensor, "batch pos d_token"] | Int[Tensor, "batch pos"]
    queries: int

    def __post_init__(self) -> None:
        if not 0 <= self.queries <= self.values.shape[1]:
            raise ValueError(f"queries: {self.queries} must lie in 0..{self.values.shape[1]}, the number of tokens")


@runtime_checkable
class Reader(Protocol[PromptT]):
    """The one place that knows token layout, read-out, sign and loss, for one kind of prompts.

    Law: `decode` reads the residual stream after any layer as it reads the model's output.
    """

    def encode(self, prompt: PromptT) -> Inputs:
        """Lay out the prompts as tokens; differentiable in everything that a prompt holds as real numbers."""
        ...

    def decode(self, resid: Tensor, inputs: Inputs) -> Tensor:
        """Read the predictions off a residual stream (batch pos d_model): (batch query d_out), or logits."""
        ...

    def loss(self, prediction: Tensor, prompt: PromptT) -> Tensor:
        """The training loss, a scalar."""
        ...


def half_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the squared distance, summed over the last axis and averaged over the others.

    >>> import torch
    >>> half_squared_error(torch.tensor([[[3.0]]]), torch.tensor([[[1.0]]])).item()
    2.0
    """
    return 0.5 * (prediction - target).square().sum(dim=-1).mean()
