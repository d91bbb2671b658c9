"""What one layer of attention writes to some rows, by the products of its weights; all heads at once."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.attention import Kernel


@dataclass(frozen=True, eq=False)
class Layer:
    """A = W_Q W_K^T / scale and V = W_V W_O of every head: rows write sum_h kernel(rows A_h E^T) E V_h."""

    kernel: Kernel
    A: Float[Tensor, "head d_model d_model"]
    V: Float[Tensor, "head d_model d_out"]

    def reading(self, d_out: int) -> "Layer":
        """The same layer, writing only to the last `d_out` channels."""
        return replace(self, V=self.V[..., -d_out:])

    def written(
        self, rows: Float[Tensor, "batch row d_model"], context: Float[Tensor, "batch count d_model"]
    ) -> Float[Tensor, "batch row d_out"]:
        """What the heads, together, add to `rows`, the context's tokens being the keys."""
        batch, row, width = rows.shape
        heads = len(self.A)
        # (batch, row x head, d_model): every head is one more row, so that one batched product serves them all.
        sought = (rows.reshape(-1, width) @ self.A.transpose(0, 1).flatten(1)).view(batch, row * heads, width)
        scores = torch.bmm(sought, context.mT)
        pattern = scores.softmax(-1) if self.kernel == "softmax" else scores
        mixed = torch.bmm(pattern, context)
        return (mixed.view(batch * row, heads * width) @ self.V.flatten(0, 1)).view(batch, row, -1)


def layer_of(attn: Any) -> Layer:
    """The layer of one block's attention, which has no bias."""
    return Layer(attn.kernel, attn.W_Q @ attn.W_K.mT / attn.attn_scale, attn.W_V @ attn.W_O)
