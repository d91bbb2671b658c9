"""Matrices of which every entry is a vector: one number for each of a few prompts.

A processor adds and multiplies a vector of 16 numbers (AVX2: 8) in one instruction. The matrices of one prompt are too
small for that: their rows have about 11 numbers. So a block of 16 prompts is computed at once, each in its own lane of
the vectors, and the prompt is the last index in memory:

    entry        (0, 0)          (0, 1)       ...      (1, 0)       ...
    prompt    0 1 2 ... 15    0 1 2 ... 15    ...   0 1 2 ... 15    ...
              <- vector ->    <- vector ->          <- vector ->

All matrices of a block, with their gradients, take .4 MB for five layers of 11 channels and 10 examples: they stay in
the second-level cache. A transpose swaps the strides, and a part shifts the offset: neither copies a number. A weight
is the same for all prompts: its entries are single numbers, and an instruction copies one into all lanes.
"""

from dataclasses import dataclass, field, replace

from llvmlite import ir


@dataclass(eq=False)
class Buffer:
    """The memory of a matrix and of its views: `size` entries, each a vector, or a single number if `shared`.

    `varies` if it depends on a weight and so has a gradient; `gradient` is None until that has memory.
    """

    pointer: ir.Value
    size: int
    shared: bool = False
    varies: bool = True
    gradient: "Buffer | None" = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Matrix:
    """A view of a buffer: entry (i, j) is its entry offset + i row_stride + j column_stride."""

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
        """The same view of another buffer of this size, such as that of the gradient."""
        return replace(self, buffer=buffer)

    def at(self, start: ir.Value) -> "Matrix":
        """The matrix of the same shape and strides whose first entry is at address `start`."""
        return replace(self, buffer=replace(self.buffer, pointer=start), offset=0)
