"""Sums of matrix products, in tiles that stay in the processor's registers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from llvmlite import ir

from mesa.fast.kernel.emit import INDEX, Emitter, Index, Values
from mesa.fast.kernel.matrix import Matrix

Term: TypeAlias = tuple[Matrix, Matrix]
Tiles: TypeAlias = tuple[int, int, int]
"""The first row (or column), the number of tiles one after another, and how many rows (columns) each has."""


@dataclass(frozen=True, eq=False)
class Product:
    """into = sum of A B over terms, + every matrix of `plus`, + the identity matrix if `identity`."""

    into: Matrix
    terms: Sequence[Term]
    plus: Sequence[Matrix] = ()
    identity: bool = False

    @property
    def matrices(self) -> list[Matrix]:
        """The result and all operands."""
        return [self.into, *(matrix for term in self.terms for matrix in term), *self.plus]

    def emit(self, emit: Emitter) -> None:
        """Call the function that computes it."""
        emit.multiplications += sum(self.into.rows * self.into.columns * A.columns for A, _ in self.terms)

        def product(emit: Emitter, into: Matrix, *operands: Matrix) -> None:
            factors, plus = operands[: 2 * len(self.terms)], operands[2 * len(self.terms) :]
            terms = list(zip(factors[::2], factors[1::2], strict=True))
            given, (height, width) = replace(self, into=into, terms=terms, plus=plus), _tile_size(emit, into)
            for rows in _tilings(into.rows, height):
                for columns in _tilings(into.columns, width):
                    given._tiles(emit, rows, columns)

        emit.call(product, self.matrices, len(self.terms), self.identity)

    def _tiles(self, emit: Emitter, rows: Tiles, columns: Tiles) -> None:
        (top, tiles_down, height), (left, tiles_across, width) = rows, columns

        def tile(a: Index, c: Index) -> None:
            i, j = emit.index((top, 1), (a, height)), emit.index((left, 1), (c, width))
            at_tile = replace(
                self,
                into=self.into.at(emit.address(self.into, i, j)),
                terms=[(A.at(emit.address(A, i, 0)), B.at(emit.address(B, 0, j))) for A, B in self.terms],
                plus=[matrix.at(emit.address(matrix, i, j)) for matrix in self.plus],
            )
            at_tile._tile(emit, height, width, emit.b.sub(i, j))

        emit.grid(tiles_down, tiles_across, tile)

    def _tile(self, emit: Emitter, height: int, width: int, below: ir.Value) -> None:
        """The first `height` rows and `width` columns; entry (0, 0) is `below` rows under the identity's diagonal."""
        b, sums = emit.b, [emit.constant(0.0)] * (height * width)
        for A, B in self.terms:

            def step(k: Index, totals: Values, A: Matrix = A, B: Matrix = B) -> Values:
                row_of_B = [emit.load(B, k, j) for j in range(width)]
                column_of_A = (emit.load(A, i, k) for i in range(height))
                pairs = ((left, right) for left in column_of_A for right in row_of_B)
                return [emit.fma(*pair, total) for pair, total in zip(pairs, totals, strict=True)]

            sums = emit.loop(A.columns, step, sums)
        for n, total in enumerate(sums):
            i, j = divmod(n, width)
            for matrix in self.plus:
                total = b.fadd(total, emit.load(matrix, i, j))
            if self.identity:
                one = b.select(b.icmp_signed("==", below, INDEX(j - i)), emit.number(1.0), emit.number(0.0))
                total = b.fadd(total, emit.splat(one))
            emit.store(total, self.into, i, j)


def _tilings(length: int, size: int) -> list[Tiles]:
    """The tiles of whole size, then one of the remainder."""
    count, remainder = divmod(length, size)
    return [tiles for tiles in ((0, count, size), (count * size, 1, remainder)) if tiles[1] * tiles[2]]


def _tile_size(emit: Emitter, into: Matrix) -> tuple[int, int]:
    """Rows and columns of a tile. A single row needs as many entries of B as it has sums, hence half as many sums."""
    height, width = emit.machine.tile
    length = height * width // 2
    return (1, length) if into.rows == 1 else (length, 1) if into.columns == 1 else (height, width)
