"""The language model: a HookedTransformer on token ids, made from a configuration and a seed."""

import torch
from torch import Tensor
from transformer_lens import HookedTransformer
from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

from mesa.config.model import LanguageConfig
from mesa.models.attention import KernelAttention
from mesa.models.initialisation import draw_weights, finish, make_layers, transformer_settings
from tasks.readers.reader import Inputs


class TokenTransformer(HookedTransformer):
    """A causal HookedTransformer on ids, with learned positions, that returns logits.

    Takes ids (batch pos), or `Inputs` of them; returns (batch pos d_vocab). Softmax layers are TransformerLens's own;
    where the configuration asks for a linear kernel, the pattern is the scores. The unembedding has no bias that
    trains, and the first `frozen_layers` layers and their positions do not train. Weights are a function of `seed`; the
    global random state is left alone.

    >>> config = LanguageConfig(n_layers=2, d_model=16, kernel="softmax")
    >>> TokenTransformer(config, d_vocab=5, n_ctx=8)(torch.tensor([[4, 0, 1]])).shape
    torch.Size([1, 3, 5])
    """

    def __init__(
        self,
        config: LanguageConfig,
        d_vocab: int,
        n_ctx: int,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        cfg = transformer_settings(
            config,
            config.d_model,
            n_ctx=n_ctx,
            d_vocab=d_vocab,
            d_vocab_out=d_vocab,
            attention="causal",
            dtype=dtype,
            device=device,
        )
        make_layers(self, cfg)
        self.config = config
        for layer, (block, kernel) in enumerate(zip(self.blocks, config.kernels, strict=True)):
            if kernel == "linear":
                block.attn = KernelAttention(cfg, layer, kernel, config.scale(kernel, cfg.d_head))
        self.unembed.b_U.requires_grad_(False)
        for block in list(self.blocks)[: config.frozen_layers]:
            block.requires_grad_(False)
        if config.frozen_layers:
            # Trained positions make a previous-token head of random queries and keys.
            self.pos_embed.requires_grad_(False)
        finish(self, config, device)
        self.initialise(seed)

    def initialise(self, seed: int) -> None:
        """Draw the weights afresh: truncated normal of variance init_variance / (K fan_in), biases zero."""
        draw_weights(self, self.config.init_variance, seed, {})

    def input_to_embed(
        self,
        input: Inputs | Tensor | str | list[str],
        *_: object,
        attention_mask: Tensor | None = None,
        past_kv_cache: TransformerLensKeyValueCache | None = None,
        **__: object,
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
        """As HookedTransformer's; Inputs are read as their ids. The other arguments are about text."""
        ids = input.values if isinstance(input, Inputs) else input
        return super().input_to_embed(ids, attention_mask=attention_mask, past_kv_cache=past_kv_cache)
