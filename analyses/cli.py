"""The command line: every verb loads what it needs and no more, so that `mesa --help` answers at once."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from analyses.claims.claim import Verdict

app = typer.Typer(
    name="mesa",
    help="Find out which learning algorithm a transformer runs inside its forward pass.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunPath = Annotated[Path, typer.Argument(help="A run directory.", metavar="RUN")]
Workers = Annotated[int | None, typer.Option(min=1, help="Seeds in parallel, a process each; default: one per core.")]


@app.command("list")
def list_() -> None:
    """List tasks, models, learners, probes and analyses, a line each."""
    from analyses.registry import ANALYSES, BENCHES
    from mesa.config.presets import CONFIGURATIONS
    from mesa.registry import LEARNERS, TOKEN_PREDICTORS
    from probes.registry import PROBES
    from tasks.registry import READERS, TASKS

    sections: dict[str, Mapping[str, Any]] = {
        "tasks": TASKS,
        "readers": READERS,
        "models (mesa config NAME)": CONFIGURATIONS,
        "learners": LEARNERS,
        "token predictors": TOKEN_PREDICTORS,
        "probes": PROBES,
        "analyses (mesa reproduce NAME)": {name: f"{row.about}; {row.duration}" for name, row in ANALYSES.items()},
        "benchmarks (mesa bench NAME)": BENCHES,
    }
    for title, entries in sections.items():
        typer.echo(f"{title}:")
        width = max(24, *(len(name) + 2 for name in entries))
        for name, entry in entries.items():
            about = entry.about if hasattr(entry, "about") else entry if isinstance(entry, str) else entry[-1]
            typer.echo(f"  {name:<{width}}{about}")


@app.command()
def config(name: Annotated[str, typer.Argument(help="A model of `mesa list`.")]) -> None:
    """Print a complete, commented YAML configuration to start from."""
    from mesa.config.presets import CONFIGURATIONS, preset

    row = CONFIGURATIONS[name]
    from mesa.config.yaml import dump

    typer.echo(dump(preset(name), f"{name}: {row.about}\nTrain it with: mesa train FILE --out runs/{name}"), nl=False)


@app.command()
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


@app.command()
def resume(run: RunPath, workers: Workers = None) -> None:
    """Continue training a run from its last checkpoints."""
    from mesa.storage.run import Run

    _train(Run.open(run), workers)


@app.command()
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
    from analyses.report.run_report import summary
    from mesa.errors import UserError
    from probes.registry import PROBES

    if (run is None) == (pretrained is None):
        raise UserError("probe: give either a run directory or --pretrained DIR")
    names = list(dict.fromkeys(probe or PROBES))
    if run is not None:
        if out is not None:
            raise UserError("--out: goes with --pretrained; the readings of a run are saved in the run")
        found, skipped, place = _probe_run(run, names, _which(checkpoint), prompts, workers)
    else:
        assert pretrained is not None
        if checkpoint != "last":
            raise UserError(f"--checkpoint: {checkpoint!r} goes with a run; a pretrained model has one set of weights")
        found, skipped, place = _probe_pretrained(pretrained, names, prompts, out)
    titles = {name: name for name in _WIDTHS} | {"value": "mean over seeds [95 % interval]"}
    for row in [titles, *summary(found.table)]:
        typer.echo("  ".join(f"{row[name]:<{width}}" for name, width in _WIDTHS.items()).rstrip())
    for item in dict.fromkeys(skipped):
        typer.echo(f"does not apply: {item.probe} on {item.subject}: {item.reason}")
    typer.echo(f"readings: {place}")


@app.command()
def report(run: RunPath) -> None:
    """Write a run's readings, made by `mesa probe`, as an HTML report below RUN/report."""
    from analyses.progress import Progress
    from analyses.report.run_report import write_run
    from mesa.storage.run import Run

    with Progress().task("report", "figures") as progress:
        page = write_run(Run.open(run), progress)
    typer.echo(f"report: {page}")


@app.command()
def attribute(
    run: RunPath,
    readout: Annotated[str | None, typer.Option(help="prediction, loss, logit_difference, probability, ...")] = None,
    prompts: Annotated[int | None, typer.Option(min=4, help="Prompts; default: 1000.")] = None,
    workers: Workers = None,
) -> None:
    """Rank a run's heads by what they do for a read-out; the report is RUN/attribution/index.html."""
    from dataclasses import replace

    from analyses.progress import Progress
    from analyses.report.attribution_report import COLUMNS, ranking, whole, write_attribution
    from analyses.report.attribution_report import attribute as carry_out
    from mesa.storage.run import Run
    from mesa.training.runs import default_workers
    from probes.attribution.probe import HeadAttribution

    opened = Run.open(run)
    probe = HeadAttribution(readout=readout)
    probe = probe if prompts is None else replace(probe, prompts=prompts)
    with _interruptible(), Progress().task("attributing", "seeds") as report:
        evidence = carry_out(opened, probe, workers or default_workers(), report)
    for row in [{name: name for name in COLUMNS}, *ranking(evidence.rows)]:
        typer.echo("".join(f"{row[name]:<12}" for name in COLUMNS).rstrip())
    for line in whole(evidence.rows):
        typer.echo(f"{line['label']}: {line['value']}")
    with Progress().task("report", "figures") as progress:
        page = write_attribution(opened, evidence, progress)
    typer.echo(f"report: {page}")


@app.command()
def verify(run: RunPath) -> None:
    """Check every byte of a run's checkpoints; exits with 1 where one is damaged."""
    from mesa.storage.run import Run

    whole, damaged = Run.open(run).verify()
    for error in damaged:
        typer.echo(f"damaged: {error}", err=True)
    typer.echo(f"{whole} of {whole + len(damaged)} checkpoints are whole")
    if damaged:
        raise typer.Exit(1)


@app.command()
def reproduce(
    analysis: Annotated[str, typer.Argument(help="An analysis of `mesa list`.")],
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds; it never concludes 'holds'.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The paper's size: hours rather than minutes.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds; default the analysis's, quick 2.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default out/ANALYSIS[-SIZE].")] = None,
    workers: Workers = None,
) -> None:
    """Train, probe, judge and report one analysis; what is there already is not trained again."""
    from analyses.claims.analysis import Size
    from analyses.progress import Progress
    from analyses.registry import ANALYSES
    from analyses.reproduce import reproduce as carry_out
    from mesa.errors import UserError
    from mesa.training.runs import default_workers

    if quick and full:
        raise UserError("--quick and --full: a run has one size")
    row, name = ANALYSES[analysis], "quick" if quick else "full" if full else "default"
    if name not in row.sizes:
        raise UserError(f"{analysis}: runs only at the paper's size, `mesa reproduce {analysis} --full`, or --quick")
    found = row.analysis()
    size = Size(seeds=seeds or (2 if quick else found.seeds), quick=quick, full=full)
    place = out or Path("out") / (analysis if size.name == "default" else f"{analysis}-{size.name}")
    # A smoke run is over before processes of its own would have started.
    parallel = 1 if quick else default_workers()
    with _interruptible():
        result = carry_out(found, place, size, workers=workers or parallel, progress=Progress())
    _verdicts(result.verdicts)
    typer.echo(f"report: {place / 'index.html'}")


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="A benchmark of `mesa list`.")],
    json: Annotated[Path | None, typer.Option(help="Also write the rows here, as JSON.")] = None,
) -> None:
    """Measure speed as a ratio in one run on one machine."""
    from analyses.benchmarks.timing import run_bench

    run_bench(name, json)


_WIDTHS = {"probe": 26, "metric": 24, "learner": 18, "readout": 10, "control": 22, "value": 32}


def _probe_run(run: Path, names: list[str], which: Any, prompts: int | None, workers: int | None) -> Any:
    """The readings of every seed that did not diverge, what did not apply, and where they are saved."""
    from analyses.progress import Progress
    from mesa.errors import UserError
    from mesa.storage.run import Run
    from mesa.training.runs import default_workers
    from probes.plan import Plan, probe_of
    from probes.runner import probe_runs

    plans = [Plan(probe_of(name, prompts), which) for name in names]
    opened = Run.open(run)
    alive = [seed for seed in opened.seeds if opened.outcome(seed)["status"] != "diverged"]
    if not alive:
        raise UserError(f"{run}: every seed diverged; there is nothing to probe")
    for seed in alive:
        opened.select(seed, which)
    with _interruptible(), Progress().task("probing", "seeds") as report:
        found, skipped = probe_runs(
            [(opened, plans)], workers=workers or default_workers(), report=lambda n, of: report(n, of, 0, 0)
        )
    return found, skipped, opened.path / "readings"


def _probe_pretrained(path: Path, names: list[str], prompts: int | None, out: Path | None) -> Any:
    """The readings of a Hugging Face directory, what did not apply, and where they are saved."""
    from analyses.progress import Progress
    from probes.measure import probe_subjects
    from probes.plan import probe_of
    from probes.pretrained import pretrained_subject
    from probes.reading import joined

    probes = [probe_of(name, prompts) for name in names]
    subject = pretrained_subject(path)
    place = (out or Path("out") / f"probe-{subject.run}") / "readings"
    readings, skipped = [], []
    with _interruptible(), Progress().task("probing", "probes") as report:
        for done, probe in enumerate(probes):
            report(done, len(probes), 0, 0)
            reading, reasons = probe_subjects([probe], [subject])
            if len(reading.table):
                reading.save(place, probe.name)
            readings.append(reading)
            skipped += reasons
    return joined(readings), skipped, place


def _train(run: Any, workers: int | None) -> None:
    from analyses.progress import Progress
    from mesa.storage.run import summary
    from mesa.training.runs import default_workers, train

    with _interruptible(), Progress().task(f"training {run.name}", "steps") as report:
        train(run, workers=workers or default_workers(), report=report)
    for seed in run.seeds:
        outcome = run.outcome(seed)
        if outcome["status"] == "diverged":
            last = outcome["last_good_checkpoint"]
            typer.echo(f"seed {seed} {outcome['reason']}; last good checkpoint: {last}", err=True)
    typer.echo(f"{run.path}: {summary([run])}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end long work with a line that says how to go on; 130 is what shells expect."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted; what was done is saved: the same command, or `mesa resume RUN`, continues", err=True)
        raise typer.Exit(130) from None


def _which(checkpoint: str) -> Any:
    from mesa.errors import UserError

    if checkpoint in ("last", "all"):
        return checkpoint
    if checkpoint.isdigit():
        return int(checkpoint)
    raise UserError(f"--checkpoint: {checkpoint!r} must be last, all, or a training step")


def _verdicts(verdicts: "tuple[Verdict, ...]") -> None:
    from rich.console import Console
    from rich.table import Table

    from analyses.report.page import verdict_view

    table = Table(title="claims and verdicts", title_justify="left")
    for name in ("claim", "verdict", "measured: mean [95 % interval], rule", "seeds", "controls that meet the rule"):
        table.add_column(name, overflow="fold")
    for verdict in verdicts:
        view = verdict_view(verdict)
        measured = "\n".join(f"{m['mean']}, {m['bound']}  ({m['label']})" for m in view["measures"])
        controls = ", ".join(f"{c['name']} {c['met']}{'' if c['good'] else ' (!)'}" for c in view["controls"])
        words = view["status"] + (f": {view['words']}" if view["words"] else "")
        table.add_row(verdict.claim.id, words, measured.replace("[", r"\["), view["seeds"], controls)
    wide = sys.stdout.isatty()
    Console(width=None if wide else 160).print(table)
    for verdict in verdicts:
        if verdict.status != "holds":
            typer.echo(f"{verdict.claim.id}: {verdict.status}: {verdict.reason}")


def main() -> None:
    """The entry point: user errors are one line on stderr and exit code 2."""
    from mesa.errors import UserError
    from mesa.training.pool import one_blas_thread

    def terminate(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    one_blas_thread()
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'operating system'}: {error.strerror or error}")


def _fail(message: str) -> None:
    print(f"mesa: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
