"""A probe's methods refuse a subject of another kind by name, also where they are called directly."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar, cast

import torch

MethodT = TypeVar("MethodT", bound=Callable[..., object])


def measuring(kind: type, method: MethodT) -> MethodT:
    """A probe's `__call__` that raises ValueError for a subject that is not of this class."""

    @wraps(method)
    def checked(self: object, subject: object, generator: torch.Generator) -> object:
        reason = _why_not(self, kind, subject)
        if reason is not None:
            raise ValueError(f"subject: {reason}")
        return method(self, subject, generator)

    return cast("MethodT", checked)


def applying(kind: type, method: MethodT) -> MethodT:
    """A probe's `applies` that returns the reason for a subject that is not of this class."""

    @wraps(method)
    def checked(self: object, subject: object) -> object:
        return _why_not(self, kind, subject) or method(self, subject)

    return cast("MethodT", checked)


def _why_not(probe: object, kind: type, subject: object) -> str | None:
    if isinstance(subject, kind):
        return None
    return f"{type(probe).__name__} measures a {kind.__name__}, and this is a {type(subject).__name__}"
