"""The command line. Every verb imports what it needs and no more, so that `mesa --help` answers at once."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from analyses.cli.__main__ import app, main

__all__ = ["app", "main"]

# Only when they are asked for: `python -m analyses.cli` imports this package before it runs that module.
__getattr__ = lazily(__name__, dict.fromkeys(("app", "main"), "analyses.cli.__main__"))
