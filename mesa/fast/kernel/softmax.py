"""The softmax of every row of a matrix, and its gradient."""

from mesa.fast.kernel.emit import Emitter, Index, Values
from mesa.fast.kernel.exponential import exponential
from mesa.fast.kernel.matrix import Matrix


def softmax(emit: Emitter, into: Matrix, scores: Matrix) -> None:
    """P = exp(S - max S) / sum, for every row of scores."""
    b = emit.b

    def row(i: Index, _: Values) -> None:
        given, powers = emit.row(scores, i), emit.row(into, i)
        # An entry that is NaN may be passed over here: its own exponential is NaN.
        top = emit.fold(
            lambda top, new: b.select(b.fcmp_ordered("<", new, top), top, new), emit.load(given, 0, 0), given
        )
        emit.each(lambda entry: exponential(emit, b.fsub(entry, top)), powers, given)
        share = b.fdiv(emit.constant(1.0), emit.fold(b.fadd, emit.constant(0.0), powers))
        emit.each(lambda power: b.fmul(power, share), powers, powers)

    emit.loop(scores.rows, row)


def softmax_gradient(emit: Emitter, gradients: Matrix, patterns: Matrix) -> None:
    """dS = P (dP - sum P dP) for every row, written over dP."""
    b = emit.b

    def row(i: Index, _: Values) -> None:
        pattern, upstream = emit.row(patterns, i), emit.row(gradients, i)
        mean = emit.fold(lambda total, P, dP: emit.fma(P, dP, total), emit.constant(0.0), pattern, upstream)
        emit.each(lambda P, dP: b.fmul(P, b.fsub(dP, mean)), upstream, pattern, upstream)

    emit.loop(patterns.rows, row)
