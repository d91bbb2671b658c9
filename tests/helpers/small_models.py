"""Small models of every kind that edits of heads must be right for."""

import warnings
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mesa import InContextConfig, InContextTransformer, LanguageConfig, generator
from mesa.models.language import TokenTransformer
from probes import LanguageSubject, RegressionSubject, Subject
from probes.attribution.corruption import canonical_order, corrupted
from probes.attribution.edits import Case
from probes.attribution.readouts import readout_of
from tasks import InterleavedReader, LinearRegression, NextTokenReader, PairedReader, RepeatedTokens

REPEATED = RepeatedTokens(vocabulary=6, length=8, shortest=2, longest=4)


def symbols(**config: Any) -> LanguageSubject:
    settings = {"n_layers": 3, "n_heads": 2, "d_model": 12, "d_head": 6, "kernel": "softmax", "init_variance": 3.0}
    language = LanguageConfig(**{**settings, **config})
    return LanguageSubject(drawn(TokenTransformer(language, 7, 8, dtype=torch.float64)), NextTokenReader(), REPEATED)


def numbers(reader: Any, d_token: int, **config: Any) -> RegressionSubject:
    settings = {"n_layers": 3, "n_heads": 2, "init_variance": 0.5, **config}
    model = drawn(InContextTransformer(InContextConfig(**settings), d_token, dtype=torch.float64))
    return RegressionSubject(model, reader, LinearRegression())


def ids() -> LanguageSubject:
    """A plain HookedTransformer with norms, MLPs, biases and rotary positions, which are not plain layers."""
    cfg = HookedTransformerConfig(
        n_layers=2,
        d_model=12,
        d_head=6,
        n_heads=2,
        n_ctx=8,
        d_vocab=7,
        d_mlp=9,
        act_fn="gelu",
        normalization_type="RMS",
        positional_embedding_type="rotary",
        rotary_dim=6,
        init_weights=False,
        dtype=torch.float64,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return LanguageSubject(drawn(HookedTransformer(cfg, move_to_device=False)), NextTokenReader(), REPEATED)


def drawn(model: HookedTransformer) -> HookedTransformer:
    """The model with random values for all weights that its class does not draw, such as biases and norms."""
    source = generator(0, "tests/weights")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".W_" not in name or type(model) is HookedTransformer:
                weight.copy_(torch.randn(weight.shape, generator=source, dtype=torch.float64) * 0.5)
    return model


SUBJECTS = {
    "next_token": symbols(kernel=["softmax", "linear", "softmax"]),
    "blocks": symbols(normalization="LN", final_norm=True, d_mlp=9, bias=True),
    "paired": numbers(PairedReader(), 11, kernel=["softmax", "linear", "linear"]),
    "one layer": numbers(PairedReader(), 11, n_layers=1, n_heads=3),
    "interleaved": numbers(InterleavedReader(), 20, kernel=["linear", "softmax", "linear"], causal=True),
    "normed": numbers(PairedReader(), 11, normalization="LN", d_model=16, d_head=4, d_mlp=8),
}
OTHERS = {"rotary": ids(), "clipped": numbers(PairedReader(), 11, clip=0.3)}


def case(subject: Subject, count: int = 5) -> Case:
    prompt = canonical_order(subject.prompts(count, generator(0, "tests/edits")))
    readout, encode = readout_of(None, subject), subject.encode

    def read(prediction: Tensor, variants: int) -> Tensor:
        return readout(prediction.unflatten(0, (variants, -1)), prompt)

    return Case(subject, encode(prompt), encode(corrupted(prompt)), read)
