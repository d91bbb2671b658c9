"""The verb that measures speed and known answers: bench."""

from pathlib import Path
from typing import Annotated

import typer

from mesa.errors import UserError


def add_to(app: typer.Typer) -> None:
    """Add this verb to the command line."""
    app.command()(bench)


def bench(
    name: Annotated[str, typer.Argument(help="A benchmark of `mesa list`.")],
    json: Annotated[Path | None, typer.Option(help="Also write the rows here, as JSON.")] = None,
) -> None:
    """Measure speed as a ratio in one run on one machine, or how often known models are named rightly."""
    from analyses.registry import BENCHES

    # A name that is not known is refused here.
    BENCHES[name]
    if json is not None and not json.absolute().parent.is_dir():
        raise UserError(f"{json}: the directory {json.parent} does not exist")
    from analyses.benchmarks.timing import run_bench

    run_bench(name, json)
