"""Tasks whose batches come in reverse order: no probe may depend on the order of prompts."""

from dataclasses import fields, replace
from typing import Any

import torch

from tasks import TokenPrompt


class ReorderedRegression:
    """The same regression task; the prompts of each batch come in reverse order."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> Any:
        prompt = self.base.sample(batch, generator, queries)
        return replace(prompt, **{field.name: getattr(prompt, field.name).flip(0) for field in fields(prompt)})

    def bayes_predictor(self) -> None:
        return None


class ReorderedTokens:
    """The same token task; the sequences of each batch come in reverse order."""

    def __init__(self, base: Any) -> None:
        self.base, self.d_vocab, self.n_ctx, self.vocabulary = base, base.d_vocab, base.n_ctx, base.vocabulary

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        prompt = self.base.sample(batch, generator)
        return TokenPrompt(prompt.tokens.flip(0), prompt.scored.flip(0))

    def bayes_predictor(self) -> Any:
        return self.base.bayes_predictor()
