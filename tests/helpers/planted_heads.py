"""Models with planted circuits among random decoys, and a task that one head can do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mesa import InContextConfig, InContextTransformer, LanguageConfig, generator
from mesa.construction import from_products
from mesa.models.language import TokenTransformer
from probes import LanguageSubject, RegressionSubject
from tasks import LinearRegression, NextTokenReader, PairedReader, RepeatedTokens, TokenPrompt

REPEATED = RepeatedTokens(vocabulary=16, length=10, shortest=3, longest=4)


@dataclass(frozen=True)
class FixedPosition:
    """Random symbols of which the last repeats the one at position 1, so that a head can copy from a fixed position."""

    vocabulary: int = 12
    n_ctx: int = 6

    @property
    def d_vocab(self) -> int:
        return self.vocabulary

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        tokens = torch.randint(self.vocabulary, (batch, self.n_ctx + 1), generator=generator)
        tokens[:, -1] = tokens[:, 1]
        scored = torch.zeros_like(tokens, dtype=torch.bool)
        scored[:, -1] = True
        return TokenPrompt(tokens, scored)

    def bayes_predictor(self) -> None:
        return None


def regression(sizes: Mapping[int, float], heads: int = 4, decoys: float = 0.02, layers: int = 1) -> RegressionSubject:
    """Linear layers whose heads in `sizes`, all in layer 0, take gradient steps of these sizes; others are decoys.

    Decoys have random A and V; `decoys` is the size of their writes to the labels, relative to their other writes.
    """
    model = InContextTransformer(InContextConfig(n_layers=layers, n_heads=heads), 11, dtype=torch.float64)
    source = generator(0, "tests/decoys")
    A, V = 0.1 * torch.randn(2, layers, heads, 11, 11, generator=source, dtype=torch.float64)
    V[..., -1] *= decoys
    if layers > 1:
        # Otherwise later decoys would read what early ones write to the inputs.
        V[:-1, :, :, :-1] *= decoys
    for head, size in sizes.items():
        A[0, head], V[0, head] = 0.0, 0.0
        A[0, head, :10, :10] = torch.eye(10)
        V[0, head, 10, 10] = -size
    return RegressionSubject(from_products(model, A, V), PairedReader(), LinearRegression())


def copying(strengths: Mapping[int, float], heads: int = 5) -> LanguageSubject:
    """One softmax layer: the heads in `strengths` write the symbol at position 1 times a factor; others are decoys."""
    task = FixedPosition()
    model = _blank(task, layers=1, heads=heads, slots=2)
    V, width = task.d_vocab, model.cfg.d_head
    _decoys(model, source="tests/copying")
    attn = model.blocks[0].attn
    with torch.no_grad():
        for head, strength in strengths.items():
            for weight in (attn.W_Q, attn.W_K, attn.W_V, attn.W_O):
                weight[head] = 0.0
            # The query is the same at every position that predicts; its only matching key is position 1.
            attn.W_Q[head, -task.n_ctx :, 0] = 30.0 * width**0.5
            attn.W_K[head, 2 * V + 1, 0] = 1.0
            attn.W_V[head, :V, :V] = torch.eye(V)
            attn.W_O[head, :V, V : 2 * V] = strength * torch.eye(V)
    return LanguageSubject(model, NextTokenReader(), task)


def induction(strengths: Mapping[int, float], previous: int = 1, heads: int = 3) -> LanguageSubject:
    """A previous-token head in layer 0, and induction heads with these strengths in layer 1; the others are decoys."""
    task = REPEATED
    model = _blank(task, layers=2, heads=heads, slots=3)
    V, P, sharp = task.d_vocab, task.n_ctx, 40.0 * model.cfg.d_head**0.5
    _decoys(model, source="tests/induction")
    first, second = (block.attn for block in model.blocks)
    with torch.no_grad():
        for attn, head in [(first, previous), *((second, head) for head in strengths)]:
            for weight in (attn.W_Q, attn.W_K, attn.W_V, attn.W_O):
                weight[head] = 0.0
            attn.W_V[head, :V, :V] = torch.eye(V)
        # Position p attends to p - 1 and writes the token there to the second slot.
        first.W_Q[previous, 3 * V + 1 :, : P - 1] = sharp * torch.eye(P - 1)
        first.W_K[previous, 3 * V :, :P] = torch.eye(P)
        first.W_O[previous, :V, V : 2 * V] = torch.eye(V)
        for head, strength in strengths.items():
            second.W_Q[head, :V, :V] = sharp * torch.eye(V)
            second.W_K[head, V : 2 * V, :V] = torch.eye(V)
            second.W_O[head, :V, 2 * V : 3 * V] = strength * torch.eye(V)
    return LanguageSubject(model, NextTokenReader(), task)


def _blank(task: Any, layers: int, heads: int, slots: int) -> TokenTransformer:
    """Channels: slots of one-hot symbols, the first the token, the last what is unembedded; then one-hot positions."""
    V, P = task.d_vocab, task.n_ctx
    width = slots * V + P
    config = LanguageConfig(n_layers=layers, n_heads=heads, d_model=width, d_head=max(V, P), kernel="softmax")
    model = TokenTransformer(config, V, P, dtype=torch.float64)
    with torch.no_grad():
        model.embed.W_E.copy_(torch.eye(V, width))
        model.pos_embed.W_pos.copy_(torch.eye(width)[slots * V :])
        model.unembed.W_U.copy_(torch.eye(width)[:, (slots - 1) * V : slots * V])
    return model


def _decoys(model: TokenTransformer, source: str) -> None:
    draws = generator(0, source)
    with torch.no_grad():
        for block in model.blocks:
            for weight in (block.attn.W_Q, block.attn.W_K, block.attn.W_V, block.attn.W_O):
                weight.copy_(0.1 * torch.randn(weight.shape, generator=draws, dtype=torch.float64))


def rotated_heads(subject: LanguageSubject) -> LanguageSubject:
    """The same function with every head of a language model in another basis."""
    import copy

    model = copy.deepcopy(subject.model)
    draws = generator(0, "tests/basis")

    def turn(width: int) -> tuple[Tensor, Tensor]:
        R = torch.randn(width, width, generator=draws, dtype=torch.float64) + 3 * width**0.5 * torch.eye(width)
        return R, torch.linalg.inv(R)

    assert isinstance(model, TokenTransformer)
    with torch.no_grad():
        for attn in (block.attn for block in model.blocks):
            for head in range(model.cfg.n_heads):
                (R, back), (S, inverse) = turn(model.cfg.d_head), turn(model.cfg.d_head)
                attn.W_Q[head], attn.W_K[head] = attn.W_Q[head] @ R, attn.W_K[head] @ back.T
                attn.W_V[head], attn.W_O[head] = attn.W_V[head] @ S, inverse @ attn.W_O[head]
    return replace(subject, model=model)
