"""Random tokens, repeated: what an induction head can predict ([OL] Olsson et al. 2022, arXiv 2209.11895)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.predictor import TokenPredictor
from tasks.prompt import TokenPrompt
from tasks.sequences.common import (
    ClosedForm,
    check,
    corrupted,
    log_with_bos,
    posterior_of_copy,
    uniform_guess,
    with_bos,
)


@dataclass(frozen=True)
class RepeatedTokens:
    """A block of random symbols, repeated until the sequence is full; its length is drawn anew for every prompt.

    If all blocks had one length, a head could look back by a fixed distance instead of looking for the same token.
    Every symbol of every repeat is, with probability `noise`, replaced by a random one. Symbols are 0 .. vocabulary-1;
    the first token is `bos`, by default the next id. The tokens after the first block are scored.
    Raises ValueError, naming the field, for a value outside its range.

    >>> task = RepeatedTokens(vocabulary=10, length=8, shortest=3, longest=4)
    >>> prompt = task.sample(1, torch.Generator().manual_seed(0))
    >>> prompt.tokens.tolist()
    [[10, 4, 9, 3, 0, 4, 9, 3, 0]]
    >>> prompt.scored.int().tolist()
    [[0, 0, 0, 0, 0, 1, 1, 1, 1]]
    """

    vocabulary: int = field(default=32, metadata={"about": "symbols, without the first token of a sequence"})
    length: int = field(default=48, metadata={"about": "symbols in a sequence"})
    shortest: int = field(default=12, metadata={"about": "least length of a block"})
    longest: int = field(default=24, metadata={"about": "largest length of a block, at most half of a sequence"})
    noise: float = field(default=0.0, metadata={"about": "share of symbols replaced by random ones"})
    bos: int | None = field(default=None, metadata={"about": "id of the first token; null: one of its own"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        sizes = {"vocabulary": (self.vocabulary, 2), "length": (self.length, 2), "shortest": (self.shortest, 1)}
        check(self.noise, **sizes)
        if not self.shortest <= self.longest <= self.length // 2:
            rule = f"shortest, {self.shortest}, and at most length // 2, {self.length // 2}"
            raise ValueError(f"longest: {self.longest} must be at least {rule}")
        if self.bos is not None and not 0 <= self.bos <= self.vocabulary:
            raise ValueError(f"bos: {self.bos} must be an id, 0 to {self.vocabulary}")

    @property
    def first(self) -> int:
        """The id of the first token."""
        return self.vocabulary if self.bos is None else self.bos

    @property
    def d_vocab(self) -> int:
        """Symbols and the first token."""
        return self.vocabulary + (self.first == self.vocabulary)

    @property
    def n_ctx(self) -> int:
        """Tokens that a model reads."""
        return self.length

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        """Draw `batch` sequences (batch length+1)."""
        like = {"generator": generator, "device": generator.device}
        block = torch.randint(self.vocabulary, (batch, self.longest), **like)
        size = torch.randint(self.shortest, self.longest + 1, (batch, 1), **like)
        position = torch.arange(self.length, device=generator.device).expand(batch, -1)
        symbols = corrupted(block.gather(1, position % size), self.noise, 0, self.vocabulary, generator)
        scored = torch.cat([torch.zeros_like(size, dtype=torch.bool), position >= size], dim=1)
        return TokenPrompt(with_bos(symbols, self.first), scored)

    def trivial_predictions(self, prompt: TokenPrompt) -> dict[str, Tensor]:
        """A uniform guess among all symbols."""
        return {"a uniform guess": uniform_guess(prompt, self.d_vocab, 0, self.vocabulary)}

    def bayes_predictor(self) -> TokenPredictor:
        """The posterior of each next token given the tokens before it."""
        return ClosedForm(self._log_probabilities)

    def _log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """Log-probabilities of each next token that is scored, averaged over the posterior of the block's length.

        A scored token stands after the first block, so only lengths up to its position are possible. Where none of
        them can have given the tokens so far, the next token is not scored, and all symbols are equally likely.
        """
        symbols = prompt.tokens[:, 1:]
        hot = torch.nn.functional.one_hot(symbols, self.vocabulary).double()
        position = torch.arange(symbols.shape[1], device=symbols.device)
        total = hot.new_full(hot.shape, -torch.inf)
        weight = hot.new_full(hot.shape[:2], -torch.inf)
        for size in range(self.shortest, self.longest + 1):
            predicted = posterior_of_copy(_earlier(hot, size), self.noise).nan_to_num(nan=0.0)
            # The probability of the symbols so far under this length is its weight in the posterior.
            likelihood = predicted.gather(-1, symbols[..., None])[..., 0].log()
            evidence = torch.nn.functional.pad(likelihood.cumsum(dim=1), (1, -1))
            evidence = evidence.masked_fill(position < size, -torch.inf)
            total = torch.logaddexp(total, evidence[..., None] + predicted.log())
            weight = torch.logaddexp(weight, evidence)
        probabilities = (total - weight[..., None]).exp().nan_to_num(nan=1 / self.vocabulary)
        if self.first == self.vocabulary:
            return log_with_bos(probabilities)
        return probabilities.log()


def _earlier(hot: Float[Tensor, "batch pos symbol"], size: int) -> Float[Tensor, "batch pos symbol"]:
    """How often each symbol occurred, before each position, at the same position of a block of this length."""
    batch, length, symbols = hot.shape
    rows = torch.nn.functional.pad(hot, (0, 0, 0, -length % size)).view(batch, -1, size, symbols)
    return (rows.cumsum(dim=1) - rows).view(batch, -1, symbols)[:, :length]
