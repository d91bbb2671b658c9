"""How a model of either kind is made: TransformerLens's settings, tied and frozen weights, and the first draw."""

import math
import warnings
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.components import Embed

from mesa.config.model import TransformerConfig
from mesa.rng import generator

# The standard deviation of a unit normal cut at +-2.
_CUT = 0.87962566103423978
_BIASES = ("b_Q", "b_K", "b_V", "b_O")


def transformer_settings(
    config: TransformerConfig,
    d_model: int,
    *,
    n_ctx: int,
    d_vocab: int,
    d_vocab_out: int,
    attention: Literal["causal", "bidirectional"],
    dtype: torch.dtype,
    device: torch.device | str,
) -> HookedTransformerConfig:
    """TransformerLens's settings for a configuration; weights are left to `draw_weights`."""
    d_head = config.d_head or d_model
    return HookedTransformerConfig(
        n_layers=config.n_layers,
        d_model=d_model,
        d_head=d_head,
        n_heads=config.n_heads,
        n_ctx=n_ctx,
        d_vocab=d_vocab,
        d_vocab_out=d_vocab_out,
        d_mlp=config.d_mlp or 1,
        attn_only=config.d_mlp is None,
        act_fn=config.act_fn,
        normalization_type=config.normalization,
        attention_dir=attention,
        attn_scale=config.scale("softmax", d_head),
        init_weights=False,
        dtype=dtype,
        device=str(device),
    )


def make_layers(model: HookedTransformer, cfg: HookedTransformerConfig) -> None:
    """Run HookedTransformer's constructor, which warns that its class is deprecated, without the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        HookedTransformer.__init__(model, cfg, move_to_device=False)


def finish(model: HookedTransformer, config: TransformerConfig, device: torch.device | str) -> None:
    """What both kinds of model do once their parts are in place, before their weights are drawn.

    Removes the final norm that was not asked for, freezes untrained biases at zero, and ties the layers.
    """
    if not config.final_norm:
        model.ln_final = nn.Identity()
    if not config.bias:
        freeze(model, _BIASES)
    if config.tied:
        tie(model)
    model.to(device, print_details=False)
    model.setup()


def freeze(model: HookedTransformer, names: tuple[str, ...]) -> None:
    """Keep these weights of every attention layer out of training; their shapes stay TransformerLens's."""
    for block in model.blocks:
        for name in names:
            getattr(block.attn, name).requires_grad_(False)


def tie(model: HookedTransformer) -> None:
    """Make the Parameters of all blocks one; blocks stay distinct, so that each layer has its own hooks."""
    first = dict(model.blocks[0].named_modules())
    for block in list(model.blocks)[1:]:
        for path, module in block.named_modules():
            for name in list(module._parameters):
                setattr(module, name, getattr(first[path], name))


def draw_weights(model: HookedTransformer, variance: float, seed: int, fixed: Mapping[str, Tensor]) -> None:
    """Weights from a truncated normal of this variance / (K fan_in), norms one, the rest zero; `fixed` ones as given.

    An embedding's fan_in is d_model, the width that it writes to, so that its output has the scale `variance`.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            leaf = name.rpartition(".")[2]
            if leaf in fixed:
                weight.copy_(fixed[leaf])
            elif leaf.startswith("W_"):
                std = math.sqrt(variance / (model.cfg.n_layers * _fan_in(model, leaf, weight))) / _CUT
                # Drawn on the CPU, so that a seed means the same weights on every device.
                draw = torch.empty(weight.shape, dtype=torch.float32)
                nn.init.trunc_normal_(draw, 0.0, std, -2 * std, 2 * std, generator(seed, f"init/{name}"))
                weight.copy_(draw)
            else:
                weight.fill_(1.0 if leaf == "w" else 0.0)


def _fan_in(model: HookedTransformer, leaf: str, weight: Tensor) -> int:
    if leaf == "W_pos" or (leaf == "W_E" and isinstance(model.embed, Embed)):
        return weight.shape[-1]
    return weight.shape[-2] * (model.cfg.n_heads if leaf == "W_O" else 1)
