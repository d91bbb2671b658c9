"""Pairs A B ... A -> B: recalling what a key was paired with earlier in the same sequence."""

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
class AssociativeRecall:
    """Each prompt pairs every key with a random value; pairs of random keys with their values follow one another.

    Half of the symbols are keys, 0 .. vocabulary/2 - 1, and half are values; the first token has the next id. Every
    value is, with probability `noise`, replaced by a random one. The values of keys that came before are scored.
    Raises ValueError, naming the field, for a value outside its range.

    >>> task = AssociativeRecall(vocabulary=4, length=3)
    >>> prompt = task.sample(1, torch.Generator().manual_seed(0))
    >>> prompt.tokens.tolist(), prompt.scored.int().tolist()
    ([[4, 1, 3, 0, 2, 1, 3]], [[0, 0, 0, 0, 0, 0, 1]])
    """

    vocabulary: int = field(default=32, metadata={"about": "symbols, half of them keys and half values"})
    length: int = field(default=24, metadata={"about": "pairs in a sequence"})
    noise: float = field(default=0.0, metadata={"about": "share of values replaced by random ones"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        check(self.noise, vocabulary=(self.vocabulary, 4), length=(self.length, 2))
        if self.vocabulary % 2:
            raise ValueError(f"vocabulary: {self.vocabulary} must be even: half are keys, half are values")

    @property
    def d_vocab(self) -> int:
        """Symbols and the first token."""
        return self.vocabulary + 1

    @property
    def n_ctx(self) -> int:
        """Tokens that a model reads."""
        return 2 * self.length

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        """Draw `batch` sequences (batch 2length+1)."""
        like = {"generator": generator, "device": generator.device}
        half = self.vocabulary // 2
        value_of_key = torch.randint(half, self.vocabulary, (batch, half), **like)
        keys = torch.randint(half, (batch, self.length), **like)
        values = corrupted(value_of_key.gather(1, keys), self.noise, half, self.vocabulary, generator)
        symbols = torch.stack([keys, values], dim=2).flatten(1)
        repeated = (keys[:, :, None] == keys[:, None]).tril(-1).any(dim=2)
        scored = torch.stack([torch.zeros_like(repeated), repeated], dim=2).flatten(1)
        return TokenPrompt(with_bos(symbols, self.vocabulary), torch.nn.functional.pad(scored, (1, 0)))

    def trivial_predictions(self, prompt: TokenPrompt) -> dict[str, Tensor]:
        """A uniform guess among all values."""
        return {"a uniform guess": uniform_guess(prompt, self.d_vocab, self.vocabulary // 2, self.vocabulary)}

    def bayes_predictor(self) -> TokenPredictor:
        """The posterior of each next token given the tokens before it."""
        return ClosedForm(self._log_probabilities)

    def _log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """Log-probabilities of each next token: keys are uniform; a value is likely where it followed the key."""
        half = self.vocabulary // 2
        keys, values = prompt.tokens[:, 1::2], prompt.tokens[:, 2::2]
        paired = torch.nn.functional.one_hot(values - half, half).double()
        same_key = (keys[:, : paired.shape[1], None] == keys[:, None, : paired.shape[1]]).tril(-1).double()
        probabilities = torch.zeros(*keys.shape, 2, self.vocabulary, dtype=torch.float64, device=keys.device)
        probabilities[:, :, 0, :half] = 1 / half
        probabilities[:, : paired.shape[1], 1, half:] = posterior_of_copy(same_key @ paired, self.noise)
        return log_with_bos(probabilities.flatten(1, 2)[:, : prompt.tokens.shape[1] - 1])
