"""What every task offers: prompts, and the best possible answer where it is known."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tasks.prompt import RegressionPrompt, TokenPrompt


@runtime_checkable
class Task(Protocol):
    """A distribution over prompts.

    Law: sampling is pure. The same generator state gives the same batch, on the generator's device, and the
    global random state is neither read nor moved.
    """

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw `batch` prompts with `queries` queries each."""
        ...

    def best(self, prompt: RegressionPrompt) -> Tensor | None:
        """The prediction of least expected loss (batch query d_out), or None where no closed form is known."""
        ...


@runtime_checkable
class TokenTask(Protocol):
    """A distribution over token sequences; sampling is pure here too. Every sequence begins with the token `bos`."""

    @property
    def d_vocab(self) -> int:
        """How many ids there are, `bos` included."""
        ...

    @property
    def vocabulary(self) -> int:
        """How many symbols there are: the ids that can follow the first token."""
        ...

    @property
    def n_ctx(self) -> int:
        """How many tokens a model reads: all of a sequence but the last."""
        ...

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        """Draw `batch` sequences."""
        ...

    def best(self, prompt: TokenPrompt) -> Tensor:
        """Log-probabilities (batch pos-1 d_vocab) of each next token given those before it: the least expected loss."""
        ...
