"""Copies a block of prompts from a tensor, which holds one prompt after another, into a matrix of vectors.

tensor                           matrix
prompt 0:  a0 b0 c0 d0 ...       entry a:  a0 a1 a2 a3 ...
prompt 1:  a1 b1 c1 d1 ...       entry b:  b0 b1 b2 b3 ...
prompt 2:  a2 b2 c2 d2 ...       entry c:  c0 c1 c2 c3 ...
"""

from llvmlite import ir

from mesa.fast.kernel.emit import INDEX, Emitter, Index, Values
from mesa.fast.kernel.matrix import Matrix


def gather(emit: Emitter, source: ir.Value, stride: ir.Value, block: Index, into: Matrix) -> None:
    """Fill a matrix with one block of a tensor, whose prompts begin `stride` numbers apart, each without gaps."""
    b, lanes, count = emit.b, emit.machine.lanes, into.rows * into.columns
    prompts = [b.mul(emit.index((block, lanes), (lane, 1)), stride) for lane in range(lanes)]
    starts = [b.gep(source, [prompt]) for prompt in prompts]

    def entry(i: Index, j: Index) -> None:
        position = emit.index((i, into.columns), (j, 1))
        emit.store(_vector(emit, [b.load(b.gep(start, [position])) for start in starts]), into, i, j)

    def square(group: Index, _: object) -> None:
        # The last square ends where the prompt ends, so it may contain numbers of the square before.
        first, last = emit.index((group, lanes)), INDEX(count - lanes)
        first = b.select(b.icmp_signed("<", first, last), first, last)
        pointers = [b.bitcast(b.gep(start, [first]), emit.vector.as_pointer()) for start in starts]
        rows = [b.load(pointer, align=emit.machine.bits // 8) for pointer in pointers]
        for number, vector in enumerate(_transposed(emit, rows)):
            position = emit.index((first, 1), (number, 1))
            i = b.udiv(position, INDEX(into.columns))
            emit.store(vector, into, i, b.sub(position, b.mul(i, INDEX(into.columns))))

    if count < lanes:
        emit.grid(into.rows, into.columns, entry)
    else:
        emit.loop(-(-count // lanes), square)


def _vector(emit: Emitter, numbers: Values) -> ir.Value:
    vector: ir.Value = ir.Constant(emit.vector, ir.Undefined)
    for lane, number in enumerate(numbers):
        vector = emit.b.insert_element(vector, number, ir.IntType(32)(lane))
    return vector


def _transposed(emit: Emitter, rows: Values) -> Values:
    """As many vectors as lanes, transposed: blocks of 1, 2, 4, ... entries beside the diagonal are exchanged."""
    lanes, size = len(rows), 1
    masks = ir.VectorType(ir.IntType(32), lanes)
    while size < lanes:
        upper = masks([j if not j & size else lanes + j - size for j in range(lanes)])
        lower = masks([j + size if not j & size else lanes + j for j in range(lanes)])
        for i in (i for i in range(lanes) if not i & size):
            pair = rows[i], rows[i + size]
            rows[i], rows[i + size] = (emit.b.shuffle_vector(*pair, mask) for mask in (upper, lower))
        size *= 2
    return rows
