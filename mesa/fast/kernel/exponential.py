"""exp of a vector, by its Taylor series around the nearest multiple of log 2."""

import math
from decimal import Decimal

from llvmlite import ir

from mesa.fast.kernel.emit import Emitter

# |r| <= log(2) / 2 = .347. The first term left out is below .347^8 / 8! = 5e-9, or .347^14 / 14! = 4e-18: less than a
# tenth of the spacing of the numbers.
_TERMS = {32: 8, 64: 14}
_COARSE = round(math.log(2) * 2**12) / 2**12
# The exponent's bits stand above those of the significand; exp(_LOWEST) is just above the smallest normal number.
_SIGNIFICAND_BITS, _LOWEST = {32: 23, 64: 52}, {32: -87.0, 64: -708.0}


def exponential(emit: Emitter, power: ir.Value) -> ir.Value:
    """exp(x) for x <= 0, to 2 units in the last place; below -87 (float64: -708) that of this bound. NaN stays NaN.

    x = n log 2 + r, so exp(x) = 2^n exp(r): n is added to the bits of the exponent.
    """
    b, bits = emit.b, emit.machine.bits
    lowest = emit.constant(_LOWEST[bits])
    power = b.select(b.fcmp_ordered("<", power, lowest), lowest, power)
    # Adding this constant rounds to a whole number, which the last bits of the sum then hold.
    rounding = emit.constant(1.5 * 2.0 ** _SIGNIFICAND_BITS[bits])
    shifted = emit.fma(power, emit.constant(1 / math.log(2)), rounding)
    whole = b.fsub(shifted, rounding)
    # log 2 in two parts: the first has so few digits that the difference is exact, the second is the remainder.
    rest = emit.fma(whole, emit.constant(-_COARSE), power)
    rest = emit.fma(whole, emit.constant(-float(Decimal(2).ln() - Decimal(_COARSE))), rest)
    total = emit.constant(1 / math.factorial(_TERMS[bits] - 1))
    for n in reversed(range(_TERMS[bits] - 1)):
        total = emit.fma(total, rest, emit.constant(1 / math.factorial(n)))
    integer = ir.VectorType(ir.IntType(bits), emit.machine.lanes)
    shift = ir.Constant(integer, [_SIGNIFICAND_BITS[bits]] * emit.machine.lanes)
    return b.bitcast(b.add(b.bitcast(total, integer), b.shl(b.bitcast(shifted, integer), shift)), emit.vector)
