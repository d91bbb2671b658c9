"""Instructions on vectors of prompts, written as LLVM's intermediate representation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import TypeAlias

from llvmlite import ir

from mesa.fast.kernel.machine import Machine
from mesa.fast.kernel.matrix import Matrix

INDEX = ir.IntType(64)
Index: TypeAlias = int | ir.Value
Values: TypeAlias = list[ir.Value]


class Emitter:
    """Writes functions into one module, for vectors of `machine.lanes` numbers.

    `b` is llvmlite's builder of the function that is being written. `multiplications` counts those of one
    prompt in matrix products.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.number = ir.DoubleType() if machine.bits == 64 else ir.FloatType()
        self.vector = ir.VectorType(self.number, machine.lanes)
        self.bytes = machine.bits // 8 * machine.lanes
        self.module = ir.Module("kernel")
        self.b, self.multiplications = ir.IRBuilder(), 0
        self._functions: dict[object, ir.Function] = {}

    @contextmanager
    def function(self, name: str, arguments: Sequence[ir.Type], exported: bool = False) -> Iterator[ir.Function]:
        """Begin a function; what is written inside the `with` is its body."""
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), name)
        if not exported:
            function.linkage = "internal"
            function.attributes.add("noinline")
        outer, self.b = self.b, ir.IRBuilder(function.append_basic_block())
        yield function
        self.b.ret_void()
        self.b = outer

    def once(self, key: object, write: Callable[[], ir.Function]) -> ir.Function:
        """The function of this key, written at its first use."""
        if key not in self._functions:
            self._functions[key] = write()
        return self._functions[key]

    def call(self, write: Callable[..., None], matrices: Sequence[Matrix], *settings: int) -> None:
        """Call the function whose body `write(emitter, *matrices)` writes, once for all matrices of equal strides.

        It serves all layers, so the code stays small and compiles in a fraction of a second.
        """

        def function() -> ir.Function:
            kinds = [matrix.buffer.pointer.type for matrix in matrices]
            with self.function(self.module.get_unique_name(write.__name__), kinds) as function:
                write(self, *(matrix.at(start) for matrix, start in zip(matrices, function.args, strict=True)))
            return function

        layout = ((m.rows, m.columns, m.row_stride, m.column_stride, m.buffer.shared) for m in matrices)
        called = self.once((write.__name__, *settings, *layout), function)
        self.b.call(called, [self.address(matrix, 0, 0) for matrix in matrices])

    def loop(
        self, count: Index, body: Callable[[Index, Values], Values | None], start: Sequence[ir.Value] = ()
    ) -> Values:
        """Repeat `values = body(i, values)` for i below `count`, at least once, from `start` on; the last values."""
        if count == 1:
            return body(0, list(start)) or []
        before, b = self.b.block, self.b
        inside, after = b.append_basic_block(), b.append_basic_block()
        b.branch(inside)
        b.position_at_end(inside)
        i, *values = (b.phi(kind) for kind in (INDEX, *(value.type for value in start)))
        results = body(i, [*values]) or []
        following = b.add(i, INDEX(1))
        for phi, first, later in zip((i, *values), (INDEX(0), *start), (following, *results), strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(later, b.block)
        b.cbranch(b.icmp_signed("<", following, INDEX(count) if isinstance(count, int) else count), inside, after)
        b.position_at_end(after)
        return results

    def grid(self, rows: Index, columns: Index, body: Callable[[Index, Index], None]) -> None:
        """Run `body(i, j)` for every i below `rows` and j below `columns`, row after row."""
        self.loop(rows, lambda i, _: self.loop(columns, lambda j, _: body(i, j)))

    def index(self, *terms: tuple[Index, int]) -> ir.Value:
        """The sum of i times stride over `terms`."""
        constant = sum(i * stride for i, stride in terms if isinstance(i, int))
        variable = [(i, stride) for i, stride in terms if isinstance(i, ir.Value)]
        addends = [i if stride == 1 else self.b.mul(i, INDEX(stride)) for i, stride in variable]
        return reduce(self.b.add, [*addends, INDEX(constant)] if constant or not addends else addends)

    def address(self, matrix: Matrix, i: Index, j: Index) -> ir.Value:
        """The address of entry (i, j)."""
        position = self.index((matrix.offset, 1), (i, matrix.row_stride), (j, matrix.column_stride))
        return self.b.gep(matrix.buffer.pointer, [position], inbounds=True)

    def load(self, matrix: Matrix, i: Index, j: Index) -> ir.Value:
        """Entry (i, j) as a vector; that of a weight is one number in every lane."""
        if matrix.buffer.shared:
            return self.splat(self.b.load(self.address(matrix, i, j), align=self.machine.bits // 8))
        return self.b.load(self.address(matrix, i, j), align=self.bytes)

    def store(self, value: ir.Value, matrix: Matrix, i: Index, j: Index) -> None:
        """Set entry (i, j)."""
        self.b.store(value, self.address(matrix, i, j), align=self.bytes)

    def row(self, matrix: Matrix, i: Index) -> Matrix:
        """One row."""
        return matrix.at(self.address(matrix, i, 0))[:1, :]

    def fold(self, step: Callable[..., ir.Value], start: ir.Value, *matrices: Matrix) -> ir.Value:
        """The last total of `total = step(total, *entries)` over the entries of some matrices, row after row."""
        rows, columns = matrices[0].rows, matrices[0].columns

        def row(i: Index, totals: Values) -> Values:
            return self.loop(columns, lambda j, total: [step(*total, *(self.load(m, i, j) for m in matrices))], totals)

        return self.loop(rows, row, [start])[0]

    def each(self, write: Callable[..., ir.Value], into: Matrix, *sources: Matrix) -> None:
        """Set every entry of `into` to `write` of the entries of `sources`."""

        def entry(i: Index, j: Index) -> None:
            self.store(write(*(self.load(source, i, j) for source in sources)), into, i, j)

        self.grid(into.rows, into.columns, entry)

    def splat(self, number: ir.Value) -> ir.Value:
        """A vector of one number."""
        undefined, lanes = ir.Constant(self.vector, ir.Undefined), ir.VectorType(ir.IntType(32), self.machine.lanes)
        first = self.b.insert_element(undefined, number, ir.IntType(32)(0))
        return self.b.shuffle_vector(first, undefined, lanes(None))

    def constant(self, number: float) -> ir.Value:
        """A vector of one number that is known when the code is written."""
        return self.vector([number] * self.machine.lanes if number else None)

    def fma(self, left: ir.Value, right: ir.Value, addend: ir.Value) -> ir.Value:
        """left * right + addend, rounded once."""
        return self.b.call(self.intrinsic("fma", [self.vector] * 3, self.vector), [left, right, addend])

    def intrinsic(self, name: str, arguments: Sequence[ir.Type], result: ir.Type) -> ir.Function:
        """One of LLVM's own functions on vectors."""
        full_name, kind = f"llvm.{name}.v{self.machine.lanes}f{self.machine.bits}", ir.FunctionType(result, arguments)
        return self.once(full_name, lambda: ir.Function(self.module, kind, full_name))

    def clamp(self, value: ir.Value, bound: ir.Value) -> ir.Value:
        """The value within +-bound; NaN stays NaN."""
        b, negative = self.b, self.b.fneg(bound)
        value = b.select(b.fcmp_ordered(">", value, bound), bound, value)
        return b.select(b.fcmp_ordered("<", value, negative), negative, value)
