"""Errors that a user can mend; the command line prints one line and exits with 2."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A clear message: the field, the value and the rule that it broke."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not known, with the nearest known one.

    >>> print(unknown("task", "linear_regresion", ["linear_regression"]))
    task: 'linear_regresion' is not known (did you mean 'linear_regression'?); known: linear_regression
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return UserError(f"{kind}: {name!r} is not known{hint}; known: {', '.join(names)}")
