"""Re-export names on first use, so that importing a folder loads nothing that is not used."""

from collections.abc import Callable
from importlib import import_module


def lazily(package: str, exports: dict[str, str]) -> Callable[[str], object]:
    """A module `__getattr__` that imports each name of `exports` (name -> module) when it is first used.

    >>> load = lazily("tasks", {"Inputs": "tasks.readers.reader"})
    >>> load("Inputs")
    <class 'tasks.readers.reader.Inputs'>
    """

    def load(name: str) -> object:
        if name not in exports:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(exports[name]), name)

    return load
