"""The function that computes the loss of attention layers and its gradient, one block of prompts after another."""

from llvmlite import ir

from mesa.fast.kernel.emit import INDEX, Emitter, Index
from mesa.fast.kernel.forms import Heads, gram_form, token_form
from mesa.fast.kernel.gather import gather
from mesa.fast.kernel.machine import Machine
from mesa.fast.kernel.matrix import Buffer, Matrix
from mesa.fast.kernel.shape import Shape
from mesa.fast.kernel.tape import Tape


class Program:
    """Writes `kernel(sources and target, their strides, share, weights, workspace, sums, blocks, clip, wanted)`.

    `share` is what each prompt counts in the mean, and `weights` are A and V of all heads. `sums` receives the loss
    and, if `wanted`, its gradient in every weight. Each sum runs over the blocks in every lane, and at the end over the
    lanes: always in the same order, so that two calls agree bit for bit. `size` counts the vectors of the workspace;
    `emit.multiplications` are those for a prompt that is not clipped.
    """

    def __init__(self, shape: Shape, machine: Machine) -> None:
        self.shape, self.emit, self.size = shape, Emitter(machine), 0
        number, tensors = self.emit.number.as_pointer(), len(shape.sources) + 1
        vectors = self.emit.vector.as_pointer()
        fixed = [vectors, number, vectors, number, INDEX, self.emit.number, INDEX]
        kinds = [number] * tensors + [INDEX] * tensors + fixed
        with self.emit.function("kernel", kinds, exported=True) as function:
            *self.sources, self.target = zip(function.args[:tensors], function.args[tensors : 2 * tensors], strict=True)
            self.share, self.weights, self.workspace, sums, blocks, clip, self.wanted = function.args[2 * tensors :]
            self.clip = self.emit.splat(clip)
            self._sum(sums, blocks)

    def _sum(self, sums: ir.Value, blocks: ir.Value) -> None:
        emit, b, count = self.emit, self.emit.b, 1 + self.shape.products
        self.totals = Matrix(Buffer(self._take(count), count), 1, count, count)
        emit.each(lambda: emit.constant(0.0), self.totals)
        emit.loop(blocks, lambda block, _: self._block(block))
        add = emit.intrinsic("vector.reduce.fadd", [emit.number, emit.vector], emit.number)

        def over_lanes(i: Index, _: object) -> None:
            total = b.call(add, [emit.number(0.0), emit.load(self.totals, 0, i)], fastmath=("reassoc",))
            b.store(total, b.gep(sums, [emit.index((i, 1))]))

        emit.loop(count, over_lanes)

    def _take(self, count: int) -> ir.Value:
        start, self.size = self.size, self.size + count
        return self.emit.b.gep(self.workspace, [INDEX(start)], inbounds=True)

    def _layers(self) -> list[Heads]:
        d, heads, count = self.shape.channels, self.shape.heads, self.shape.products // 2

        def weight(start: int) -> Matrix:
            gradient = Buffer(self.emit.address(self.totals, 0, 1 + start), d * d)
            pointer = self.emit.b.gep(self.weights, [INDEX(start)], inbounds=True)
            return Matrix(Buffer(pointer, d * d, shared=True, gradient=gradient), d, d, d)

        starts = [[(layer * heads + head) * d * d for head in range(heads)] for layer in self.shape.weights]
        return [[(weight(start), weight(count + start)) for start in layer] for layer in starts]

    def _block(self, block: Index) -> None:
        shape, emit, tape = self.shape, self.emit, Tape(self.emit, self._take)
        tokens = tape.new(shape.context + shape.queries, shape.channels, varies=False)
        emit.each(lambda: emit.constant(0.0), tokens)
        for source, (top, bottom, step, left, right) in zip(self.sources, shape.sources, strict=True):
            gather(emit, *source, block, tokens[top:bottom:step, left:right])
        target = tape.new(shape.queries, shape.d_out, varies=False)
        gather(emit, *self.target, block, target)
        form = gram_form if shape.form == "gram" else token_form
        read, grams = form(tape, shape, tokens, self._layers(), self.clip)
        if not (grams and shape.clip):
            self._add_loss(tape, block, target, read)
            return
        with emit.b.if_else(self._unclipped(grams)) as (unclipped, clipped):
            with unclipped:
                self._add_loss(tape, block, target, read)
            with clipped:
                unclipped_multiplications, tape = emit.multiplications, Tape(emit, self._take)
                read, _ = token_form(tape, shape, tokens, self._layers(), self.clip)
                self._add_loss(tape, block, target, read)
                emit.multiplications = unclipped_multiplications

    def _add_loss(self, tape: Tape, block: Index, target: Matrix, read: Matrix) -> None:
        """Add the loss and gradient of this block to the totals; `read` is what its queries hold before clipping."""
        emit, b = self.emit, self.emit.b
        read = tape.clamped(read, self.clip) if self.shape.clip else read
        share = b.load(b.gep(self.share, [emit.index((block, 1))]), align=emit.bytes)
        # The prediction is minus what the queries hold: its error, up to the sign, is read + target.
        error = tape.new(read.rows, read.columns)
        emit.each(b.fadd, error, read, target)
        squares = emit.fold(lambda total, entry: emit.fma(entry, entry, total), emit.constant(0.0), error)
        half = b.fmul(emit.constant(0.5), share)
        emit.store(emit.fma(squares, half, emit.load(self.totals, 0, 0)), self.totals, 0, 0)
        with b.if_then(b.icmp_signed("!=", self.wanted, INDEX(0))):
            emit.each(lambda entry: b.fmul(entry, share), error, error)
            tape.receive(read, plus=(error,))
            tape.backward()

    def _unclipped(self, grams: list[Matrix]) -> ir.Value:
        """Is no token of the context clipped, for any prompt of the block? No where this cannot be told, or for NaN.

        G's diagonal sums the squares of the tokens' entries, so it bounds each; .9 leaves room for rounding. In float32
        that is too little where numbers a thousand times the bound cancel: so the tokens before the first layer may be
        a hundred times the bound at most.
        """
        emit, b, lanes = self.emit, self.emit.b, self.emit.machine.lanes
        inside = ir.VectorType(ir.IntType(1), lanes)([1] * lanes)
        for number, gram in enumerate(grams):
            bound = b.fmul(emit.constant(0.9 if number else 1e4), b.fmul(self.clip, self.clip))
            for i in range(gram.rows):
                inside = b.and_(inside, b.fcmp_ordered("<", emit.load(gram, i, i), bound))
        return b.icmp_unsigned("==", b.bitcast(inside, ir.IntType(lanes)), ir.IntType(lanes)(-1))
