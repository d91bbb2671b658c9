"""Uniform numbers, bit for bit those that torch draws on the processor, a vector of them at a time.

torch's generator is MT19937 (Matsumoto & Nishimura 1998): word n + 624 is word n + 397, xor a mix of words n and n + 1.
Here 1248 words follow one another in memory, so three vectors of earlier words give the next vector:

    n, n + 1         n + 397              n + 624
    |.. the state ...|....................|-- vector -> |

The new words are tempered, and 24 bits of each are a fraction. 624 new words then replace the state.
"""

import ctypes
import math
from functools import cache, partial

import torch
from llvmlite import ir
from torch import Tensor

from mesa.fast.kernel.emit import INDEX, Emitter, Index
from mesa.fast.kernel.machine import Code, Machine

_STATE, _MIDDLE = 624, 397
# torch.Generator.get_state() as 64-bit integers: the seed, two flags of 32 bits, the next word's number, the words.
_FLAGS, _NEXT, _WORDS = 1, 2, slice(3, 3 + _STATE)
# The first flag counts the words left, plus one; the second says that the generator has a seed.
_SEEDED = 1 << 32


class Uniform:
    """Draws as `Tensor.uniform_` does from a generator that was just seeded."""

    def __init__(self, machine: Machine) -> None:
        self._code = Code(_program(machine), machine)
        pointers, numbers = [ctypes.c_void_p] * 2, [ctypes.c_float] * 2
        self._function = self._code.function("uniform", *pointers, ctypes.c_int64, *numbers)

    def __call__(self, shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
        """Numbers of [low, high) in float32; the generator goes on behind them. ValueError unless it is fresh."""
        count = math.prod(shape)
        blocks = -(-count // _STATE)
        saved = generator.get_state()
        state = saved.view(torch.int64)
        if state[_FLAGS] != _SEEDED + 1 or not count:
            raise ValueError("generator: it must have been seeded, and nothing drawn from it")
        words = torch.empty(2 * _STATE, dtype=torch.int32)
        words[:_STATE] = state[_WORDS]
        numbers = torch.empty(blocks * _STATE, dtype=torch.float32)
        # torch subtracts the bounds in float32.
        width = torch.tensor(high, dtype=torch.float32).sub(low).item()
        self._function(words.data_ptr(), numbers.data_ptr(), blocks, low, width)
        drawn = count - (blocks - 1) * _STATE
        state[_WORDS] = words[:_STATE]
        state[_FLAGS], state[_NEXT] = _SEEDED + _STATE + 1 - drawn, drawn
        generator.set_state(saved)
        return numbers[:count].view(shape)


@cache
def uniform_of(machine: Machine) -> Uniform | None:
    """The draw by this machine's vectors; None where torch draws other numbers, as another release of it may."""
    draw, source, same = Uniform(machine), torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    # The width is no power of two, so the numbers show in which steps torch rounds.
    empty = torch.empty(2000, dtype=torch.float32)
    ours, theirs = draw((2000,), -0.3, 1.4, source), empty.uniform_(-0.3, 1.4, generator=same)
    following = [torch.empty(2000).normal_(generator=generator) for generator in (source, same)]
    return draw if torch.equal(ours, theirs) and torch.equal(*following) else None


def _program(machine: Machine) -> str:
    """The code of `uniform(words, numbers, blocks of 624 numbers, low, width)`."""
    emit, lanes = Emitter(machine), machine.lanes
    integers = ir.VectorType(ir.IntType(32), lanes).as_pointer()
    kinds = [ir.IntType(32).as_pointer(), emit.number.as_pointer(), INDEX, emit.number, emit.number]
    with emit.function("uniform", kinds, exported=True) as function:
        words, numbers, blocks, low, width = function.args
        b, low, width = emit.b, emit.splat(low), emit.splat(width)

        def at(n: Index, offset: int) -> ir.Value:
            return b.bitcast(b.gep(words, [emit.index((n, lanes), (offset, 1))]), integers)

        def draw(block: Index, n: Index) -> None:
            word = _next_word(emit, *(b.load(at(n, offset), align=4) for offset in (0, 1, _MIDDLE)))
            b.store(word, at(n, _STATE), align=4)
            # torch, too, rounds low + width * fraction only once.
            number = emit.fma(_fraction(emit, word), width, low)
            into = b.gep(numbers, [emit.index((block, _STATE), (n, lanes))])
            b.store(number, b.bitcast(into, emit.vector.as_pointer()), align=4)

        def copy(n: Index, _: object) -> None:
            b.store(b.load(at(n, _STATE), align=4), at(n, 0), align=4)

        def draw_block(block: Index, _: object) -> None:
            emit.loop(_STATE // lanes, lambda n, _: draw(block, n))
            emit.loop(_STATE // lanes, copy)

        emit.loop(blocks, draw_block)
    return str(emit.module)


def _next_word(emit: Emitter, first: ir.Value, second: ir.Value, middle: ir.Value) -> ir.Value:
    """Word n + 624 of words n, n + 1 and n + 397."""
    b, same = emit.b, partial(_same, emit)
    mixed = b.or_(b.and_(first, same(0x80000000)), b.and_(second, same(0x7FFFFFFF)))
    if_odd = b.and_(b.neg(b.and_(second, same(1))), same(0x9908B0DF))
    return b.xor(middle, b.xor(b.lshr(mixed, same(1)), if_odd))


def _fraction(emit: Emitter, word: ir.Value) -> ir.Value:
    """The last 24 bits of the tempered word, as a fraction of 1."""
    b, same = emit.b, partial(_same, emit)
    for shift, mask in ((-11, 0xFFFFFFFF), (7, 0x9D2C5680), (15, 0xEFC60000), (-18, 0xFFFFFFFF)):
        moved = b.shl(word, same(shift)) if shift > 0 else b.lshr(word, same(-shift))
        word = b.xor(word, b.and_(moved, same(mask)))
    return b.fmul(b.sitofp(b.and_(word, same(2**24 - 1)), emit.vector), emit.constant(2.0**-24))


def _same(emit: Emitter, number: int) -> ir.Constant:
    """A vector of one known 32-bit integer."""
    return ir.VectorType(ir.IntType(32), emit.machine.lanes)([number] * emit.machine.lanes)
