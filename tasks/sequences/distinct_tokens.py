"""Sequences in which no symbol occurs twice: there is nothing for an induction head to find."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.predictor import TokenPredictor
from tasks.prompt import TokenPrompt
from tasks.sequences.common import ClosedForm, check, log_with_bos, uniform_guess, with_bos


@dataclass(frozen=True)
class DistinctTokens:
    """Random symbols, each at most once in a sequence: the next one is any that did not occur yet.

    Symbols are 0 .. vocabulary-1; the first token has the next id. All tokens after it are scored. A model trained here
    learns to use the context, and learns the opposite of copying.
    Raises ValueError, naming the field, for a value outside its range.

    >>> task = DistinctTokens(vocabulary=5, length=4)
    >>> prompt = task.sample(1, torch.Generator().manual_seed(0))
    >>> prompt.tokens.tolist(), prompt.scored.int().tolist()
    ([[5, 2, 3, 4, 0]], [[0, 1, 1, 1, 1]])
    """

    vocabulary: int = field(default=48, metadata={"about": "symbols, without the first token of a sequence"})
    length: int = field(default=48, metadata={"about": "symbols in a sequence, at most `vocabulary`"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        check(0.0, vocabulary=(self.vocabulary, 2), length=(self.length, 2))
        if self.length > self.vocabulary:
            raise ValueError(f"length: {self.length} must be at most vocabulary, {self.vocabulary}: no symbol repeats")

    @property
    def d_vocab(self) -> int:
        """Symbols and the first token."""
        return self.vocabulary + 1

    @property
    def n_ctx(self) -> int:
        """Tokens that a model reads."""
        return self.length

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        """Draw `batch` sequences (batch length+1)."""
        draw = torch.rand(batch, self.vocabulary, generator=generator, device=generator.device)
        tokens = with_bos(draw.argsort(dim=1)[:, : self.length], self.vocabulary)
        scored = torch.ones_like(tokens, dtype=torch.bool)
        scored[:, 0] = False
        return TokenPrompt(tokens, scored)

    def trivial_predictions(self, prompt: TokenPrompt) -> dict[str, Tensor]:
        """A uniform guess among all symbols."""
        return {"a uniform guess": uniform_guess(prompt, self.d_vocab, 0, self.vocabulary)}

    def bayes_predictor(self) -> TokenPredictor:
        """The distribution of each next token given the tokens before it."""
        return ClosedForm(self._log_probabilities)

    def _log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """All symbols that did not occur before are equally likely, the others impossible."""
        symbols = prompt.tokens[:, 1:]
        hot = torch.nn.functional.one_hot(symbols, self.vocabulary).double()
        left = (hot.cumsum(dim=1) - hot == 0).double()
        return log_with_bos(left / left.sum(dim=-1, keepdim=True))
