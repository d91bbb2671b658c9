"""exp of a vector, by its Taylor series around the nearest multiple of log 2."""

import math
from decimal import Decimal

from llvmlite import ir

from mesa.fast.kernel.emit import Emitter

# |r| <= log(2) / 2 = .347 after reduction: the first term left out is .347^8 / 8! = 5e-9 and .347^14 / 14! = 4e-18 of
# the result, a tenth and a fiftieth of the spacing of the numbers.
_TERMS = {32: 8, 64: 14}
# Adding this constant rounds to a whole number, which then stands in the last bits. Exponents have 8 or 11 bits.
_ROUNDING = {32: 1.5 * 2.0**23, 64: 1.5 * 2.0**52}
_COARSE = round(math.log(2) * 2**12) / 2**12
_SIGNIFICAND, _LOWEST = {32: 23, 64: 52}, {32: -87.0, 64: -708.0}


def exponential(emit: Emitter, power: ir.Value) -> ir.Value:
    """exp(x) for x <= 0, to 2 units in the last place; below the smallest normal number, that number. NaN stays NaN.

    x = n log 2 + r, exp(x) = 2^n exp(r): 2^n is n in the bits of the exponent.
    """
    b, bits = emit.b, emit.machine.bits
    lowest = emit.constant(_LOWEST[bits])
    power = b.select(b.fcmp_ordered("<", power, lowest), lowest, power)
    rounding = emit.constant(_ROUNDING[bits])
    shifted = emit.fma(power, emit.constant(1 / math.log(2)), rounding)
    whole = b.fsub(shifted, rounding)
    # log 2 in two parts: the first has few digits, so that whole times it is exact; the second is what it lacks.
    rest = emit.fma(whole, emit.constant(-_COARSE), power)
    rest = emit.fma(whole, emit.constant(-float(Decimal(2).ln() - Decimal(_COARSE))), rest)
    total = emit.constant(1 / math.factorial(_TERMS[bits] - 1))
    for n in reversed(range(_TERMS[bits] - 1)):
        total = emit.fma(total, rest, emit.constant(1 / math.factorial(n)))
    integer = ir.VectorType(ir.IntType(bits), emit.machine.lanes)
    shift = ir.Constant(integer, [_SIGNIFICAND[bits]] * emit.machine.lanes)
    return b.bitcast(b.add(b.bitcast(total, integer), b.shl(b.bitcast(shifted, integer), shift)), emit.vector)
