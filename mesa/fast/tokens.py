"""The token form: what a layer writes to some rows, given the context's tokens."""

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.fast.layer import Layer


def written(
    layer: Layer, rows: Float[Tensor, "batch row d_model"], tokens: Float[Tensor, "batch pos d_model"], count: int
) -> Float[Tensor, "batch row d_out"]:
    """What the heads, together, add to `rows`, the first `count` tokens being the keys."""
    batch, row, width = rows.shape
    heads, _, d_out = layer.V.shape
    # (batch, row x head, d_model): every head is one more row, so that one batched product serves them all.
    key_directions = (rows.reshape(-1, width) @ layer.A.transpose(0, 1).flatten(1)).view(batch, row * heads, width)
    scores = torch.bmm(key_directions, tokens[:, :count].mT)
    pattern = scores.softmax(-1) if layer.kernel == "softmax" else scores
    # Values are computed for the queries too, and dropped: one matrix product on contiguous rows is faster.
    values = tokens.reshape(-1, width) @ layer.V.transpose(0, 1).flatten(1)
    values = values.view(batch, -1, heads, d_out)[:, :count].transpose(1, 2).reshape(batch, heads * count, d_out)
    return torch.bmm(pattern.view(batch, row, heads * count), values)


def moved(layer: Layer, tokens: Float[Tensor, "batch pos d_model"], count: int) -> Float[Tensor, "batch pos d_model"]:
    """All tokens after a layer, the first `count` of them being the keys."""
    if layer.kernel == "softmax":
        return tokens + written(layer, tokens, tokens, count)
    context = tokens[:, :count]
    return updated(layer, tokens, heads_values(layer, torch.bmm(context.mT, context)))


def heads_values(layer: Layer, gram: Float[Tensor, "batch d_model d_model"]) -> list[Tensor]:
    """G V_h of every head of a linear layer."""
    flat = gram.view(-1, gram.shape[-1])
    return [(flat @ V).view(gram.shape) for V in layer.V]


def updated(
    layer: Layer, rows: Float[Tensor, "batch row d_model"], values: list[Tensor]
) -> Float[Tensor, "batch row d_model"]:
    """Rows after a linear layer: e + sum_h e A_h (G V_h)."""
    flat = rows.reshape(-1, rows.shape[-1])
    for A, value in zip(layer.A, values, strict=True):
        rows = torch.baddbmm(rows, (flat @ A).view(rows.shape), value)
    return rows


def clipped(values: Tensor, bound: float) -> Tensor:
    """Every entry clamped to +-bound."""
    low, high = values.detach().aminmax()
    # Where nothing is clipped, clamping costs time and changes nothing; NaN stays NaN either way.
    return values if bool(-bound <= low) and bool(high <= bound) else values.clamp(-bound, bound)
