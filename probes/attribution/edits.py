"""Edits of many heads at once: the edited variants of a clean run are stacked on the batch axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float
from torch import Tensor

from probes.subject import Subject
from tasks.readers.reader import Inputs

# The names of the inputs of a receiving head.
QKV = ("q", "k", "v")
# Tokens (variant batch pos) that one pass takes: enough to keep a processor busy, few enough for its cache.
TOKENS = 4096

Read = Callable[[Tensor, int], Tensor]
"""From predictions (variant*batch query d_out) and the number of variants to read-outs (variant batch), in float64."""


@dataclass(frozen=True, eq=False)
class Case:
    """A subject, a clean and a corrupted batch of inputs of one shape, and how the output is read."""

    subject: Subject
    clean: Inputs
    corrupted: Inputs
    read: Read


class HeadEdits(Protocol):
    """The clean and the corrupted run of one batch, and edits of the clean one.

    Heads are counted layer by layer. `z`, what heads hold before W_O, is a tensor per layer (batch pos head d_head).
    """

    clean_z: list[Tensor]
    corrupted_z: list[Tensor]

    def outputs(self) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """The read-outs of the clean and of the corrupted run."""
        ...

    def direct(self) -> Float[Tensor, "variant batch"]:
        """Read-outs where one head's direct write to the output is the corrupted run's and later layers are clean."""
        ...

    def ablated(
        self, heads: Bool[Tensor, "variant layer head"], z: Sequence[Tensor], hold_patterns: bool = False
    ) -> Float[Tensor, "variant batch"]:
        """Read-outs where some heads of each variant have the given z; `hold_patterns` keeps all patterns clean."""
        ...

    def paths(self, to: int) -> dict[str, Float[Tensor, "sender head batch"]]:
        """Read-outs where one earlier head's corrupted write reaches only one input of one head of layer `to`.

        Everything between the two heads is clean. Everything after the receiver is recomputed.
        """
        ...

    def joint_paths(self, to: int) -> dict[str, Float[Tensor, " batch"]]:
        """Read-outs where the corrupted writes of all earlier heads reach one input of all heads of layer `to`.

        The paths are direct ones, as in `paths`. Paths are not additive, so these are not the sums of those.
        """
        ...


def portions(variants: int, tokens: int) -> list[slice]:
    """Slices of variants, each of `tokens` tokens, such that one pass has about TOKENS of them.

    >>> portions(5, 2000)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = max(1, TOKENS // tokens)
    return [slice(start, min(start + size, variants)) for start in range(0, variants, size)]
