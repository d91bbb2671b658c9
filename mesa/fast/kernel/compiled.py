"""A program compiled in memory, as a function of tensors."""

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.fast.kernel.machine import Code, Machine
from mesa.fast.kernel.program import Program
from mesa.fast.kernel.shape import Shape

# Vectors of 64 bytes are loaded and stored whole.
_ALIGNMENT = 64


class Kernel:
    """The code for one shape, with its workspace; threads take turns."""

    def __init__(self, shape: Shape, machine: Machine) -> None:
        with _no_collection():
            program = Program(shape, machine)
            self._code = Code(str(program.emit.module), machine)
        self.lanes, self._numbers = machine.lanes, shape.products
        self.flops = 2 * program.emit.multiplications
        self.dtype = torch.float64 if machine.bits == 64 else torch.float32
        number = ctypes.c_double if machine.bits == 64 else ctypes.c_float
        tensors = len(shape.sources) + 1
        kinds = [ctypes.c_void_p] * tensors + [ctypes.c_int64] * tensors + [ctypes.c_void_p] * 4
        self._function = self._code.function("kernel", *kinds, ctypes.c_int64, number, ctypes.c_int64)
        self._workspace = self._aligned(program.size * machine.lanes)
        self._shares: dict[tuple[int, int], Tensor] = {}
        self._turn = threading.Lock()

    def __call__(
        self,
        sources: list[Tensor],
        target: Tensor,
        clip: float,
        products: Float[Tensor, "2 layer head d d"],
        gradient: bool,
    ) -> Float[Tensor, "sum"]:
        """The loss and, behind it, its gradient in every one of `products`, which are A and V of every head."""
        if products.numel() != self._numbers or products.dtype != self.dtype or products.device.type != "cpu":
            raise ValueError(f"products: {self._numbers} numbers of {self.dtype} in the processor's memory are needed")
        batch, queries, _ = target.shape
        blocks = -(-batch // self.lanes)
        tensors = [_readable(tensor, blocks * self.lanes) for tensor in (*sources, target)]
        share, products = self._share(batch, queries), products.contiguous()
        sums = torch.empty(1 + self._numbers, dtype=self.dtype)
        addresses = [tensor.data_ptr() for tensor in tensors]
        others = [tensor.data_ptr() for tensor in (share, products, self._workspace, sums)]
        with self._turn:
            self._function(*addresses, *(tensor.stride(0) for tensor in tensors), *others, blocks, clip, int(gradient))
        return sums

    def _share(self, batch: int, queries: int) -> Tensor:
        """What each prompt counts in the mean: zero if it only fills the last block."""
        if (batch, queries) not in self._shares:
            share = self._aligned(-(-batch // self.lanes) * self.lanes)
            share[:batch] = 1 / (batch * queries)
            self._shares[batch, queries] = share
        return self._shares[batch, queries]

    def _aligned(self, size: int) -> Tensor:
        memory = torch.zeros(size + _ALIGNMENT, dtype=self.dtype)
        first = -memory.data_ptr() % _ALIGNMENT // memory.element_size()
        return memory[first : first + size]


def _readable(tensor: Float[Tensor, "batch row column"], prompts: int) -> Tensor:
    """The same numbers, each prompt's without gaps; the last prompt is repeated until there are `prompts` of them."""
    missing = prompts - len(tensor)
    if missing:
        tensor = torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])
    rows, columns = tensor.shape[1:]
    gapless = (columns == 1 or tensor.stride(2) == 1) and (rows == 1 or tensor.stride(1) == columns)
    return tensor if gapless else tensor.contiguous()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's garbage collector: it takes half a second for tens of thousands of objects that are in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@lru_cache(maxsize=16)
def kernel_of(shape: Shape, machine: Machine) -> Kernel:
    """The kernel of a shape, compiled once in a process."""
    return Kernel(shape, machine)
