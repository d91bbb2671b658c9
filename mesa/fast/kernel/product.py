"""Sums of matrix products, in tiles that stay in the processor's registers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from llvmlite import ir

from mesa.fast.kernel.emit import INDEX, Emitter, Index, Values
from mesa.fast.kernel.matrix import Matrix

Term: TypeAlias = tuple[Matrix, Matrix]
Tiles: TypeAlias = tuple[int, int, int]
"""The first row, or column, the number of tiles, and how many rows each has."""


@dataclass(frozen=True, eq=False)
class Product:
    """into = plus + 1, if `identity`, + sum of A B over terms."""

    into: Matrix
    terms: Sequence[Term]
    plus: Matrix | None = None
    identity: bool = False

    @property
    def matrices(self) -> list[Matrix]:
        """All that takes part."""
        return [self.into, *(matrix for term in self.terms for matrix in term), *([self.plus] if self.plus else [])]

    def emit(self, emit: Emitter) -> None:
        """Call the function that computes it.

        All products of one shape and one layout are one function, whichever matrices of whichever layer they multiply:
        the code stays small, and compiles in a fraction of a second.
        """
        emit.multiplications += sum(self.into.rows * self.into.columns * A.columns for A, _ in self.terms)
        layout = ((m.rows, m.columns, m.row_stride, m.column_stride, m.buffer.shared) for m in self.matrices)
        key = (*layout, self.plus is None, self.identity)
        function = emit.once(key, lambda: self._function(emit))
        emit.b.call(function, [emit.address(matrix, 0, 0) for matrix in self.matrices])

    def _function(self, emit: Emitter) -> ir.Function:
        name = emit.module.get_unique_name("product")
        with emit.function(name, [matrix.buffer.pointer.type for matrix in self.matrices]) as function:
            into, *rest = (matrix.at(pointer) for matrix, pointer in zip(self.matrices, function.args, strict=True))
            plus = rest.pop() if self.plus else None
            here = replace(self, into=into, terms=list(zip(rest[::2], rest[1::2], strict=True)), plus=plus)
            height, width = _tile_size(emit, into)
            for rows in _tilings(into.rows, height):
                for columns in _tilings(into.columns, width):
                    here._tiles(emit, rows, columns)
        return function

    def _tiles(self, emit: Emitter, rows: Tiles, columns: Tiles) -> None:
        (top, down, height), (left, across, width) = rows, columns

        def tile(a: Index, c: Index) -> None:
            i, j = emit.index((top, 1), (a, height)), emit.index((left, 1), (c, width))
            moved = replace(
                self,
                into=self.into.at(emit.address(self.into, i, j)),
                terms=[(A.at(emit.address(A, i, 0)), B.at(emit.address(B, 0, j))) for A, B in self.terms],
                plus=self.plus and self.plus.at(emit.address(self.plus, i, j)),
            )
            moved._tile(emit, height, width, emit.b.sub(i, j))

        emit.grid(down, across, tile)

    def _tile(self, emit: Emitter, height: int, width: int, below: ir.Value) -> None:
        """Only the first `height` rows and `width` columns; entry (0, 0) stands `below` rows under the diagonal."""
        b, sums = emit.b, [emit.constant(0.0)] * (height * width)
        for A, B in self.terms:

            def step(k: Index, carried: Values, A: Matrix = A, B: Matrix = B) -> Values:
                across = [emit.load(B, k, j) for j in range(width)]
                down = (emit.load(A, i, k) for i in range(height))
                pairs = ((left, right) for left in down for right in across)
                return [emit.fma(*pair, total) for pair, total in zip(pairs, carried, strict=True)]

            sums = emit.loop(A.columns, step, sums)
        for n, total in enumerate(sums):
            i, j = divmod(n, width)
            if self.plus is not None:
                total = b.fadd(total, emit.load(self.plus, i, j))
            if self.identity:
                one = b.select(b.icmp_signed("==", below, INDEX(j - i)), emit.number(1.0), emit.number(0.0))
                total = b.fadd(total, emit.splat(one))
            emit.store(total, self.into, i, j)


def _tilings(length: int, size: int) -> list[Tiles]:
    """Whole tiles, then what is left."""
    count, left = divmod(length, size)
    return [tiles for tiles in ((0, count, size), (count * size, 1, left)) if tiles[1] * tiles[2]]


def _tile_size(emit: Emitter, into: Matrix) -> tuple[int, int]:
    """Rows and columns of a tile: as many sums as the registers hold beside a column of A and a row of B."""
    height, width = emit.machine.tile
    long = height * width // 2
    return (1, long) if into.rows == 1 else (long, 1) if into.columns == 1 else (height, width)
