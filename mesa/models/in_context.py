"""The transformer that takes float prompts: a HookedTransformer by configuration."""

from typing import Literal, TypeAlias, cast, overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens import ActivationCache, HookedTransformer
from transformer_lens.hook_points import HookPoint
from transformer_lens.utilities import Slice

from mesa.config.model import InContextConfig
from mesa.models.attention import KernelAttention
from mesa.models.components import ClippedResidual, IdentityUnembed, TokenEmbed
from mesa.models.initialisation import draw_weights, finish, freeze, make_layers, transformer_settings
from mesa.models.inputs import TakesInputs
from tasks.readers.reader import Inputs


class InContextTransformer(HookedTransformer, TakesInputs):
    """A HookedTransformer whose tokens are vectors and whose output is the last residual stream.

    Takes `Inputs`, or tokens (batch pos d_token) with TransformerLens's `attention_mask`; returns
    (batch pos d_model), which a reader decodes. Hooks, caches and weight shapes are TransformerLens's.
    Weights are a function of `seed`; the global random state is left alone.

    >>> model = InContextTransformer(InContextConfig(), d_token=4)
    >>> model(Inputs(torch.ones(2, 6, 4), queries=1)).shape
    torch.Size([2, 6, 4])
    """

    def __init__(
        self,
        config: InContextConfig,
        d_token: int,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        d_model = config.d_model or d_token
        cfg = transformer_settings(
            config,
            d_model,
            n_ctx=1,  # sizes only a position table, which is removed below
            d_vocab=d_token,
            d_vocab_out=d_model,
            attention="causal" if config.causal else "bidirectional",
            dtype=dtype,
            device=device,
        )
        make_layers(self, cfg)
        self.config = config
        del self.pos_embed, self.hook_pos_embed
        self.embed = TokenEmbed(d_token, d_model, config, dtype)
        self.unembed = IdentityUnembed(d_model, dtype)
        for layer, (block, kernel) in enumerate(zip(self.blocks, config.kernels, strict=True)):
            block.attn = KernelAttention(cfg, layer, kernel, config.scale(kernel, cfg.d_head))
            if config.clip is not None:
                block.hook_resid_post = ClippedResidual(config.clip)
        if config.attention == "gradient_step":
            freeze(self, _STEP)
        finish(self, config, device)
        self.initialise(seed)

    def initialise(self, seed: int) -> None:
        """Draw the weights afresh: truncated normal of variance init_variance / (K fan_in), biases zero.

        A weight is a function of the seed and of its own name; those of a frozen gradient step are not drawn.
        """
        step = self.config.attention == "gradient_step"
        fixed = {leaf: _step(leaf, self.cfg.d_model) for leaf in _STEP} if step else {}
        draw_weights(self, self.config.init_variance, seed, fixed)

    def input_to_embed(
        self, input: Inputs | Tensor | str | list[str], *_: object, attention_mask: Tensor | None = None, **__: object
    ) -> tuple[Tensor, None, None, Tensor | None]:
        """Embed float tokens; positions that are queries get attention_mask 0 and so are never keys."""
        tokens = input.values if isinstance(input, Inputs) else input
        if not isinstance(tokens, Tensor):
            raise ValueError(f"tokens: a {type(tokens).__name__} must be a tensor: this model does not read text")
        if tokens.ndim != 3 or tokens.shape[-1] != self.cfg.d_vocab:
            raise ValueError(f"tokens: shape {tuple(tokens.shape)} must be (batch, pos, {self.cfg.d_vocab})")
        if isinstance(input, Inputs) and attention_mask is None:
            attention_mask = key_mask(input)
        return self.hook_embed(self.embed(tokens)), None, None, attention_mask

    # TransformerLens declares a pair of logits and loss as the output, which only its return_type "both" gives.
    @overload
    def run_with_cache(
        self, *args: Inputs | Tensor, return_cache_object: Literal[True] = True, **kwargs: object
    ) -> tuple[Tensor, ActivationCache]: ...
    @overload
    def run_with_cache(
        self, *args: Inputs | Tensor, return_cache_object: Literal[False], **kwargs: object
    ) -> tuple[Tensor, dict[str, Tensor]]: ...
    def run_with_cache(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *args: Inputs | Tensor, return_cache_object: bool = True, **kwargs: object
    ) -> tuple[Tensor, ActivationCache | dict[str, Tensor]]:
        """As TransformerLens's; the cache's parts sum to the residual stream also where tokens were clipped."""
        output, cache = super().run_with_cache(*args, return_cache_object=return_cache_object, **kwargs)
        if isinstance(cache, ActivationCache) and self.config.clip is not None:
            cache = ClippedCache(dict(cache.items()), self, has_batch_dim=cache.has_batch_dim)
        # Nothing here asks TransformerLens for a loss, or for no output.
        return cast("Tensor", output), cache


# What TransformerLens makes a Slice of.
Positions: TypeAlias = (
    Slice | int | tuple[int] | tuple[int, int] | tuple[int, int, int] | list[int] | Tensor | np.ndarray | None
)


class ClippedCache(ActivationCache):
    """An ActivationCache that counts what clipping removed as a part of the residual stream."""

    def decompose_resid(
        self,
        layer: int | None = None,
        mlp_input: bool = False,
        mode: Literal["all", "mlp", "attn"] = "all",
        apply_ln: bool = False,
        pos_slice: Positions = None,
        incl_embeds: bool = True,
        return_labels: bool = False,
    ) -> Tensor | tuple[Tensor, list[str]]:
        """As TransformerLens's, with a component `{l}_clip` for every clipped layer when mode is "all"."""
        positions = pos_slice if isinstance(pos_slice, Slice) else Slice(pos_slice)
        labelled = super().decompose_resid(layer, mlp_input, mode, False, positions, incl_embeds, True)
        components, labels = cast("tuple[Tensor, list[str]]", labelled)
        layer = self.model.cfg.n_layers if layer in (None, -1) else layer
        if mode == "all":
            names = [f"blocks.{index}.hook_resid_post.hook_clip" for index in range(layer)]
            components = torch.cat(
                [components, *(positions.apply(self.cache_dict[name], dim=-2)[None] for name in names)]
            )
            labels = labels + [f"{index}_clip" for index in range(layer)]
        if apply_ln:
            components = self.apply_ln_to_stack(components, layer, mlp_input=mlp_input, pos_slice=positions)
        return (components, labels) if return_labels else components


_STEP = ("W_Q", "W_K", "W_V", "W_O")


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
