"""The language model of symbols: a plain HookedTransformer by configuration, its weights a function of a seed."""

import warnings
from typing import Any

import torch
from torch import nn
from transformer_lens import HookedTransformer, HookedTransformerConfig

from mesa.config.schema import ModelConfig
from mesa.models.attention import KernelAttention
from mesa.models.in_context import draw_weights, freeze, tie
from tasks.readers.reader import Inputs


class TokenTransformer(HookedTransformer):
    """A causal HookedTransformer on ids, with learned positions, that returns logits.

    Takes ids (batch pos), or `Inputs` of them; returns (batch pos d_vocab). Softmax layers are TransformerLens's own;
    where the configuration asks for a linear kernel, the pattern is the scores. The unembedding has no bias that
    trains. Weights are a function of `seed`; the global random state is left alone.

    >>> config = ModelConfig(n_layers=2, d_model=16, kernel="softmax", causal=True)
    >>> TokenTransformer(config, d_vocab=5, n_ctx=8)(torch.tensor([[4, 0, 1]])).shape
    torch.Size([1, 3, 5])
    """

    def __init__(
        self,
        config: ModelConfig,
        d_vocab: int,
        n_ctx: int,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if config.d_model is None or not config.causal:
            raise ValueError("config: a model of symbols needs a d_model and causal: true")
        d_head = config.d_head or config.d_model
        scale = config.scale("softmax", d_head)
        cfg = HookedTransformerConfig(
            n_layers=config.n_layers,
            d_model=config.d_model,
            d_head=d_head,
            n_heads=config.n_heads,
            n_ctx=n_ctx,
            d_vocab=d_vocab,
            d_mlp=config.d_mlp or 1,
            attn_only=config.d_mlp is None,
            act_fn=config.act_fn,
            normalization_type=config.normalization,
            attn_scale=scale,
            init_weights=False,
            dtype=dtype,
            device=str(device),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            super().__init__(cfg, move_to_device=False)
        self.config = config
        if not config.final_norm:
            self.ln_final = nn.Identity()
        for layer, (block, kernel) in enumerate(zip(self.blocks, config.kernels, strict=True)):
            if kernel == "linear":
                block.attn = KernelAttention(cfg, layer, kernel, config.scale(kernel, d_head))
        freeze(self, config)
        self.unembed.b_U.requires_grad_(False)
        if config.tied:
            tie(self)
        self.initialise(seed)
        self.to(device, print_details=False)
        self.setup()

    def initialise(self, seed: int) -> None:
        """Draw the weights afresh: truncated normal of variance init_variance / (K fan_in), biases zero."""
        draw_weights(self, self.config.init_variance, seed, {})

    def forward(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """As HookedTransformer's; Inputs are read as their ids."""
        return super().forward(input.values if isinstance(input, Inputs) else input, *args, **kwargs)
