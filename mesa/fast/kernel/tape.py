"""Operations on matrices, and their gradients in the reverse order."""

from collections.abc import Callable, Sequence

from llvmlite import ir

from mesa.fast.kernel.emit import Emitter
from mesa.fast.kernel.matrix import Buffer, Matrix
from mesa.fast.kernel.product import Product, Term
from mesa.fast.kernel.softmax import softmax, softmax_gradient


class Tape:
    """Operations on matrices; each also records how the gradient of its result gives those of its operands.

    `take(n)` is the address of n unused vectors of the workspace.
    """

    def __init__(self, emit: Emitter, take: Callable[[int], ir.Value]) -> None:
        self.emit, self.take = emit, take
        self._steps: list[Callable[[], None]] = []

    def new(self, rows: int, columns: int, varies: bool = True) -> Matrix:
        """A matrix in the workspace, whose entries are still to be written."""
        return Matrix(Buffer(self.take(rows * columns), rows * columns, varies=varies), rows, columns, columns)

    def product(self, *terms: Term, plus: Sequence[Matrix] = (), identity: bool = False) -> Matrix:
        """The sum of A B over terms, + every matrix of `plus`, + the identity matrix if `identity`."""
        varies = any(matrix.buffer.varies for matrices in (*terms, plus) for matrix in matrices)
        into = self.new(terms[0][0].rows, terms[0][1].columns, varies)
        Product(into, terms, plus, identity).emit(self.emit)

        def back() -> None:
            # With D the gradient of the result, A receives D B^T and B receives A^T D.
            upstream = self.gradient(into)
            for A, B in terms:
                self.receive(A, (upstream, B.T))
                self.receive(B, (A.T, upstream))
            for matrix in plus:
                self.receive(matrix, plus=(upstream,))

        return self._record(into, back)

    def gram(self, tokens: Matrix) -> Matrix:
        """E^T E."""
        into = self.new(tokens.columns, tokens.columns, tokens.buffer.varies)
        Product(into, [(tokens.T, tokens)]).emit(self.emit)

        def back() -> None:
            # E receives E D + E D^T. The sum of D and D^T is formed first: one product in place of two.
            upstream, both = self.gradient(into), self.new(into.rows, into.columns)
            Product(both, (), (upstream, upstream.T)).emit(self.emit)
            self.receive(tokens, (tokens, both))

        return self._record(into, back)

    def clamped(self, matrix: Matrix, bound: ir.Value) -> Matrix:
        """Every entry within +-bound; one outside it receives no gradient, as in torch."""
        into, b = self.new(matrix.rows, matrix.columns, matrix.buffer.varies), self.emit.b
        self.emit.each(lambda entry: self.emit.clamp(entry, bound), into, matrix)

        def passed(entry: ir.Value, upstream: ir.Value) -> ir.Value:
            inside = b.and_(b.fcmp_unordered("<=", entry, bound), b.fcmp_unordered(">=", entry, b.fneg(bound)))
            return b.select(inside, upstream, self.emit.constant(0.0))

        def back() -> None:
            self.emit.each(passed, self._in_place(matrix, into), matrix, self.gradient(into))

        return self._record(into, back)

    def softmax(self, scores: Matrix) -> Matrix:
        """Softmax of every row: P = exp(S - max S) / sum."""
        into = self.new(scores.rows, scores.columns, scores.buffer.varies)
        self.emit.call(softmax, [into, scores])
        return self._record(into, lambda: self.emit.call(softmax_gradient, [self._in_place(scores, into), into]))

    def gradient(self, matrix: Matrix) -> Matrix:
        """The gradient that a matrix has received."""
        assert matrix.buffer.gradient is not None
        return matrix.in_buffer(matrix.buffer.gradient)

    def receive(self, matrix: Matrix, *terms: Term, plus: Sequence[Matrix] = ()) -> None:
        """Add a sum of products and matrices to the gradient of a matrix; does nothing where it has none."""
        if matrix.buffer.varies:
            overwrite, into = self._prepare(matrix), self.gradient(matrix)
            Product(into, terms, plus if overwrite else (*plus, into)).emit(self.emit)

    def backward(self) -> None:
        """Compute all gradients from those that the last results have received."""
        for step in reversed(self._steps):
            step()

    def _record(self, into: Matrix, back: Callable[[], None]) -> Matrix:
        if into.buffer.varies:
            self._steps.append(back)
        return into

    def _in_place(self, matrix: Matrix, result: Matrix) -> Matrix:
        """The gradient of a matrix that is only used for `result`: it takes over the memory of the result's."""
        assert matrix.is_whole and matrix.buffer.gradient is None
        matrix.buffer.gradient = result.buffer.gradient
        return self.gradient(matrix)

    def _prepare(self, matrix: Matrix) -> bool:
        """Give the gradient memory if it has none; is it then to be overwritten, not added to?

        Where only a part of the buffer receives a gradient, the whole gradient is set to zero first.
        """
        buffer = matrix.buffer
        if buffer.gradient is not None:
            return False
        buffer.gradient = Buffer(self.take(buffer.size), buffer.size)
        if not matrix.is_whole:
            everything = Matrix(buffer.gradient, 1, buffer.size, buffer.size)
            self.emit.each(lambda: self.emit.constant(0.0), everything)
        return matrix.is_whole
