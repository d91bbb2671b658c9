"""Attention with a choice of kernel that keeps every hook point and weight shape of TransformerLens."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional
from transformer_lens import HookedTransformerConfig
from transformer_lens.cache.key_value_cache_entry import TransformerLensKeyValueCacheEntry
from transformer_lens.components import Attention

Kernel = Literal["linear", "softmax"]


class KernelAttention(Attention):
    """A layer of attention whose pattern is softmax(scores) or, for linear self-attention, the scores themselves.

    `attention_mask` (batch pos) is TransformerLens's: a position with 0 is never a key. Queries of a prompt are
    masked this way. For the linear kernel a masked score is 0, for softmax it is -inf, at `hook_attn_scores`.
    Linear self-attention: [VO] eq. 2 and appendix A.1.
    """

    def __init__(self, cfg: HookedTransformerConfig, layer: int, kernel: Kernel, attn_scale: float) -> None:
        super().__init__(cfg, "global", layer)
        self.kernel: Kernel = kernel
        self.attn_scale = attn_scale

    def forward(
        self,
        query_input: Tensor,
        key_input: Tensor,
        value_input: Tensor,
        past_kv_cache_entry: TransformerLensKeyValueCacheEntry | None = None,
        additive_attention_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
    ) -> Tensor:
        """The sum (batch pos d_model) of what the heads write to the residual stream."""
        if self.kernel == "softmax":
            causal = self.cfg.attention_dir == "causal"
            if attention_mask is not None and not causal:
                # TransformerLens applies attention_mask only when it is causal; the additive mask always.
                hidden = torch.zeros(attention_mask.shape, dtype=query_input.dtype, device=query_input.device)
                additive_attention_mask = hidden.masked_fill(attention_mask == 0, -torch.inf)[:, None, None, :]
            return super().forward(
                query_input, key_input, value_input, past_kv_cache_entry, additive_attention_mask, attention_mask
            )
        if past_kv_cache_entry is not None or position_bias is not None or additive_attention_mask is not None:
            raise ValueError("linear attention takes no key-value cache, no position bias and no additive mask")
        q, k, v = self.calculate_qkv_matrices(query_input, key_input, value_input)
        scores = self.calculate_attention_scores(q, k)
        if attention_mask is not None:
            scores = scores * attention_mask[:, None, None, :]
        if self.cfg.attention_dir == "causal":
            scores = scores.tril()
        pattern = self.hook_pattern(self.hook_attn_scores(scores))
        z = self.calculate_z_scores(v, pattern)
        if self.cfg.use_attn_result:
            result = torch.einsum("bphe,hem->bphm", z, self.W_O)
            return self.hook_result(result).sum(dim=2) + self.b_O
        return functional.linear(z.flatten(2), self.W_O.flatten(0, 1).T, self.b_O)
