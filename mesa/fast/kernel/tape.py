"""What was computed, in order, so that gradients are computed in the reverse order."""

from collections.abc import Callable

from llvmlite import ir

from mesa.fast.kernel.emit import Emitter
from mesa.fast.kernel.matrix import Buffer, Matrix
from mesa.fast.kernel.product import Product, Term
from mesa.fast.kernel.softmax import softmax, softmax_gradient


class Tape:
    """Operations on matrices; each also notes how the gradient of its result becomes that of its operands.

    `take(n)` gives the address of n unused vectors of the workspace.
    """

    def __init__(self, emit: Emitter, take: Callable[[int], ir.Value]) -> None:
        self.emit, self.take = emit, take
        self._steps: list[Callable[[], None]] = []

    def new(self, rows: int, columns: int, varies: bool = True) -> Matrix:
        """A matrix in the workspace, not set yet."""
        return Matrix(Buffer(self.take(rows * columns), rows * columns, varies=varies), rows, columns, columns)

    def product(self, *terms: Term, plus: Matrix | None = None, identity: bool = False) -> Matrix:
        """plus + 1, if `identity`, + sum of A B over terms."""
        sources = [matrix for term in terms for matrix in term] + ([plus] if plus else [])
        varies = any(matrix.buffer.varies for matrix in sources)
        into = self.new(terms[0][0].rows, terms[0][1].columns, varies)
        Product(into, terms, plus, identity).emit(self.emit)

        def back() -> None:
            # d(A B) = dA B + A dB: A receives D B^T and B receives A^T D.
            upstream = self.gradient(into)
            for A, B in terms:
                self.receive(A, (upstream, B.T))
                self.receive(B, (A.T, upstream))
            if plus is not None:
                self.receive_matrix(plus, upstream)

        return self._note(into, back)

    def gram(self, tokens: Matrix) -> Matrix:
        """E^T E."""
        into = self.new(tokens.columns, tokens.columns, tokens.buffer.varies)
        Product(into, [(tokens.T, tokens)]).emit(self.emit)

        def back() -> None:
            # E receives E (D + D^T), the sum being formed first: one product in place of two.
            upstream, both = self.gradient(into), self.new(into.rows, into.columns)
            self.emit.each(self.emit.b.fadd, both, upstream, upstream.T)
            self.receive(tokens, (tokens, both))

        return self._note(into, back)

    def clamped(self, matrix: Matrix, bound: ir.Value) -> Matrix:
        """Every entry within +-bound; one outside it receives no gradient, as in torch."""
        into, b = self.new(matrix.rows, matrix.columns, matrix.buffer.varies), self.emit.b
        self.emit.each(lambda entry: self.emit.clamp(entry, bound), into, matrix)

        def passed(entry: ir.Value, upstream: ir.Value) -> ir.Value:
            inside = b.and_(b.fcmp_unordered("<=", entry, bound), b.fcmp_unordered(">=", entry, b.fneg(bound)))
            return b.select(inside, upstream, self.emit.constant(0.0))

        def back() -> None:
            self.emit.each(passed, self._in_place(matrix, into), matrix, self.gradient(into))

        return self._note(into, back)

    def softmax(self, scores: Matrix) -> Matrix:
        """Softmax of every row: P = exp(S - max S) / sum."""
        into = self.new(scores.rows, scores.columns, scores.buffer.varies)
        self._call(softmax, into, scores)
        return self._note(into, lambda: self._call(softmax_gradient, self._in_place(scores, into), into))

    def gradient(self, matrix: Matrix) -> Matrix:
        """The gradient of a matrix, which has received one."""
        assert matrix.buffer.gradient is not None
        return matrix.in_buffer(matrix.buffer.gradient)

    def receive(self, matrix: Matrix, *terms: Term) -> None:
        """Add a sum of products to the gradient of a matrix; nothing where that is not needed."""
        if matrix.buffer.varies:
            first, into = self._is_first(matrix), self.gradient(matrix)
            Product(into, terms, None if first else into).emit(self.emit)

    def receive_matrix(self, matrix: Matrix, upstream: Matrix) -> None:
        """Add to the gradient of a matrix."""
        if matrix.buffer.varies:
            first, into = self._is_first(matrix), self.gradient(matrix)
            if first:
                self.emit.each(lambda new: new, into, upstream)
            else:
                self.emit.each(self.emit.b.fadd, into, into, upstream)

    def backward(self) -> None:
        """Form all gradients from those that were received so far."""
        for step in reversed(self._steps):
            step()

    def _call(self, write: Callable[[Emitter, Matrix, Matrix], None], into: Matrix, source: Matrix) -> None:
        """Call the function of two whole matrices that `write` writes: one for all layers, which compiles faster."""
        emit, matrices = self.emit, (into, source)

        def function() -> ir.Function:
            name = emit.module.get_unique_name(write.__name__)
            with emit.function(name, [matrix.buffer.pointer.type for matrix in matrices]) as function:
                write(emit, *(matrix.at(start) for matrix, start in zip(matrices, function.args, strict=True)))
            return function

        key = (write, *((matrix.rows, matrix.columns, matrix.row_stride, matrix.column_stride) for matrix in matrices))
        emit.b.call(emit.once(key, function), [emit.address(matrix, 0, 0) for matrix in matrices])

    def _note(self, into: Matrix, back: Callable[[], None]) -> Matrix:
        if into.buffer.varies:
            self._steps.append(back)
        return into

    def _in_place(self, matrix: Matrix, result: Matrix) -> Matrix:
        """The gradient of a matrix, formed where that of the result stands: the matrix has no other use."""
        assert matrix.is_whole and matrix.buffer.gradient is None
        matrix.buffer.gradient = result.buffer.gradient
        return self.gradient(matrix)

    def _is_first(self, matrix: Matrix) -> bool:
        """Is there no gradient yet, so that what is received is all of it? Makes room, of zeros beside a part."""
        buffer = matrix.buffer
        if buffer.gradient is not None:
            return False
        buffer.gradient = Buffer(self.take(buffer.size), buffer.size)
        if not matrix.is_whole:
            everything = Matrix(buffer.gradient, 1, buffer.size, buffer.size)
            self.emit.each(lambda: self.emit.constant(0.0), everything)
        return matrix.is_whole
