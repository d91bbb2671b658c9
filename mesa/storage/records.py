"""What training leaves on record for a seed: how it ended, and what each evaluation measured."""

from typing import Literal, TypeAlias, TypedDict

from typing_extensions import NotRequired


class NotStarted(TypedDict):
    """Training has not come to this seed."""

    status: Literal["not started"]


class Interrupted(TypedDict):
    """Training stopped before its last step, and would go on; `step` is known where the process saved and stopped."""

    status: Literal["interrupted"]
    step: NotRequired[int]


class Finished(TypedDict):
    """All steps were taken."""

    status: Literal["finished"]
    step: int


class NotFinite(TypedDict):
    """A loss, a gradient or a weight was not finite: at which step, which one, and the last checkpoint before it."""

    status: Literal["diverged"]
    step: int
    reason: str
    last_good_checkpoint: str


Outcome: TypeAlias = NotStarted | Interrupted | Finished | NotFinite


class Evaluation(TypedDict):
    """One line of metrics.jsonl: losses as the reader defines them; None before the first step."""

    step: int
    train_loss: float | None
    held_out_loss: float
    gradient_norm: float | None
