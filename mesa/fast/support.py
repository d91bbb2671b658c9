"""Which ways to compute the training loss a model has on this machine, from the fastest on."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch

from mesa.errors import UserError
from mesa.fast.dispatch import path
from mesa.models.in_context import InContextTransformer
from tasks.readers.reader import Reader

if TYPE_CHECKING:
    from mesa.fast.kernel.machine import Machine

Way: TypeAlias = Literal["plain", "tensor", "kernel"]
Wanted: TypeAlias = Literal["auto", "kernel", "tensor", "plain"]


def supported(model: torch.nn.Module, reader: Reader, wanted: Wanted) -> tuple[Way, str]:
    """The way that is wanted, or the fastest that is exact and can run here, and why not a faster one.

    Raises UserError where the one that is wanted cannot be had.
    """
    if wanted == "plain":
        return "plain", ""
    way, reason = _fastest(model, reader)
    if wanted == "tensor" and way == "kernel":
        return "tensor", ""
    if wanted not in ("auto", way):
        raise UserError(f"training.fast: {wanted!r} is refused: {reason}")
    return way, reason


def _fastest(model: torch.nn.Module, reader: Reader) -> tuple[Way, str]:
    if path(model, reader) is None or not isinstance(model, InContextTransformer):
        return "plain", "only layers of attention, without norm, MLP, bias, mask or hook, have a faster way"
    obstacle = _obstacle(model)
    if not obstacle and machine_for(model) is None:
        obstacle = "no kernel was measured on this processor"
    return ("tensor", obstacle) if obstacle else ("kernel", "")


def _obstacle(model: InContextTransformer) -> str:
    if not model.embed.identity or model.embed.mlp is not None:
        return "the kernel has no embedding and no input MLP"
    if str(model.cfg.device or "cpu") != "cpu":
        return "the kernel runs on the processor"
    if model.cfg.dtype not in (torch.float32, torch.float64):
        return f"the kernel computes in float32 or float64, not in {model.cfg.dtype}"
    return _broken_llvmlite() if _has_llvmlite() else "llvmlite is not installed: pip install mesa-probes[fast]"


@cache
def _has_llvmlite() -> bool:
    return find_spec("llvmlite") is not None


@cache
def _broken_llvmlite() -> str:
    """Why an llvmlite that is installed cannot be used; empty where it can. It needs a library of the system."""
    try:
        import_module("mesa.fast.kernel.machine").machine(32)
    except (ImportError, OSError, RuntimeError) as error:
        return f"llvmlite is installed, but cannot be used: {' '.join(str(error).split())}"
    return ""


def machine_for(model: InContextTransformer) -> "Machine | None":
    """The processor's vectors for a model's numbers; None where no kernel was measured on it."""
    from mesa.fast.kernel.machine import machine

    return machine(64 if model.cfg.dtype == torch.float64 else 32)
