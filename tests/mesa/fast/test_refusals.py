"""Where the fast path would be wrong, there is none."""

from dataclasses import dataclass

import pytest
import torch

from mesa import InContextConfig, InContextTransformer, fast
from tasks import PairedReader

EXACT = {
    "default": {},
    "heads": {"n_heads": 3, "d_head": 2},
    "layers": {"n_layers": 3},
    "tied": {"n_layers": 3, "tied": True},
    "scale": {"attn_scale": 2.0},
    "kernel by layer": {"n_layers": 2, "kernel": ["linear", "softmax"]},
    "softmax": {"kernel": "softmax", "n_heads": 2},
    "clip": {"n_layers": 5, "clip": 10.0},
    "embedding": {"d_model": 6},
    "input mlp": {"input_mlp": 5},
    "frozen": {"input_mlp": 5, "attention": "gradient_step"},
}
INEXACT = {
    "norm": {"normalization": "LN"},
    "rms": {"normalization": "RMS"},
    "final norm": {"normalization": "RMS", "final_norm": True},
    "mlp": {"d_mlp": 5},
    "bias": {"bias": True},
    "causal": {"causal": True},
}


@pytest.mark.parametrize("fields", EXACT.values(), ids=EXACT.keys())
def test_attention_alone_has_a_path(fields):
    assert fast.path(InContextTransformer(InContextConfig(**fields), 4), PairedReader()) is not None


@pytest.mark.parametrize("fields", INEXACT.values(), ids=INEXACT.keys())
def test_everything_else_has_none(fields):
    assert fast.path(InContextTransformer(InContextConfig(**fields), 4), PairedReader()) is None


@pytest.mark.parametrize("name", ["b_Q", "b_K", "b_V", "b_O"])
def test_a_frozen_bias_that_is_not_zero_has_none(name):
    model = InContextTransformer(InContextConfig(n_layers=2), 4)
    with torch.no_grad():
        getattr(model.blocks[1].attn, name).fill_(0.1)
    assert fast.path(model, PairedReader()) is None


def test_a_reader_that_may_read_otherwise_has_none():
    @dataclass(frozen=True, eq=False)
    class Other(PairedReader):
        """Reads with the other sign."""

    assert fast.path(InContextTransformer(InContextConfig(), 4), Other()) is None


def test_every_field_of_the_configuration_was_considered():
    # A new field must be put on one of the two lists above, or be one of those that change only the start.
    named = {field for fields in (*EXACT.values(), *INEXACT.values()) for field in fields}
    harmless = {"init_variance", "act_fn", "kind"}
    assert named | harmless == set(InContextConfig.model_fields)
