"""The Gram form: linear attention sees the context only as G = sum_i e_i e_i^T, whatever its length.

One layer is e -> e M for every token, M = I + sum_h A_h G V_h, so G -> M^T G M. A clipped token breaks this.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mesa.fast.layer import Layer, padding
from mesa.fast.tokens import clipped, heads_values

# The batch is the last axis, so that each operation runs over contiguous prompts.
Rows = Float[Tensor, "width row batch"]
Gram = Float[Tensor, "d_model d_model batch"]


def layers(
    inner: Sequence[Layer],
    last: Layer,
    rows: Float[Tensor, "batch row d_model"],
    context: Float[Tensor, "batch count d_model"],
    clip: float | None,
) -> Float[Tensor, "batch row d_out"] | None:
    """What rows hold in the read channels after linear layers; None where a token of the context would be clipped.

    Rows are clipped after every layer but the last.
    """
    count = rows.shape[1]
    # Products with 4 rows, 3 of them zero, take less time than with 1: see layer.py.
    rows = functional.pad(rows, (0, 0, 0, padding(count)))
    gram, matrices = torch.bmm(context.mT, context), []
    for layer in inner:
        matrices.append(moving(layer, gram))
        rows = torch.bmm(rows, matrices[-1])
        gram = torch.bmm(matrices[-1].mT, torch.bmm(gram, matrices[-1]))
        if clip is not None:
            if not _within(clip, gram, context, matrices):
                return None
            rows = clipped(rows, clip)
    read = rows[..., -last.V.shape[-1] :] + written(last, rows, gram)
    return read[:, :count]


def _within(bound: float, gram: Tensor, context: Tensor, matrices: list[Tensor]) -> bool:
    """Is every entry of every token of the context within +-bound? NaN is not."""
    # G's diagonal, which is there already, bounds the square of every entry; 0.9 allows for its rounding. Where this
    # bound is too weak, the tokens themselves are computed, without gradient.
    if bool(gram.diagonal(dim1=1, dim2=2).max() < 0.9 * bound**2):
        return True
    with torch.no_grad():
        low, high = torch.bmm(context, reduce(torch.bmm, matrices)).aminmax()
    return bool(-bound <= low) and bool(high <= bound)


def moving(layer: Layer, gram: Float[Tensor, "batch d_model d_model"]) -> Float[Tensor, "batch d_model d_model"]:
    """M = I + sum_h A_h G V_h."""
    matrix = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device).expand_as(gram)
    for A, value in zip(layer.A, heads_values(layer, gram), strict=True):
        matrix = torch.baddbmm(matrix, A.expand_as(gram), value)
    return matrix


def written(
    layer: Layer, rows: Float[Tensor, "batch row d_model"], gram: Float[Tensor, "batch d_model d_model"]
) -> Float[Tensor, "batch row d_out"]:
    """What a linear layer writes to rows, given G."""
    by_head = [(rows.flatten(0, 1) @ A).view(rows.shape) @ gram @ V for A, V in zip(layer.A, layer.V, strict=True)]
    return sum(by_head[1:], by_head[0])


def two_layers(
    first: Layer,
    last: Layer,
    rows: Float[Tensor, "batch row d_model"],
    context: Float[Tensor, "batch count d_model"],
) -> Float[Tensor, "batch row d_out"]:
    """What rows hold in the read channels after two linear layers, computed with products of G and vectors only.

    The last layer's G is M^T G M, and neither M nor M^T G M is ever formed.
    """
    gram = torch.bmm(context.mT, context).permute(1, 2, 0).contiguous()
    start = rows.permute(2, 1, 0).contiguous()
    moved = start + _written(first, start, gram)
    read = moved[-last.V.shape[-1] :]
    for A, V in zip(last.A, last.V, strict=True):
        key_directions = _times(moved, A)
        mixed = _times_gram(key_directions + _written(_transposed(first), key_directions, gram), gram)
        read = read + _times(mixed + _written(first, mixed, gram), V)
    return read.permute(2, 1, 0)


def _written(layer: Layer, rows: Rows, gram: Gram) -> Float[Tensor, "written row batch"]:
    by_head = [_times(_times_gram(_times(rows, A), gram), V) for A, V in zip(layer.A, layer.V, strict=True)]
    return sum(by_head[1:], by_head[0])


def _transposed(layer: Layer) -> Layer:
    """The layer whose M is the transpose of this one's: M^T = I + sum_h V_h^T G A_h^T."""
    return Layer(layer.kernel, layer.V.mT, layer.A.mT)


def _times(rows: Rows, weight: Tensor) -> Float[Tensor, "written row batch"]:
    return (weight.T @ rows.flatten(1)).view(-1, *rows.shape[1:])


def _times_gram(rows: Rows, gram: Gram) -> Rows:
    # G is symmetric, so either of its axes can be summed; summing the first adds contiguous prompts.
    return (gram[:, :, None] * rows[:, None]).sum(0)
