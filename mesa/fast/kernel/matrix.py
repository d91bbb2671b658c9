"""Matrices of which every entry is a vector: one number for each of a few prompts.

A processor adds and multiplies 16 numbers (8 with AVX2) in one instruction. The matrices of one prompt are too small
for that: rows of 11 channels. So 16 prompts are computed at once, and the prompts come last in memory:

    entry          (0,0)           (0,1)               (1,0)
    prompt     0 1 2 ... 15    0 1 2 ... 15   ...  0 1 2 ... 15   ...
               <-- vector ->   <-- vector ->       <-- vector ->

The matrices of such a block of prompts, with the gradients of all layers, fit in the second-level cache. A transpose
swaps the strides, and rows or columns are an offset: neither moves a number. A weight is the same for all prompts: its
entries are single numbers, which an instruction reads into all 16 lanes.
"""

from dataclasses import dataclass, field, replace

from llvmlite import ir


@dataclass(eq=False)
class Buffer:
    """Where the entries of a matrix and of its views lie; `shared`: one number each, for all prompts.

    `varies`: does it depend on a weight, so that it has a gradient? `gradient` is set once that is formed.
    """

    pointer: ir.Value
    size: int
    shared: bool = False
    varies: bool = True
    gradient: "Buffer | None" = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Matrix:
    """A view of a buffer: entry (i, j) is number offset + i row_stride + j column_stride of it."""

    buffer: Buffer
    rows: int
    columns: int
    row_stride: int
    column_stride: int = 1
    offset: int = 0

    @property
    def T(self) -> "Matrix":
        """The transpose."""
        swapped = {"row_stride": self.column_stride, "column_stride": self.row_stride}
        return replace(self, rows=self.columns, columns=self.rows, **swapped)

    def __getitem__(self, span: tuple[slice, slice]) -> "Matrix":
        """Some rows and columns."""
        rows, columns = range(self.rows)[span[0]], range(self.columns)[span[1]]
        offset = self.offset + rows.start * self.row_stride + columns.start * self.column_stride
        strides = {"row_stride": rows.step * self.row_stride, "column_stride": columns.step * self.column_stride}
        return replace(self, rows=len(rows), columns=len(columns), offset=offset, **strides)

    @property
    def is_whole(self) -> bool:
        """Does it hold every entry of its buffer?"""
        return self.rows * self.columns == self.buffer.size

    def in_buffer(self, buffer: Buffer) -> "Matrix":
        """The same view of another buffer of this size: of the gradient, say."""
        return replace(self, buffer=buffer)

    def at(self, start: ir.Value) -> "Matrix":
        """A view of the same strides whose first entry stands at `start`."""
        return replace(self, buffer=replace(self.buffer, pointer=start), offset=0)
