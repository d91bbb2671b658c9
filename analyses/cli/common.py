"""What several verbs share: arguments, Ctrl-C, and what is checked before anything heavy is imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from mesa.errors import UserError

RunPath = Annotated[Path, typer.Argument(help="A run directory.", metavar="RUN")]
Workers = Annotated[int | None, typer.Option(min=1, help="Seeds in parallel, a process each; default: one per core.")]


def check_is_run(path: Path) -> None:
    """UserError where a directory holds no run; opening one imports much more than this."""
    try:
        is_run = (path / "config.yaml").is_file()
    except (OSError, ValueError):
        is_run = False
    if not is_run:
        raise UserError(f"{path}: is not a run: it has no config.yaml")


def which_checkpoint(checkpoint: str) -> Literal["last", "all"] | int:
    """The value of --checkpoint: last, all, or a training step."""
    if checkpoint == "last" or checkpoint == "all":
        return checkpoint
    if checkpoint.isdecimal():
        return int(checkpoint)
    raise UserError(f"--checkpoint: {checkpoint!r} must be last, all, or a training step")


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end long work with a line that says how to go on; 130 is what shells expect."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted; what was done is saved: the same command, or `mesa resume RUN`, continues", err=True)
        raise typer.Exit(130) from None
