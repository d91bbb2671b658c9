"""The residual stream is the sum of its parts, whatever the configuration. Float64, so 1e-10 is rounding."""

from typing import Any

import pytest
import torch
from transformer_lens.utilities import Slice

CASES: dict[str, dict[str, Any]] = {
    "one": {},
    "heads": {"n_layers": 2, "n_heads": 3, "d_head": 2, "bias": True},
    "softmax": {"n_layers": 2, "n_heads": 2, "kernel": "softmax", "bias": True},
    "tied": {"n_layers": 3, "tied": True},
    "mlp": {"n_layers": 2, "d_mlp": 5, "bias": True},
    "norm": {"n_layers": 2, "d_mlp": 5, "normalization": "LN"},
    "final": {"n_layers": 2, "normalization": "RMS", "final_norm": True},
    "clip": {"n_layers": 3, "clip": 0.8, "n_heads": 2},
    "clip and all": {"n_layers": 3, "clip": 0.8, "d_mlp": 5, "normalization": "LN", "final_norm": True, "tied": True},
    "embedding": {"n_layers": 2, "d_model": 6, "input_mlp": 5},
}
EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}
cases = pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())


@cases
def test_components_sum_to_the_stream_before_every_layer(lively, tokens, fields):
    model = lively(**fields)
    _, cache = model.run_with_cache(tokens())
    layers = model.cfg.n_layers
    for layer in range(1, layers + 1):
        parts, labels = cache.decompose_resid(layer, return_labels=True)
        assert len(parts) == len(labels) == len(set(labels))
        torch.testing.assert_close(parts.sum(dim=0), cache["resid_post", layer - 1], **EXACT)
    assert torch.equal(cache.decompose_resid(), cache.decompose_resid(layers))
    if "d_mlp" in fields:
        parts = cache.decompose_resid(layers - 1, mlp_input=True)
        torch.testing.assert_close(parts.sum(dim=0), cache["resid_mid", layers - 1], **EXACT)


@cases
def test_components_sum_at_some_positions_too(lively, tokens, fields):
    model = lively(**fields)
    _, cache = model.run_with_cache(tokens())
    for cut in (-1, (1, 4), Slice((1, 4))):
        parts, labels = cache.decompose_resid(pos_slice=cut, return_labels=True)
        assert len(parts) == len(labels)
        wanted = (cut if isinstance(cut, Slice) else Slice(cut)).apply(cache["resid_post", -1], dim=-2)
        torch.testing.assert_close(parts.sum(dim=0), wanted, **EXACT)


@pytest.mark.parametrize("name", ["final", "clip and all"])
def test_normalised_components_sum_to_the_normalised_stream(lively, tokens, name):
    model = lively(**CASES[name])
    _, cache = model.run_with_cache(tokens())
    parts = cache.decompose_resid(apply_ln=True)
    torch.testing.assert_close(parts.sum(dim=0), cache["ln_final.hook_normalized"], **EXACT)


@cases
def test_heads_sum_to_what_attention_writes(lively, tokens, fields):
    model = lively(**fields)
    _, cache = model.run_with_cache(tokens())
    heads, labels = cache.stack_head_results(return_labels=True)
    count = model.cfg.n_heads
    assert labels == [f"L{layer}H{head}" for layer in range(model.cfg.n_layers) for head in range(count)]
    for layer in range(model.cfg.n_layers):
        written = heads[layer * count : (layer + 1) * count].sum(dim=0) + model.blocks[layer].attn.b_O
        torch.testing.assert_close(written, cache["attn_out", layer], **EXACT)


def test_heads_are_the_same_where_the_model_computes_them_itself(lively, tokens):
    for kernel in ("linear", "softmax"):
        model = lively(n_layers=2, n_heads=3, d_head=2, kernel=kernel)
        later = model.run_with_cache(tokens())[1].stack_head_results()
        model.set_use_attn_result(True)
        _, cache = model.run_with_cache(tokens())
        own = torch.cat([cache["result", layer].movedim(2, 0) for layer in range(2)])
        torch.testing.assert_close(own, later, **EXACT)


def test_modes_and_batch_dimension_are_transformer_lens_s(lively, tokens):
    model = lively(n_layers=2, clip=0.8, d_mlp=5)
    _, cache = model.run_with_cache(tokens())
    assert cache.decompose_resid(2, False, "attn", return_labels=True)[1] == ["embed", "0_attn_out", "1_attn_out"]
    assert cache.decompose_resid(2, mode="mlp", return_labels=True)[1] == ["embed", "0_mlp_out", "1_mlp_out"]
    assert cache.decompose_resid(0, return_labels=True)[1] == ["embed"]
    _, single = model.run_with_cache(tokens(batch=1), remove_batch_dim=True)
    parts = single.decompose_resid()
    assert parts.shape == (7, 6, 4)
    torch.testing.assert_close(parts.sum(dim=0), single["resid_post", 1], **EXACT)


def test_clipping_is_a_part_that_matters(lively, tokens):
    model = lively(**CASES["clip"])
    parts, labels = model.run_with_cache(tokens())[1].decompose_resid(return_labels=True)
    assert labels[-3:] == ["0_clip", "1_clip", "2_clip"]
    assert (parts[-3:].flatten(1).abs().amax(dim=1) > 0.1).all()
