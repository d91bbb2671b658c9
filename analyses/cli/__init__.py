"""The command line. Every verb imports what it needs and no more, so that `mesa --help` answers at once."""

from analyses.cli.entry import app, main

__all__ = ["app", "main"]
