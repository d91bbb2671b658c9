"""The transformer that takes float prompts: a HookedTransformer by configuration."""

import math
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import ActivationCache, HookedTransformer, HookedTransformerConfig
from transformer_lens.components import Embed
from transformer_lens.hook_points import HookPoint
from transformer_lens.utilities import Slice

from mesa.config.schema import ModelConfig
from mesa.models.attention import KernelAttention
from mesa.models.components import ClippedResidual, IdentityUnembed, TokenEmbed
from mesa.rng import generator
from tasks.readers.reader import Inputs

# The standard deviation of a unit normal cut at +-2.
_CUT = 0.87962566103423978


class InContextTransformer(HookedTransformer):
    """A HookedTransformer whose tokens are vectors and whose output is the last residual stream.

    Takes `Inputs`, or tokens (batch pos d_token) with TransformerLens's `attention_mask`; returns
    (batch pos d_model), which a reader decodes. Hooks, caches and weight shapes are TransformerLens's.
    Weights are a function of `seed`; the global random state is left alone.

    >>> model = InContextTransformer(ModelConfig(), d_token=4)
    >>> model(Inputs(torch.ones(2, 6, 4), queries=1)).shape
    torch.Size([2, 6, 4])
    """

    def __init__(
        self,
        config: ModelConfig,
        d_token: int,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        d_model = config.d_model or d_token
        d_head = config.d_head or d_model
        cfg = HookedTransformerConfig(
            n_layers=config.n_layers,
            d_model=d_model,
            d_head=d_head,
            n_heads=config.n_heads,
            n_ctx=1,  # sizes only a position table, which is removed below
            d_vocab=d_token,
            d_vocab_out=d_model,
            d_mlp=config.d_mlp or 1,
            attn_only=config.d_mlp is None,
            act_fn=config.act_fn,
            normalization_type=config.normalization,
            attention_dir="causal" if config.causal else "bidirectional",
            init_weights=False,
            dtype=dtype,
            device=str(device),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            super().__init__(cfg, move_to_device=False)
        self.config = config
        del self.pos_embed, self.hook_pos_embed
        self.embed = TokenEmbed(d_token, d_model, config, dtype)
        self.unembed = IdentityUnembed(d_model, dtype)
        if not config.final_norm:
            self.ln_final = nn.Identity()
        for layer, (block, kernel) in enumerate(zip(self.blocks, config.kernels, strict=True)):
            block.attn = KernelAttention(cfg, layer, kernel, config.scale(kernel, d_head))
            if config.clip is not None:
                block.hook_resid_post = ClippedResidual(config.clip)
        freeze(self, config)
        if config.tied:
            tie(self)
        self.initialise(seed)
        self.to(device, print_details=False)
        self.setup()

    def initialise(self, seed: int) -> None:
        """Draw the weights afresh: truncated normal of variance init_variance / (K fan_in), biases zero.

        A weight is a function of the seed and of its own name; those of a frozen gradient step are not drawn.
        """
        step = self.config.attention == "gradient_step"
        fixed = {leaf: _step(leaf, self.cfg.d_model) for leaf in _STEP} if step else {}
        draw_weights(self, self.config.init_variance, seed, fixed)

    def input_to_embed(self, input: Inputs | Tensor, *_: Any, attention_mask: Tensor | None = None, **__: Any) -> Any:
        """Embed float tokens; positions that are queries get attention_mask 0 and so are never keys."""
        tokens = input.values if isinstance(input, Inputs) else input
        if tokens.ndim != 3 or tokens.shape[-1] != self.cfg.d_vocab:
            raise ValueError(f"tokens: shape {tuple(tokens.shape)} must be (batch, pos, {self.cfg.d_vocab})")
        if isinstance(input, Inputs) and attention_mask is None:
            attention_mask = key_mask(input)
        return self.hook_embed(self.embed(tokens)), None, None, attention_mask

    def run_with_cache(self, *args: Any, return_cache_object: bool = True, **kwargs: Any) -> Any:
        """As TransformerLens's; the cache's parts sum to the residual stream also where tokens were clipped."""
        output, cache = super().run_with_cache(*args, return_cache_object=return_cache_object, **kwargs)
        if return_cache_object and self.config.clip is not None:
            cache = ClippedCache(dict(cache.items()), self, has_batch_dim=getattr(cache, "has_batch_dim", True))
        return output, cache


class ClippedCache(ActivationCache):
    """An ActivationCache that counts what clipping removed as a part of the residual stream."""

    def decompose_resid(
        self,
        layer: int | None = None,
        mlp_input: bool = False,
        mode: Literal["all", "mlp", "attn"] = "all",
        apply_ln: bool = False,
        pos_slice: Any = None,
        incl_embeds: bool = True,
        return_labels: bool = False,
    ) -> Any:
        """As TransformerLens's, with a component `{l}_clip` for every clipped layer when mode is "all"."""
        where = pos_slice if isinstance(pos_slice, Slice) else Slice(pos_slice)
        parts: Any
        labels: Any
        parts, labels = super().decompose_resid(layer, mlp_input, mode, False, where, incl_embeds, True)
        layer = self.model.cfg.n_layers if layer in (None, -1) else layer
        if mode == "all":
            names = [f"blocks.{index}.hook_resid_post.hook_clip" for index in range(layer)]
            parts = torch.cat([parts, *(where.apply(self.cache_dict[name], dim=-2)[None] for name in names)])
            labels = labels + [f"{index}_clip" for index in range(layer)]
        if apply_ln:
            parts = self.apply_ln_to_stack(parts, layer, mlp_input=mlp_input, pos_slice=where)
        return (parts, labels) if return_labels else parts


_STEP = ("W_Q", "W_K", "W_V", "W_O")


def freeze(model: HookedTransformer, config: ModelConfig) -> None:
    """Keep what is not trained out of training; the shapes stay TransformerLens's, an untrained bias is a zero."""
    biases = () if config.bias else ("b_Q", "b_K", "b_V", "b_O")
    steps = _STEP if config.attention == "gradient_step" else ()
    for block in model.blocks:
        for name in (*biases, *steps):
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

    An embedding's fan_in is the width that it writes to: what stands there is then of the scale `variance`.
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


def _step(name: str, d_model: int) -> Float[Tensor, "d_model d_model"]:
    """A weight of one gradient step from zero on tokens (features, target): A = diag(I, 0), V = -diag(0, 1)."""
    target = torch.zeros(d_model)
    target[-1] = 1.0
    return torch.diag({"W_Q": 1.0 - target, "W_K": 1.0 - target, "W_V": -target, "W_O": target}[name])


def key_mask(inputs: Inputs) -> Float[Tensor, "1 pos"]:
    """TransformerLens's attention_mask for a prompt: 1 for context tokens, 0 for queries."""
    mask = inputs.values.new_ones(1, inputs.values.shape[1])
    if inputs.queries:
        mask[:, -inputs.queries :] = 0
    return mask


def hook_points(model: nn.Module) -> list[str]:
    """The names of a model's hook points, in order."""
    return [name for name, module in model.named_modules() if isinstance(module, HookPoint)]
