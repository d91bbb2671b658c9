"""What every task offers: prompts, and the predictor of least expected loss where it is known."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from tasks.predictor import RegressionPredictor, TokenPredictor
from tasks.prompt import RegressionPrompt, TokenPrompt

PromptT = TypeVar("PromptT", RegressionPrompt, TokenPrompt, contravariant=True)


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


@runtime_checkable
class HasTrivialPredictions(Protocol[PromptT]):
    """A task that knows predictions which ignore the context; a model in training can stay at their loss for long.

    Laws: a trivial prediction does not change with the context, and no other prediction that ignores the context has a
    lower expected loss than the best of them.
    """

    def trivial_predictions(self, prompt: PromptT) -> Mapping[str, Tensor]:
        """Predictions as a reader decodes them, answers or logits, by words that complete "on the plateau of ..."."""
        ...
