"""The verbs that train and check runs: train, resume and verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyses.cli.common import RunPath, Workers, check_is_run, interruptible

if TYPE_CHECKING:
    from mesa.storage.run import Run


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.command()(train)
    app.command()(resume)
    app.command()(verify)


def train(
    config: Annotated[Path, typer.Argument(help="A YAML configuration, as `mesa config` prints.")],
    out: Annotated[Path, typer.Option(help="The run directory to make or to resume.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds; overrides the configuration.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as in training.steps=2000.")] = None,
    workers: Workers = None,
) -> None:
    """Train a run; into an existing run of the same configuration it resumes."""
    from mesa.config.yaml import load
    from mesa.storage.run import Run

    changes = [*(set_ or []), *([f"seeds={seeds}"] if seeds is not None else [])]
    _train(Run.create(out, load(config, changes)), workers)


def resume(run: RunPath, workers: Workers = None) -> None:
    """Continue training a run from its last checkpoints."""
    check_is_run(run)
    from mesa.storage.run import Run

    _train(Run.open(run), workers)


def verify(run: RunPath) -> None:
    """Check every byte of a run's checkpoints, and that none is missing; exits with 1 where something is wrong."""
    check_is_run(run)
    from mesa.errors import DamagedCheckpoint
    from mesa.storage.run import Run, summary

    opened = Run.open(run)
    whole, problems = opened.verify()
    damaged = [problem for problem in problems if isinstance(problem, DamagedCheckpoint)]
    for problem in problems:
        typer.echo(f"{'damaged' if problem in damaged else 'missing'}: {problem}", err=True)
    typer.echo(f"{whole} of {whole + len(damaged)} checkpoints are whole; seeds: {summary([opened])}")
    if problems:
        raise typer.Exit(1)


def _train(run: "Run", workers: int | None) -> None:
    from analyses.progress import Progress
    from mesa.storage.run import summary
    from mesa.training.runs import default_workers, train
    from mesa.training.trainer import Trainer

    typer.echo(f"the loss is computed by {Trainer(run.config, run.seeds[0]).choice}")
    with interruptible(), Progress().task(f"training {run.name}", "steps") as report:
        train(run, workers=workers or default_workers(), report=report)
    for seed in run.seeds:
        outcome = run.outcome(seed)
        if outcome["status"] == "diverged":
            last = outcome["last_good_checkpoint"]
            typer.echo(f"seed {seed} {outcome['reason']}; last good checkpoint: {last}", err=True)
    typer.echo(f"{run.path}: {summary([run])}")
