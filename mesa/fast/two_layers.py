"""Two layers whose middle is never formed: what the last layer asks of a token, is asked of the first layer's inputs.

The last layer sees a token e only as products with a few vectors: with the row A^T that its query seeks, and with the
read columns of V. After a first layer e_i' = e_i + sum_h,j p_h,ij e_j V_h a product with w is e_i.w + sum_h,j p_h,ij
(e_j . V_h w): the patterns meet one number per vector and head, not d channels. Exact for any kernel of the last layer.
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
    sought = (tokens.reshape(-1, width) @ first.A.transpose(0, 1).flatten(1)).view(batch, -1, width)
    pattern = torch.bmm(sought, context.mT).softmax(-1).view(batch, pos, -1)
    to_context, to_rows = pattern.split([count, pos - count], dim=1)
    rows = tokens[:, count:] + _taken(first, to_rows, context)
    wanted = torch.cat([_flat(rows, last.A), last.V.mT.flatten(0, 1).expand(batch, -1, -1)], dim=1)
    passed = _flat(wanted, first.V.mT)
    own, part = torch.bmm(torch.cat([wanted, passed], dim=1), context.mT).split([wanted.shape[1], passed.shape[1]], 1)
    # (batch, vector, key): what every vector gives with every token after the first layer.
    given = torch.baddbmm(own, part.reshape(batch, wanted.shape[1], -1), to_context.mT)
    return rows[..., -d_out:] + answered(last, given, heads, rows.shape[1])


def answered(
    last: Layer, given: Float[Tensor, "batch vector key"], heads: int, rows: int
) -> Float[Tensor, "batch row d_out"]:
    """What the last layer writes, from the products of the keys with what rows seek, by row and head, and with V."""
    d_out = last.V.shape[-1]
    scores, meant = given.split([rows * heads, heads * d_out], dim=1)
    pattern = scores.softmax(-1) if last.kernel == "softmax" else scores
    shapes = (pattern.unflatten(1, (rows, heads)), meant.unflatten(1, (heads, d_out)))
    return torch.einsum("brhn,bhon->bro", *shapes)


def _taken(layer: Layer, pattern: Tensor, context: Tensor) -> Float[Tensor, "batch row d_model"]:
    batch, rows, _ = pattern.shape
    mixed = torch.bmm(pattern.reshape(batch, -1, context.shape[1]), context)
    return mixed.view(batch, rows, -1) @ layer.V.flatten(0, 1)


def _flat(rows: Tensor, products: Float[Tensor, "head d_model d_model"]) -> Float[Tensor, "batch row_head d_model"]:
    """Every row times the product of every head, by row and then by head."""
    width = rows.shape[-1]
    return (rows.reshape(-1, width) @ products.transpose(0, 1).flatten(1)).view(len(rows), -1, width)
