"""The protocols of this folder: a question to one subject, and a question to many; and a question that was skipped."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import torch

from probes.readings.reading import Reading
from probes.subject import LanguageSubject, RegressionSubject

SubjectT = TypeVar("SubjectT", contravariant=True)


@dataclass(frozen=True)
class Skipped:
    """A probe or control that does not apply to a subject, and why, in one line."""

    probe: str
    subject: str
    reason: str


@runtime_checkable
class ProbeOf(Protocol[SubjectT]):
    """A question put to one subject of a kind: a frozen dataclass whose fields are its parameters.

    Laws: the model, its hooks, its training mode and the global random state are as before the call; a head's basis and
    the order of prompts in a batch change nothing; a probe knows nothing of controls.
    """

    @property
    def name(self) -> str:
        """The name in tables and on the command line."""
        ...

    def applies(self, subject: SubjectT) -> str | None:
        """None where the question makes sense for a subject of this kind, or the reason why not in one line."""
        ...

    def __call__(self, subject: SubjectT, generator: torch.Generator) -> Reading:
        """Measure."""
        ...


# A probe of subjects of either kind is a probe of each.
Probe: TypeAlias = ProbeOf[RegressionSubject] | ProbeOf[LanguageSubject]


@runtime_checkable
class Comparison(Protocol):
    """A question that needs the readings of many subjects: over checkpoints, over seeds."""

    def __call__(self, readings: Reading) -> Reading:
        """Measure."""
        ...
