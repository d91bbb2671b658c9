"""Two layers without the tokens between them.

The last layer uses a token e only in products with a few vectors w: the key directions A^T q of its queries, and the
read columns of V. The first layer gives e_i' = e_i + sum_h,j p_h,ij e_j V_h, so e_i'.w = e_i.w + sum_h,j p_h,ij
(e_j . V_h w). The patterns then multiply one number per vector and head in place of d channels. This is exact for any
kernel of the last layer.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.fast.layer import Layer


def last_two(
    first: Layer, last: Layer, tokens: Float[Tensor, "batch pos d_model"], count: int
) -> Float[Tensor, "batch row d_out"]:
    """What the rows behind the `count` keys hold in the read channels after a softmax layer and any layer."""
    batch, pos, width = tokens.shape
    context, heads, d_out = tokens[:, :count], len(last.A), last.V.shape[-1]
    key_directions = (tokens.reshape(-1, width) @ first.A.transpose(0, 1).flatten(1)).view(batch, -1, width)
    pattern = torch.bmm(key_directions, context.mT).softmax(-1).view(batch, pos, -1)
    to_context, to_rows = pattern.split([count, pos - count], dim=1)
    rows = tokens[:, count:] + _attended(first, to_rows, context)
    vectors = torch.cat([_flat(rows, last.A), last.V.mT.flatten(0, 1).expand(batch, -1, -1)], dim=1)
    through_first = _flat(vectors, first.V.mT)
    counts = [vectors.shape[1], through_first.shape[1]]
    direct, attended = torch.bmm(torch.cat([vectors, through_first], dim=1), context.mT).split(counts, 1)
    # (batch, vector, key): the product of every vector with every token after the first layer.
    products = torch.baddbmm(direct, attended.reshape(batch, vectors.shape[1], -1), to_context.mT)
    return rows[..., -d_out:] + last_written(last, products, heads, rows.shape[1])


def last_written(
    last: Layer, products: Float[Tensor, "batch vector key"], heads: int, rows: int
) -> Float[Tensor, "batch row d_out"]:
    """What the last layer writes, from the keys' products with the key directions (row, then head) and with V."""
    d_out = last.V.shape[-1]
    scores, read_values = products.split([rows * heads, heads * d_out], dim=1)
    pattern = scores.softmax(-1) if last.kernel == "softmax" else scores
    shapes = (pattern.unflatten(1, (rows, heads)), read_values.unflatten(1, (heads, d_out)))
    return torch.einsum("brhn,bhon->bro", *shapes)


def _attended(layer: Layer, pattern: Tensor, context: Tensor) -> Float[Tensor, "batch row d_model"]:
    batch, rows, _ = pattern.shape
    mixed = torch.bmm(pattern.reshape(batch, -1, context.shape[1]), context)
    return mixed.view(batch, rows, -1) @ layer.V.flatten(0, 1)


def _flat(rows: Tensor, products: Float[Tensor, "head d_model d_model"]) -> Float[Tensor, "batch row_head d_model"]:
    """Every row times the product of every head, by row and then by head."""
    width = rows.shape[-1]
    return (rows.reshape(-1, width) @ products.transpose(0, 1).flatten(1)).view(len(rows), -1, width)
