"""A report of one run: its learning curves and readings, without claims, since none were stated in advance."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from analyses.evidence import Evidence, gather
from analyses.plots.default import by_control
from analyses.plots.of_one_run import learning_curves
from analyses.plots.plot import Plot
from analyses.progress import Report, silent
from analyses.report.page import Page, write_page
from analyses.report.summary import summary
from mesa.plugin_failure import naming_plugins
from mesa.storage.run import Run
from probes.readings.stored import left_out, stored_readings
from probes.registry import PROBES
from tasks.registry import Row

# Draws a probe's part of the report of a run, from all that was measured and the run's name.
Draw: TypeAlias = Callable[[Evidence, str], Iterable[Plot]]
# Probes with a row for every condition: their numbers are shown as figures alone.
_FIGURES_ONLY = ("out_of_distribution", "rollout")


def write_run(run: Run, report: Report = silent, warn: Callable[[str], None] = lambda sentence: None) -> Path:
    """Write index.html and its data below the run's `report`; UserError where nothing was probed.

    `warn` gets a sentence for all readings that are of an earlier step than the last checkpoint, and for those whose
    probe is not known; the page says it too.
    """
    evidence = gather({run.name: run}, stored_readings(run))
    warnings = [*behind_training(run, evidence), *left_out(run)]
    for sentence in warnings:
        warn(sentence)
    # A probe that did not apply has left an empty table.
    names = [name for name in PROBES if (evidence.rows["probe"] == name).any()]
    page = Page(
        title=f"Run {run.name}",
        question=" ".join(["What the probes measured on this run's models and on their controls.", *warnings]),
        summary=tuple(row for row in summary(evidence.last) if row["probe"] not in _FIGURES_ONLY),
    )
    out = run.path / "report"
    write_page(out, page, list(_plots(evidence, run.name, names)), evidence, report)
    return out / "index.html"


def behind_training(run: Run, evidence: Evidence) -> list[str]:
    """A sentence for every step before a seed's last checkpoint that probes stopped at; none where all are current."""
    own = evidence.rows[evidence.rows["control"] == "none"]
    probes_by_steps: dict[tuple[int, int], list[str]] = {}
    for (probe, seed), step in own.groupby(["probe", "seed"])["step"].max().dropna().items():
        last = max(run.checkpoints(int(seed)), default=0)
        if step < last:
            names = probes_by_steps.setdefault((int(step), last), [])
            names += [] if probe in names else [str(probe)]
    return [
        f"Readings of {', '.join(names)} are of step {step}; training came to step {last}, which `mesa probe` measures."
        for (step, last), names in probes_by_steps.items()
    ]


def _plots(evidence: Evidence, run: str, names: Sequence[str]) -> Iterator[Plot]:
    """The learning curves, then what the row of each probe says that a report draws of it."""
    yield learning_curves(evidence, run)
    for name in names:
        row = PROBES[name]
        for target in row.draws:
            with naming_plugins(f"{run}: figures of {name}", "probe", name):
                yield from cast(Draw, Row(target=target, about=row.about).load())(evidence, run)
        if not row.draws:
            yield by_control(evidence, run, name)
