"""The names and shapes are TransformerLens's: its tools and its users find everything where they expect it."""

import warnings
from typing import Any

import pytest
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mesa import InContextConfig, InContextTransformer
from mesa.models.in_context import hook_points

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "heads": {"n_layers": 2, "n_heads": 3, "d_head": 2},
    "softmax": {"kernel": "softmax", "n_layers": 2, "tied": True},
    "mlp": {"d_mlp": 7, "bias": True},
    "norms": {"normalization": "LN", "final_norm": True, "d_mlp": 7, "n_layers": 2},
    "rms": {"normalization": "RMS", "final_norm": True, "causal": True},
    "clip": {"clip": 1.0, "n_layers": 2},
    "embedding": {"d_model": 6, "input_mlp": 5},
}


def theirs(ours: InContextTransformer) -> HookedTransformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return HookedTransformer(HookedTransformerConfig.from_dict({**ours.cfg.to_dict(), "init_weights": False}))


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_every_hook_point_of_a_plain_model_is_there_but_for_positions(fields):
    ours = InContextTransformer(InContextConfig(**fields), d_token=4)
    wanted = set(hook_points(theirs(ours))) - {"hook_pos_embed"}
    assert "blocks.0.attn.hook_pattern" in wanted
    assert wanted <= set(hook_points(ours))
    assert set(hook_points(ours)) <= set(ours.hook_dict)


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_every_weight_of_a_block_has_its_name_and_shape(fields):
    ours = InContextTransformer(InContextConfig(**fields), d_token=4)
    for mine, other in zip(ours.blocks, theirs(ours).blocks, strict=True):
        assert {name: weight.shape for name, weight in mine.named_parameters()} == {
            name: weight.shape for name, weight in other.named_parameters()
        }


def test_the_stacked_weights_and_circuits_of_transformer_lens_work(lively):
    model = lively(n_layers=2, n_heads=3, d_head=2)
    assert model.W_Q.shape == (2, 3, 4, 2) and model.W_O.shape == (2, 3, 2, 4)
    torch.testing.assert_close(model.OV.AB, model.W_V @ model.W_O)
    torch.testing.assert_close(model.QK.AB, model.W_Q @ model.W_K.mT)


def test_building_a_model_warns_of_nothing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        InContextTransformer(InContextConfig(n_layers=2, d_mlp=3, normalization="LN"), d_token=4)
    assert not caught


def test_the_silence_ends_with_the_constructor():
    # Elsewhere the warning is still given, so a user's own HookedTransformer is not silenced by ours.
    ours = InContextTransformer(InContextConfig(), d_token=4)
    with pytest.warns(DeprecationWarning):
        HookedTransformer(HookedTransformerConfig.from_dict({**ours.cfg.to_dict(), "init_weights": False}))
