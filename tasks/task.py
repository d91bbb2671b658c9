"""What every task offers: prompts, and the predictor of least expected loss where it is known."""

from typing import Protocol, runtime_checkable

import torch

from tasks.predictor import RegressionPredictor, TokenPredictor
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

    def bayes_predictor(self) -> RegressionPredictor | None:
        """The predictor of least expected loss, or None where no closed form is known."""
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

    def bayes_predictor(self) -> TokenPredictor | None:
        """The distribution of least expected loss of each next token, or None where no closed form is known."""
        ...
