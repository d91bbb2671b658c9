"""Every hook point is on the path: an edit there changes the output, and the model is as it was afterwards."""

from typing import Any

import pytest
import torch

from mesa.models.in_context import hook_points

FLAGS = {
    "hook_result": "use_attn_result",
    "hook_q_input": "use_split_qkv_input",
    "hook_k_input": "use_split_qkv_input",
    "hook_v_input": "use_split_qkv_input",
    "hook_attn_in": "use_attn_in",
    "hook_mlp_in": "use_hook_mlp_in",
}
CASES: dict[str, dict[str, Any]] = {
    "linear": {"n_layers": 2, "n_heads": 2},
    "softmax": {"n_layers": 2, "n_heads": 2, "kernel": "softmax", "causal": True},
    "everything": {
        "n_layers": 2,
        "d_model": 6,
        "input_mlp": 5,
        "d_mlp": 5,
        "normalization": "LN",
        "final_norm": True,
        "bias": True,
        "clip": 1.0,
        "kernel": ["softmax", "linear"],
    },
    "tied": {"n_layers": 3, "tied": True},
}


def live(model) -> list[str]:
    """All hook points but those of an MLP that is not there, which TransformerLens keeps and never reaches."""
    dead = ("hook_mlp_in", "hook_mlp_out") if model.cfg.attn_only else ()
    return [name for name in hook_points(model) if not name.endswith(dead)]


def scramble(activation, hook):
    # Not a constant: softmax scores and normalised streams do not feel one.
    noise = torch.randn(activation.shape[1:], generator=torch.Generator().manual_seed(3), dtype=activation.dtype)
    # Small enough that an entry clipped at 1 does not swallow all of it.
    return activation + 0.3 * noise


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_an_edit_at_each_hook_point_changes_the_output(lively, tokens, fields):
    model, inputs = lively(**fields), tokens()
    with torch.no_grad():
        clean = model(inputs)
        for name in live(model):
            flag = FLAGS.get(name.rpartition(".")[2])
            if flag:
                setattr(model.cfg, flag, True)
            edited = model.run_with_hooks(inputs, fwd_hooks=[(name, scramble)])
            if flag:
                setattr(model.cfg, flag, False)
            assert (edited - clean).abs().max() > 1e-6, name
            assert torch.equal(model(inputs), clean), name


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_the_cache_holds_every_hook_point_that_is_on(lively, tokens, fields):
    model, inputs = lively(**fields), tokens()
    output, cache = model.run_with_cache(inputs)
    assert set(cache.keys()) == {name for name in live(model) if name.rpartition(".")[2] not in FLAGS}
    assert torch.equal(output, model(inputs))
    names = set(model.run_with_cache(inputs, names_filter="blocks.1.attn.hook_z")[1].keys())
    assert names == {"blocks.1.attn.hook_z"}


def test_a_layer_of_a_tied_model_is_edited_alone(lively, tokens):
    model, inputs = lively(n_layers=3, tied=True), tokens()
    seen = []
    _, clean = model.run_with_cache(inputs)
    model.add_hook("blocks.1.attn.hook_z", lambda z, hook: seen.append(hook.name) or z * 0)
    _, cache = model.run_with_cache(inputs)
    model.reset_hooks()
    assert seen == ["blocks.1.attn.hook_z"]
    assert torch.equal(cache["z", 0], clean["z", 0])
    assert not cache["attn_out", 1].any()
    assert cache["z", 2].any() and not torch.equal(cache["z", 2], clean["z", 2])


@pytest.mark.parametrize("switch", ["set_use_attn_result", "set_use_split_qkv_input", "set_use_attn_in"])
@pytest.mark.parametrize("kernel", ["linear", "softmax"])
@pytest.mark.parametrize("norm", [None, "LN"])
def test_transformer_lens_s_switches_do_not_change_the_output(lively, tokens, switch, kernel, norm):
    model, inputs = lively(n_layers=2, n_heads=3, d_head=2, kernel=kernel, bias=True, normalization=norm), tokens()
    clean = model(inputs)
    getattr(model, switch)(True)
    # Float64, the same sums in another order.
    torch.testing.assert_close(model(inputs), clean, rtol=0, atol=1e-10)


def test_stopping_and_starting_at_a_layer_is_the_whole(lively, tokens):
    model, inputs = lively(n_layers=3, kernel=["linear", "softmax", "linear"]), tokens()
    half = model(inputs, stop_at_layer=1)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0]])
    assert torch.equal(model(half, start_at_layer=1, attention_mask=mask), model(inputs))
    assert torch.equal(half, model.run_with_cache(inputs)[1]["resid_post", 0])
