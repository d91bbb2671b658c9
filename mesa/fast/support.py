"""The fastest way to compute the training loss that is exact for a model and runs on this machine."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import torch

from mesa.errors import UserError
from mesa.fast.dispatch import path
from mesa.models.in_context import InContextTransformer
from tasks.prompt import Prompt, RegressionPrompt
from tasks.readers.reader import Inputs, Reader

if TYPE_CHECKING:
    from mesa.fast.kernel.machine import Machine
    from mesa.models.attention import KernelAttention

# Compiling takes some hundredths of a second for each head of each layer.
_MOST_HEADS = 256
# At 108 MB the kernel, which then works outside all caches, was still 1.7 times as fast as tensor operations.
_MOST_BYTES = 2**27
# A number of each prompt of a block is a vector of 64 bytes; AVX2 has half as many prompts.
_BYTES_PER_NUMBER = 64
Way: TypeAlias = Literal["plain", "tensor", "kernel"]
Wanted: TypeAlias = Literal["auto", "kernel", "tensor", "plain"]


def supported(model: torch.nn.Module, reader: Reader, wanted: Wanted, example: Prompt | None = None) -> tuple[Way, str]:
    """The way that is wanted, or the fastest that is exact and can run here, and why not a faster one.

    An `example` of the prompts tells how much memory the kernel needs.
    Raises UserError where the way that is wanted cannot be taken.
    """
    if wanted == "plain":
        return "plain", ""
    way, reason = _fastest(model, reader, example)
    if wanted == "tensor" and way == "kernel":
        return "tensor", ""
    if wanted not in ("auto", way):
        raise UserError(f"training.fast: {wanted!r} is refused: {reason}")
    return way, reason


def _fastest(model: torch.nn.Module, reader: Reader, example: Prompt | None) -> tuple[Way, str]:
    if path(model, reader) is None or not isinstance(model, InContextTransformer):
        return "plain", "only layers of attention, without norm, MLP, bias, mask or hook, have a faster way"
    obstacle = _obstacle(model)
    if not obstacle and machine_for(model) is None:
        obstacle = "no kernel was measured on this processor"
    if not obstacle and isinstance(example, RegressionPrompt):
        obstacle = _too_large(model, reader.encode(example))
    return ("tensor", obstacle) if obstacle else ("kernel", "")


def _obstacle(model: InContextTransformer) -> str:
    if not model.embed.identity or model.embed.mlp is not None:
        return "the kernel has no embedding and no input MLP"
    if str(model.cfg.device or "cpu") != "cpu":
        return "the kernel runs on the processor"
    if model.cfg.dtype not in (torch.float32, torch.float64):
        return f"the kernel computes in float32 or float64, not in {model.cfg.dtype}"
    return _broken_llvmlite() if _has_llvmlite() else "llvmlite is not installed: pip install mesa-probes[fast]"


def _too_large(model: InContextTransformer, inputs: Inputs) -> str:
    """Why no kernel is compiled for such prompts; empty where it is."""
    config, (rows, width) = model.config, inputs.values.shape[1:]
    if config.n_layers * config.n_heads > _MOST_HEADS:
        return f"the code of {config.n_layers} layers of {config.n_heads} heads would take long to compile"
    kernels = [cast("KernelAttention", block.attn).kernel for block in model.blocks]
    size = _BYTES_PER_NUMBER * workspace_numbers(kernels, config.n_heads, rows, inputs.queries, width)
    return f"the kernel would take about {size / 2**20:,.0f} MB of memory" if size > _MOST_BYTES else ""


def workspace_numbers(kernels: Sequence[str], heads: int, rows: int, queries: int, width: int) -> int:
    """About how many numbers the kernel keeps of one prompt: tokens, products and patterns, with their gradients."""
    total = 0
    for layer, kernel in enumerate(kernels):
        # The last layer is computed for the queries alone; a linear one before it has no pattern.
        moved = queries if layer == len(kernels) - 1 else rows
        patterns = heads * 3 * (moved * rows + (moved + rows) * width)
        total += 3 * moved * width
        total += (6 + 2 * heads) * width**2 if kernel == "linear" and moved == rows else patterns
    return total


@cache
def _has_llvmlite() -> bool:
    return find_spec("llvmlite") is not None


@cache
def _broken_llvmlite() -> str:
    """Why an llvmlite that is installed cannot be used, such as a missing system library; empty where it can."""
    try:
        import_module("mesa.fast.kernel.machine").machine(32)
    except (ImportError, OSError, RuntimeError) as error:
        return f"llvmlite is installed, but cannot be used: {' '.join(str(error).split())}"
    return ""


def machine_for(model: InContextTransformer) -> "Machine | None":
    """The processor's vectors for a model's numbers; None where no kernel was measured on it."""
    from mesa.fast.kernel.machine import machine

    return machine(64 if model.cfg.dtype == torch.float64 else 32)
