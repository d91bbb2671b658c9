"""The way in which the training loss is computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from mesa.fast.dispatch import FastPath, path
from mesa.fast.support import Wanted, Way, machine_for, supported
from tasks.prompt import Prompt
from tasks.readers.reader import Reader

if TYPE_CHECKING:
    from mesa.fast.kernel.path import KernelPath

_NAMES = {"plain": "the model's own forward pass", "tensor": "tensor operations", "kernel": "the compiled kernel"}


@dataclass(frozen=True)
class Choice:
    """A way to compute the loss, and why not a faster one; `path` is None for the model's own forward pass, `plain`."""

    way: Way
    remark: str
    path: "FastPath | KernelPath | None" = None

    @property
    def loss(self) -> Callable[..., Tensor] | None:
        """The loss of prompts by this path; None for the model's own forward pass."""
        return self.path and self.path.loss

    def __str__(self) -> str:
        return _NAMES[self.way] + (f" ({self.remark})" if self.remark else "")


def choose(model: nn.Module, reader: Reader, wanted: Wanted = "auto", example: Prompt | None = None) -> Choice:
    """The way that is wanted, or the fastest that is exact for this model and that this machine can run.

    An `example` of the prompts tells how much memory the kernel needs.

    Raises UserError where the way that is wanted cannot be taken.
    """
    way, reason = supported(model, reader, wanted, example)
    tensors = None if way == "plain" else path(model, reader)
    machine = machine_for(tensors.model) if way == "kernel" and tensors else None
    if tensors is None or machine is None:
        return Choice(way, reason, tensors)
    from mesa.fast.kernel.path import KernelPath

    return Choice(way, f"{machine.lanes} prompts at once", KernelPath(tensors, machine))
