"""Language models with a known answer, for the tests of probes."""

from typing import Any

import torch

from mesa import LanguageConfig, generator
from mesa.construction import induction_model, pair_step_model
from mesa.models.language import TokenTransformer
from probes import LanguageSubject
from tasks import MarkovChain, NextTokenReader, RepeatedTokens

REPEATED = RepeatedTokens(vocabulary=10, length=25, shortest=4, longest=8)
CHAIN = MarkovChain(vocabulary=4, length=40)


def induction(task: Any = REPEATED, heads: int = 2) -> LanguageSubject:
    """A previous-token head and an induction head, in float64; other heads are zero."""
    return LanguageSubject(induction_model(**_sizes(task), n_heads=heads, strength=6.0), NextTokenReader(), task)


def pair_step(task: Any = CHAIN, heads: int = 2) -> LanguageSubject:
    """A previous-token head and a linear one: one gradient step on the pairs, of size 0.25."""
    return LanguageSubject(pair_step_model(0.25, **_sizes(task), n_heads=heads), NextTokenReader(), task)


def untrained(task: Any = REPEATED, **config: Any) -> LanguageSubject:
    """Two layers of four heads as initialised, in float64."""
    shape = {"n_layers": 2, "n_heads": 4, "d_model": 32, "d_head": 8, "kernel": "softmax", "init_variance": 1.0}
    settings = LanguageConfig(**{**shape, **config})
    model = TokenTransformer(settings, task.d_vocab, task.n_ctx, seed=1, dtype=torch.float64)
    return LanguageSubject(model, NextTokenReader(), task)


def rotated_basis(subject: LanguageSubject, seed: int = 0) -> LanguageSubject:
    """The same function with every head in another basis: W_Q R, W_K R^-T and W_V S, S^-1 W_O."""
    import copy
    from dataclasses import replace

    model = copy.deepcopy(subject.model)
    assert isinstance(model, TokenTransformer)
    for block in model.blocks:
        attn = block.attn
        width = attn.W_Q.shape[-1]
        draw = torch.randn(2, width, width, generator=generator(seed, "tests/basis"), dtype=attn.W_Q.dtype)
        R, S = draw + 3 * width**0.5 * torch.eye(width, dtype=attn.W_Q.dtype)
        with torch.no_grad():
            attn.W_Q.copy_(attn.W_Q @ R)
            attn.W_K.copy_(attn.W_K @ torch.linalg.inv(R).T)
            attn.W_V.copy_(attn.W_V @ S)
            attn.W_O.copy_(torch.linalg.inv(S) @ attn.W_O)
    return replace(subject, model=model)


def _sizes(task: Any) -> dict[str, Any]:
    return {"d_vocab": task.d_vocab, "n_ctx": task.n_ctx, "bos": task.d_vocab - 1}
