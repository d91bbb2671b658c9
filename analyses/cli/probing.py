"""The verb that puts probes to a run's models, or to a pretrained one: probe."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analyses.cli.common import Workers, check_is_run, interruptible, which_checkpoint
from mesa.errors import UserError

if TYPE_CHECKING:
    from probes.probe import Skipped
    from probes.readings.reading import Reading


def add_to(app: typer.Typer) -> None:
    """Add this verb to the command line."""
    app.command()(probe)


def probe(
    run: Annotated[Path | None, typer.Argument(help="A run directory; or see --pretrained.", metavar="[RUN]")] = None,
    pretrained: Annotated[Path | None, typer.Option(help="A Hugging Face directory instead of a run.")] = None,
    probe: Annotated[list[str] | None, typer.Option("--probe", help="A probe of `mesa list`; default: all.")] = None,
    checkpoint: Annotated[str, typer.Option(help="last, all, or a training step.")] = "last",
    prompts: Annotated[int | None, typer.Option(min=2, help="Prompts per measurement; default: the probe's.")] = None,
    out: Annotated[Path | None, typer.Option(help="With --pretrained: where to save; default out/probe-NAME.")] = None,
    workers: Workers = None,
) -> None:
    """Put probes to a run's models, or to a pretrained one, and their controls; readings are saved in the run."""
    from probes.registry import PROBES

    if run is None and pretrained is None:
        raise UserError("probe: give a run directory, or --pretrained DIR")
    if run is not None and pretrained is not None:
        raise UserError("probe: give a run directory or --pretrained DIR, not both")
    names, which = list(dict.fromkeys(probe or PROBES)), which_checkpoint(checkpoint)
    for name in names:
        # A name that is not known is refused here.
        PROBES[name]
    if run is not None:
        if out is not None:
            raise UserError("--out: goes with --pretrained; the readings of a run are saved in the run")
        check_is_run(run)
        _show(*_probe_run(run, names, which, prompts, workers))
    elif pretrained is not None:
        if which != "last":
            raise UserError(f"--checkpoint: {checkpoint!r} goes with a run; a pretrained model has one set of weights")
        _show(*_probe_pretrained(pretrained, names, prompts, out))


def _show(reading: "Reading", skipped: "Sequence[Skipped]", folder: Path) -> None:
    from analyses.report.summary import summary

    titles = {name: name for name in _WIDTHS} | {"value": "mean over seeds [95 % interval]"}
    for row in [titles, *summary(reading.table)]:
        typer.echo("  ".join(f"{row[name]:<{width}}" for name, width in _WIDTHS.items()).rstrip())
    for item in dict.fromkeys(skipped):
        typer.echo(f"does not apply: {item.probe} on {item.subject}: {item.reason}")
    typer.echo(f"readings: {folder}")


_WIDTHS = {"probe": 26, "metric": 24, "learner": 18, "readout": 10, "control": 22, "value": 32}


def _probe_run(
    run: Path, names: list[str], which: Literal["last", "all"] | int, prompts: int | None, workers: int | None
) -> "tuple[Reading, list[Skipped], Path]":
    """The readings of every seed that did not diverge, what did not apply, and where they are saved."""
    from analyses.progress import Progress
    from mesa.storage.run import Run

    opened = Run.open(run)
    alive = [seed for seed in opened.seeds if opened.outcome(seed)["status"] != "diverged"]
    if not alive:
        raise UserError(f"{run}: every seed diverged; there is nothing to probe")
    for seed in alive:
        opened.select(seed, which)
    from mesa.training.runs import default_workers
    from probes.plan import Plan, probe_of
    from probes.runner import probe_runs

    plans = [Plan(probe_of(name, prompts), which) for name in names]
    with interruptible(), Progress().task("probing", "seeds") as report:
        reading, skipped = probe_runs(
            [(opened, plans)], workers=workers or default_workers(), report=lambda n, of: report(n, of, 0, 0)
        )
    return reading, skipped, opened.path / "readings"


def _probe_pretrained(
    path: Path, names: list[str], prompts: int | None, out: Path | None
) -> "tuple[Reading, list[Skipped], Path]":
    """The readings of a Hugging Face directory, what did not apply, and where they are saved."""
    from analyses.progress import Progress
    from probes.measure import probe_subjects
    from probes.plan import probe_of
    from probes.pretrained import pretrained_subject
    from probes.readings.reading import joined

    probes = [probe_of(name, prompts) for name in names]
    subject = pretrained_subject(path)
    folder = (out or Path("out") / f"probe-{subject.run}") / "readings"
    readings, skipped = [], []
    with interruptible(), Progress().task("probing", "probes") as report:
        for done, probe in enumerate(probes):
            report(done, len(probes), 0, 0)
            reading, reasons = probe_subjects([probe], [subject])
            if len(reading.table):
                reading.save(folder, probe.name)
            readings.append(reading)
            skipped += reasons
    return joined(readings), skipped, folder
