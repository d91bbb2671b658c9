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


class Decision(TypedDict):
    """Where `training.until` is settled: the last step before the cosine, and whether the loss had settled there."""

    cosine_from: int
    settled: bool


class Finished(TypedDict):
    """All steps were taken. Where `training.until` is settled, the decision that ended training is there too."""

    status: Literal["finished"]
    step: int
    cosine_from: NotRequired[int]
    settled: NotRequired[bool]


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
