"""A layer of a HookedTransformer as plain matrix products: softmax or linear attention, its norms and its MLP."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from transformer_lens import HookedTransformer
from transformer_lens.components import Attention, TransformerBlock

from mesa.models.attention import KernelAttention

# Queries may be fewer than keys: those that nothing reads are left out.
QKV = tuple[
    Float[Tensor, "*stack head query d_head"],
    Float[Tensor, "*stack head key d_head"],
    Float[Tensor, "*stack head key d_head"],
]


def plain(model: HookedTransformer) -> bool:
    """Whether `PlainLayer` computes what the model's layers do: no rotary positions, shared keys, caps or clipping."""
    cfg = model.cfg
    config = getattr(model, "config", None)
    return (
        all(type(block.attn) in (Attention, KernelAttention) for block in model.blocks)
        and cfg.positional_embedding_type == "standard"
        and not cfg.use_local_attn
        and not cfg.parallel_attn_mlp
        and not cfg.use_normalization_before_and_after
        and max(cfg.attn_scores_soft_cap, cfg.output_logits_soft_cap) <= 0
        and getattr(config, "clip", None) is None
    )


class PlainLayer:
    """The stages of one layer on any stack of batches; activations are (batch head pos d_head) inside, z as in hooks.

    `mask` (1 pos) is 0 at the last positions, which are never keys.
    """

    def __init__(self, block: TransformerBlock, pos: int, mask: Tensor | None) -> None:
        attn = block.attn
        self.block, self.heads, self.scale = block, attn.W_Q.shape[0], attn.attn_scale
        self.W_O, self.b_O = attn.W_O.detach(), attn.b_O.detach()
        self.flat_O = self.W_O.flatten(0, 1).T
        self.weights = [getattr(attn, f"W_{name}").detach().permute(0, 2, 1).flatten(0, 1) for name in "QKV"]
        self.biases = [getattr(attn, f"b_{name}").detach().flatten() for name in "QKV"]
        self.KV, self.b_KV = torch.cat(self.weights[1:]), torch.cat(self.biases[1:])
        self.linear = getattr(attn, "kernel", "softmax") == "linear"
        # Whether the residual stream goes in and out of the layer with no norm and no MLP on the way.
        self.bare = isinstance(block.ln1, torch.nn.Identity) and attn.cfg.attn_only
        causal = attn.cfg.attention_dir == "causal"
        # Positions that are never keys stand last.
        self.keys = pos if mask is None else int(mask.sum())
        allowed = torch.ones(pos, self.keys, dtype=torch.bool, device=self.W_O.device)
        self.allowed = allowed.tril() if causal else None
        self.square = causal and self.keys == pos

    def qkv(self, resid: Tensor, tail: int | None = None) -> QKV:
        """Queries at the last `tail` positions, keys and values at all, of residual streams (batch pos d_model)."""
        normed = self.block.ln1(resid)
        q = functional.linear(normed if tail is None else normed[:, -tail:], self.weights[0], self.biases[0])
        k, v = functional.linear(normed, self.KV, self.b_KV).chunk(2, dim=-1)
        q, k, v = (tensor.unflatten(-1, (self.heads, -1)).transpose(1, 2) for tensor in (q, k, v))
        return q, k, v

    def pattern(self, q: Tensor, k: Tensor) -> Float[Tensor, "*stack head query key"]:
        """The scores, masked, for the linear kernel, and their softmax for the other; only positions that are keys."""
        scores = q @ k[..., : self.keys, :].mT
        scores = scores if self.scale == 1 else scores / self.scale
        if self.allowed is not None and q.shape[-2] > 1:
            scores = scores.masked_fill(~self.allowed[-q.shape[-2] :], 0.0 if self.linear else -torch.inf)
        return scores if self.linear else scores.softmax(dim=-1)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Float[Tensor, "*stack query head d_head"]:
        """What the heads hold before W_O."""
        if not self.linear and self.square and q.shape[-2] == k.shape[-2]:
            z = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / self.scale)
        else:
            z = self.pattern(q, k) @ v[..., : self.keys, :]
        return z.transpose(-2, -3)

    def mixed(self, pattern: Tensor, v: Tensor) -> Float[Tensor, "stack batch query head d_head"]:
        """Values (stack batch head pos d_head) under one pattern (batch head query key) for all of the stack."""
        # One product a head and prompt, the stack beside d_head, instead of a copy of the pattern for each variant.
        z = pattern @ v[..., : self.keys, :].permute(1, 2, 3, 0, 4).flatten(3)
        return z.unflatten(3, (v.shape[0], -1)).permute(3, 0, 2, 1, 4)

    def z(self, resid: Tensor, tail: int, pattern: Tensor | None = None) -> Float[Tensor, "stack query head d_head"]:
        """The heads' z at the last `tail` positions, under a pattern (batch head query key) if one is given."""
        if pattern is None:
            return self.attend(*self.qkv(resid, tail))
        v = functional.linear(self.block.ln1(resid), self.weights[2], self.biases[2])
        return self._under(pattern, v.unflatten(-1, (self.heads, -1)).transpose(1, 2), tail)

    def shifted(self, clean: tuple[Tensor, ...], shift: Float[Tensor, "variant batch pos qkv"]) -> QKV:
        """The queries, keys and values of variants, (variant*batch head pos d_head), from how much they change."""
        changes = (tensor.unflatten(-1, (self.heads, -1)).transpose(2, 3) for tensor in shift.chunk(3, dim=-1))
        q, k, v = ((tensor + change).flatten(0, 1) for tensor, change in zip(clean, changes))
        return q, k, v

    def z_of(self, qkv: QKV, tail: int, pattern: Tensor | None = None) -> Float[Tensor, "stack tail head d_head"]:
        """As `z`, of queries, keys and values."""
        q, k, v = qkv
        return self.attend(q[..., -tail:, :], k, v) if pattern is None else self._under(pattern, v, tail)

    def _under(self, pattern: Tensor, v: Tensor, tail: int) -> Tensor:
        return self.mixed(pattern[..., -tail:, :], v.unflatten(0, (-1, len(pattern)))).flatten(0, 1)

    def written(self, z: Float[Tensor, "batch pos head d_head"]) -> Float[Tensor, "batch pos d_model"]:
        """What the heads add to the residual stream."""
        return functional.linear(z.flatten(2), self.flat_O, self.b_O)

    def after(self, resid: Tensor, written: Tensor) -> Tensor:
        """The residual stream after the layer, its MLP included."""
        resid = resid + written
        if self.block.cfg.attn_only:
            return resid
        return resid + self.block.apply_mlp(self.block.ln2(resid))
