"""The verb that answers a question from training to verdicts: reproduce."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyses.cli.common import Workers, interruptible
from mesa.errors import UserError

# The limits of a run's configuration.
_MOST_SEEDS, _LARGEST_SEED = 1000, 10**9

if TYPE_CHECKING:
    from analyses.claims.verdict import Verdict


def add_to(app: typer.Typer) -> None:
    """Add this verb to the command line."""
    app.command()(reproduce)


def reproduce(
    analysis: Annotated[str, typer.Argument(help="An analysis of `mesa list`.")],
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds; it never concludes 'holds'.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The paper's size: hours rather than minutes.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=_MOST_SEEDS, help="How many seeds; default the analysis's, quick 2.")
    ] = None,
    seeds_from: Annotated[
        int | None,
        typer.Option(
            min=0, max=_LARGEST_SEED, help="The first seed; default: the next block that can confirm, quick 0."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default out/ANALYSIS[-SIZE][-from-SEED].")] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Where results are kept; default docs/results in a checkout, else OUT/../results."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where the same result is kept already.")] = False,
    workers: Workers = None,
) -> None:
    """Train, probe, judge and report one analysis; what is there already is not made again."""
    from analyses.registry import ANALYSES

    if quick and full:
        raise UserError("--quick and --full: a run has one size")
    row, name = ANALYSES[analysis], "quick" if quick else "full" if full else "default"
    if name not in row.sizes:
        raise UserError(f"{analysis}: runs only at the paper's size, `mesa reproduce {analysis} --full`, or --quick")
    for folder in (out, results):
        if folder is not None and folder.is_file():
            raise UserError(f"{folder}: is a file, not a directory")
    from analyses.claims.analysis import Size
    from analyses.progress import Progress
    from analyses.records.request import requested
    from analyses.reproduce import reproduce as carry_out
    from mesa.training.runs import default_workers

    experiment = row.analysis()
    size = Size(seeds=seeds or (2 if quick else experiment.seeds), quick=quick, full=full)
    request = requested(experiment, size, seeds_from, out, results)
    if request.is_kept and not again:
        where = request.record.result if request.record else request.out
        typer.echo(f"{analysis}: the same rules, settings and code gave the result in {where}; --again makes it again")
        return
    # A smoke run is over before processes of its own would have started.
    parallel = workers or (1 if quick else default_workers())
    with interruptible():
        result = carry_out(
            experiment, request.out, request.size, record_in=request.record, workers=parallel, progress=Progress()
        )
    print_verdicts(result.verdicts)
    typer.echo(f"report: {request.out / 'index.html'}")
    if request.record:
        typer.echo(f"results: {request.record.result}")


def print_verdicts(verdicts: "Sequence[Verdict]") -> None:
    """A table of verdicts, and the reason for each that is not `holds`."""
    from rich.console import Console
    from rich.table import Table

    from analyses.report.views import verdict_view

    table = Table(title="claims and verdicts", title_justify="left")
    for name in ("claim", "verdict", "measured: mean [95 % interval], rule", "seeds", "controls that meet the rule"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        view = verdict_view(verdict)
        measured = "\n".join(f"{m.mean}, {m.bound}  ({m.label})" for m in view.measures)
        controls = ", ".join(f"{c.name} {c.met}{'' if c.good else ' (!)'}" for c in view.controls)
        words = view.status + (f": {view.words}" if view.words else "")
        table.add_row(verdict.claim.id, words, measured.replace("[", r"\["), view.seeds, controls)
    wide = sys.stdout.isatty()
    Console(width=None if wide else 160).print(table)
    for verdict in verdicts:
        if verdict.status != "holds":
            typer.echo(f"{verdict.claim.id}: {verdict.status}: {verdict.reason}")
