"""What a layer computes, against formulas written out here. Float64: 1e-10 leaves room for the order of sums."""

import math
from typing import Any

import pytest
import torch
from transformer_lens.cache.key_value_cache_entry import TransformerLensKeyValueCacheEntry

EXACT: dict[str, Any] = {"rtol": 0.0, "atol": 1e-10}


def by_hand(model, inputs, layer: int = 0, resid=None) -> torch.Tensor:
    """One layer, one token and one head at a time."""
    attn = model.blocks[layer].attn
    e = inputs.values if resid is None else resid
    context = e.shape[1] - inputs.queries
    out = e + attn.b_O
    for j in range(e.shape[1]):
        keys = range(min(context, j + 1) if model.config.causal else context)
        for h in range(model.cfg.n_heads):
            q = e[:, j] @ attn.W_Q[h] + attn.b_Q[h]
            scores = [(q * (e[:, i] @ attn.W_K[h] + attn.b_K[h])).sum(dim=-1) for i in keys]
            weights = torch.stack(scores, dim=1) / model.config.scale(attn.kernel, model.cfg.d_head)
            if attn.kernel == "softmax":
                weights = torch.softmax(weights, dim=1)
            for place, i in enumerate(keys):
                value = (e[:, i] @ attn.W_V[h] + attn.b_V[h]) @ attn.W_O[h]
                out[:, j] += weights[:, place, None] * value
    return out


@pytest.mark.parametrize("kernel", ["linear", "softmax"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("n_heads", "d_head"), [(1, None), (3, 2)])
def test_one_layer(lively, tokens, kernel, causal, bias, n_heads, d_head):
    model = lively(kernel=kernel, causal=causal, bias=bias, n_heads=n_heads, d_head=d_head)
    inputs = tokens()
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), by_hand(model, inputs), **EXACT)


def test_linear_attention_is_the_formula_of_the_paper(lively, tokens):
    # e_j + sum_h sum_i (e_j A_h e_i) e_i V_h, i over the context alone.
    model, inputs = lively(n_heads=2), tokens()
    e, attn = inputs.values, model.blocks[0].attn
    A = torch.einsum("hmk,hnk->hmn", attn.W_Q, attn.W_K)
    V = torch.einsum("hmk,hkn->hmn", attn.W_V, attn.W_O)
    context = e[:, :4]
    expected = e + torch.einsum("bjm,hmn,bin,bio,hop->bjp", e, A, context, context, V)
    torch.testing.assert_close(model(inputs), expected, **EXACT)


def test_softmax_attention_is_torch_s_softmax_of_scaled_scores(lively, tokens):
    model, inputs = lively(n_heads=2, d_head=3, kernel="softmax"), tokens()
    e, attn = inputs.values, model.blocks[0].attn
    q, k, v = (torch.einsum("bpm,hmd->bhpd", e, W) for W in (attn.W_Q, attn.W_K, attn.W_V))
    pattern = torch.softmax((q @ k[:, :, :4].mT) / math.sqrt(3), dim=-1)
    expected = e + torch.einsum("bhpd,hdm->bpm", pattern @ v[:, :, :4], attn.W_O)
    torch.testing.assert_close(model(inputs), expected, **EXACT)
    # The scale matters: without it the result is another.
    unscaled = torch.softmax(q @ k[:, :, :4].mT, dim=-1)
    assert not torch.allclose(expected, e + torch.einsum("bhpd,hdm->bpm", unscaled @ v[:, :, :4], attn.W_O))


@pytest.mark.parametrize("kernel", ["linear", "softmax"])
def test_a_configured_scale_divides_the_scores(lively, tokens, kernel):
    model, inputs = lively(kernel=kernel, attn_scale=5.0), tokens()
    assert model.blocks[0].attn.attn_scale == 5.0
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), by_hand(model, inputs), **EXACT)
        other = lively(kernel=kernel)
        assert not torch.allclose(model(inputs), other(inputs))


@pytest.mark.parametrize("kernel", [["linear", "softmax", "linear"], ["softmax", "linear", "softmax"]])
def test_each_layer_has_its_own_kernel(lively, tokens, kernel):
    model, inputs = lively(n_layers=3, kernel=kernel), tokens()
    with torch.no_grad():
        resid = inputs.values
        for layer in range(3):
            resid = by_hand(model, inputs, layer, resid)
        torch.testing.assert_close(model(inputs), resid, **EXACT)
        _, cache = model.run_with_cache(inputs)
    for layer, name in enumerate(kernel):
        sums = cache["pattern", layer].sum(dim=-1)
        assert torch.allclose(sums, torch.ones_like(sums)) == (name == "softmax")


@pytest.mark.parametrize("refused", ["past_kv_cache_entry", "position_bias", "additive_attention_mask"])
def test_a_linear_kernel_refuses_what_it_would_ignore(lively, tokens, refused):
    model, e = lively(), tokens().values
    given = (
        TransformerLensKeyValueCacheEntry.init_cache_entry(model.cfg, "cpu") if "cache" in refused else torch.zeros(1)
    )
    with pytest.raises(ValueError, match="linear attention takes no"):
        model.blocks[0].attn(e, e, e, **{refused: given})


@pytest.mark.parametrize("kernel", ["linear", "softmax"])
@pytest.mark.parametrize("name", ["b_Q", "b_K", "b_V", "b_O"])
def test_a_frozen_bias_counts_where_it_is_not_zero(lively, tokens, kernel, name):
    model, inputs = lively(kernel=kernel, n_heads=2), tokens()
    with torch.no_grad():
        before = model(inputs)
        getattr(model.blocks[0].attn, name).copy_(torch.linspace(-1, 1, 4, dtype=torch.float64))
        torch.testing.assert_close(model(inputs), by_hand(model, inputs), **EXACT)
        # A key bias adds one number to all scores of a query: softmax alone cannot feel it.
        assert torch.allclose(model(inputs), before) == (kernel == "softmax" and name == "b_K")
