"""The processor's vectors, the tiles that were measured to be fast on it, and code in its memory."""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from llvmlite import binding as llvm

Bits = Literal[32, 64]


@dataclass(frozen=True)
class Machine:
    """Vectors of `lanes` numbers of `bits` bits; the rows and columns of a tile of sums; LLVM's feature string."""

    bits: Bits
    lanes: int
    tile: tuple[int, int]
    features: str


def machine(bits: Bits, features: Mapping[str, bool] | None = None) -> Machine | None:
    """The vectors and tiles of a processor with these features, this one's by default; None where none was measured.

    A tile's sums, a row of B and an entry of A have to fit in the registers: 4 x 6 + 6 + 1 of 32 with AVX-512,
    4 x 3 + 3 + 1 of 16 with AVX2.
    """
    has = dict(_features() if features is None else features)
    if not (has.get("avx2") and has.get("fma")):
        return None
    if all(has.get(name) for name in ("avx512f", "avx512vl", "avx512dq", "avx512bw")):
        # By default LLVM takes half of each register, because older processors lowered their clock for whole ones.
        return Machine(bits, 512 // bits, (4, 6), _string(has) + ",-prefer-256-bit")
    # Else LLVM would still use the 32 registers of the processor that it runs on.
    wide = {name: False for name in {**has, **_features()} if name.startswith(("avx512", "avx10", "evex512"))}
    return Machine(bits, 256 // bits, (4, 3), _string({**has, **wide}))


@cache
def _features() -> dict[str, bool]:
    return dict(llvm.get_host_cpu_features())


def _string(features: Mapping[str, bool]) -> str:
    return ",".join(("+" if present else "-") + name for name, present in sorted(features.items()))


class Code:
    """Machine code of one module, in memory and never on disk; llvmlite raises RuntimeError where `text` is wrong."""

    def __init__(self, text: str, on: Machine) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(text)
        module.verify()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=on.features, opt=2, jit=True
        )
        # LLVM's passes over the module are left out: they double the compile time, and the code was no faster.
        self._engine = llvm.create_mcjit_compiler(module, target)
        self._engine.finalize_object()

    def function(self, name: str, *arguments: type) -> Callable[..., None]:
        """An exported function, to be called with arguments of these ctypes."""
        return ctypes.CFUNCTYPE(None, *arguments)(self._engine.get_function_address(name))
