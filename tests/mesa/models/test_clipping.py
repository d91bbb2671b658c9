"""Clipping: no entry leaves a layer beyond the bound, whatever went in."""

import pytest
import torch

from mesa.models.components import ClippedResidual
from tasks import Inputs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1.0, 1e3, 1e9])
def test_the_bound_holds_exactly_after_every_layer(lively, tokens, dtype, size):
    model = lively(n_layers=3, clip=2.0, dtype=dtype)
    inputs = tokens(dtype=dtype)
    _, cache = model.run_with_cache(Inputs(inputs.values * size, inputs.queries))
    for layer in range(3):
        out = cache["resid_post", layer]
        assert out.abs().max() == 2.0
        # Before the clip the stream was beyond it: the test would fail without.
        before = cache["resid_pre", layer] + cache["attn_out", layer]
        assert before.abs().max() > 2.0
        assert torch.equal(out, before.clamp(-2.0, 2.0))


def test_what_is_within_the_bound_is_untouched_to_the_bit(lively, tokens):
    inputs = tokens()
    # The same weights under a bound that nothing reaches.
    assert torch.equal(lively(n_layers=2, clip=1e6)(inputs), lively(n_layers=2)(inputs))


def test_an_infinite_entry_is_clipped_and_not_a_number_stays_visible():
    clip = ClippedResidual(10.0)
    out = clip(torch.tensor([torch.inf, -torch.inf, 1e30, 3.0, torch.nan]))
    assert out[:4].tolist() == [10.0, -10.0, 10.0, 3.0]
    assert out[4].isnan()


def test_the_gradient_is_one_within_and_zero_beyond():
    x = torch.tensor([-3.0, -1.0, 0.5, 3.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(ClippedResidual(2.0)(x).sum(), x)
    assert gradient.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_what_was_removed_is_seen_and_can_be_edited(lively, tokens):
    model, inputs = lively(clip=1.0), tokens()
    name = "blocks.0.hook_resid_post.hook_clip"
    _, cache = model.run_with_cache(inputs)
    plain = lively()(inputs)
    torch.testing.assert_close(cache[name], plain.clamp(-1, 1) - plain, rtol=0, atol=1e-12)
    undone = model.run_with_hooks(inputs, fwd_hooks=[(name, lambda removed, hook: removed * 0)])
    torch.testing.assert_close(undone, plain, rtol=0, atol=1e-12)
