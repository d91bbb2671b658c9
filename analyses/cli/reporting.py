"""The verbs that write a report of one run: report and attribute."""

from typing import Annotated

import typer

from analyses.cli.common import RunPath, Workers, check_is_run, interruptible


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.command()(report)
    app.command()(attribute)


def report(run: RunPath) -> None:
    """Write a run's readings, made by `mesa probe`, as an HTML report below RUN/report."""
    check_is_run(run)
    from analyses.progress import Progress
    from analyses.report.run_report import write_run
    from mesa.storage.run import Run

    with Progress().task("report", "figures") as progress:
        page = write_run(Run.open(run), progress, warn=lambda sentence: typer.echo(sentence, err=True))
    typer.echo(f"report: {page}")


def attribute(
    run: RunPath,
    readout: Annotated[
        str | None, typer.Option(help="A read-out of `mesa list`; default: prediction or logit_minus_mean.")
    ] = None,
    prompts: Annotated[int | None, typer.Option(min=4, help="Prompts; default: 1000.")] = None,
    workers: Workers = None,
) -> None:
    """Rank a run's heads by what they do for a read-out; the report is RUN/attribution/index.html."""
    from probes.attribution.registry import READOUTS

    if readout is not None:
        # A name that is not known is refused here.
        READOUTS[readout]
    check_is_run(run)
    from dataclasses import replace

    from analyses.progress import Progress
    from analyses.report.attribution_report import attribute as carry_out
    from analyses.report.attribution_report import write_attribution
    from analyses.report.head_tables import COLUMNS, ranking, whole
    from mesa.storage.run import Run
    from mesa.training.runs import default_workers
    from probes.attribution.probe import HeadAttribution

    opened = Run.open(run)
    probe = HeadAttribution(readout=readout)
    probe = probe if prompts is None else replace(probe, prompts=prompts)
    with interruptible(), Progress().task("attributing", "seeds") as report:
        evidence = carry_out(opened, probe, workers or default_workers(), report)
    for row in [{name: name for name in COLUMNS}, *ranking(evidence.rows)]:
        typer.echo("".join(f"{row[name]:<12}" for name in COLUMNS).rstrip())
    for line in whole(evidence.rows):
        typer.echo(f"{line['label']}: {line['value']}")
    with Progress().task("report", "figures") as progress:
        page = write_attribution(opened, evidence, progress)
    typer.echo(f"report: {page}")
