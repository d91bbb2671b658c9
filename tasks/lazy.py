"""Re-export names on first use, so that importing a folder loads nothing that is not used."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, exports: dict[str, str]) -> Callable[[str], Any]:
    """A module `__getattr__` that finds each name of `exports` (name -> module) when it is first asked for.

    >>> find = lazily("tasks", {"Inputs": "tasks.readers.reader"})
    >>> find("Inputs").__name__
    'Inputs'
    """

    def find(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(exports[name]), name)

    return find
