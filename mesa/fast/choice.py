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
    """A way to compute the loss, and a remark; `path` is None for `plain`, the model's own forward pass."""

    way: Way
    remark: str
    path: "FastPath | KernelPath | None" = None

    @property
    def loss(self) -> Callable[..., Tensor] | None:
        """The loss of prompts, where it is not by the model's own forward pass."""
        return self.path and self.path.loss

    def __str__(self) -> str:
        return _NAMES[self.way] + (f" ({self.remark})" if self.remark else "")


def choose(model: nn.Module, reader: Reader, wanted: Wanted = "auto", example: Prompt | None = None) -> Choice:
    """The fastest way that is exact for this model and that this machine can run, or the one that is wanted.

    An `example` of the prompts tells how much memory a way takes.

    Raises UserError where the one that is wanted cannot be had.
    """
    way, reason = supported(model, reader, wanted, example)
    exact = None if way == "plain" else path(model, reader)
    machine = machine_for(exact.model) if way == "kernel" and exact else None
    if exact is None or machine is None:
        return Choice(way, reason, exact)
    from mesa.fast.kernel.path import KernelPath

    return Choice(way, f"{machine.lanes} prompts at once", KernelPath(exact, machine))
