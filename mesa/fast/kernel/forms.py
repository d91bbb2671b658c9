"""Layers of attention as operations on a tape: what the queries hold in the read channels after the last layer.

A head adds kernel(R A E^T) E V to rows R; rows of E are the context's tokens. A layer lists (A, V) of its heads.
"""

from collections.abc import Sequence
from typing import TypeAlias

from llvmlite import ir

from mesa.fast.kernel.matrix import Matrix
from mesa.fast.kernel.shape import Shape
from mesa.fast.kernel.tape import Tape

Heads: TypeAlias = Sequence[tuple[Matrix, Matrix]]
Result: TypeAlias = tuple[Matrix, list[Matrix]]
"""What the queries hold, and in the Gram form G of the context before every layer."""


def token_form(tape: Tape, shape: Shape, tokens: Matrix, layers: Sequence[Heads], bound: ir.Value) -> Result:
    """All tokens after every layer but the last; exact for any kernel of attention, clipped or not."""
    count = shape.context
    for kernel, heads in zip(shape.kernels[:-1], layers[:-1], strict=True):
        keys = tokens[:count, :]
        if kernel == "linear":
            tokens = tape.product((tokens, _moving(tape, tape.gram(keys), heads)))
        else:
            tokens = tape.product(*_attended(tape, kernel, tokens, keys, heads), plus=(tokens,))
        tokens = tape.clamped(tokens, bound) if shape.clip else tokens
    rows = tokens[count:, :]
    terms = _attended(tape, shape.kernels[-1], rows, tokens[:count, :], _reading(shape, layers[-1]))
    return tape.product(*terms, plus=(rows[:, shape.channels - shape.d_out :],)), []


def gram_form(tape: Tape, shape: Shape, tokens: Matrix, layers: Sequence[Heads], bound: ir.Value) -> Result:
    """The same for linear layers, from G = E^T E alone.

    A layer turns every token e into e M, and so G into M^T G M; this is wrong where a token of the context is clipped.
    """
    rows, grams = tokens[shape.context :, :], [gram := tape.gram(tokens[: shape.context, :])]
    for heads in layers[:-1]:
        moving = _moving(tape, gram, heads)
        rows, gram = tape.product((rows, moving)), tape.product((moving.T, tape.product((gram, moving))))
        rows = tape.clamped(rows, bound) if shape.clip else rows
        grams.append(gram)
    terms = [(tape.product((rows, A)), tape.product((gram, V))) for A, V in _reading(shape, layers[-1])]
    return tape.product(*terms, plus=(rows[:, shape.channels - shape.d_out :],)), grams


def _moving(tape: Tape, gram: Matrix, heads: Heads) -> Matrix:
    """M = I + sum_h A_h G V_h."""
    return tape.product(*[(A, tape.product((gram, V))) for A, V in heads], identity=True)


def _attended(tape: Tape, kernel: str, rows: Matrix, keys: Matrix, heads: Heads) -> list[tuple[Matrix, Matrix]]:
    """Pattern and values of every head: the sum of their products is what a layer adds to rows."""
    scores = [tape.product((tape.product((rows, A)), keys.T)) for A, _ in heads]
    patterns = [tape.softmax(score) for score in scores] if kernel == "softmax" else scores
    return [(pattern, tape.product((keys, V))) for pattern, (_, V) in zip(patterns, heads, strict=True)]


def _reading(shape: Shape, heads: Heads) -> Heads:
    """The same layer, writing only to the channels that are read."""
    return [(A, V[:, shape.channels - shape.d_out :]) for A, V in heads]
