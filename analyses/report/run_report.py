"""A report of one run: its learning curves and readings, without claims, since none were stated in advance."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from analyses.claims.analysis import Evidence, Plot
from analyses.plots.default import by_control
from analyses.plots.of_one_run import learning_curves
from analyses.progress import Report, silent
from analyses.report.page import Page, write_page
from analyses.report.summary import summary
from analyses.reproduce import gather
from mesa.storage.run import Run
from probes.registry import PROBES
from probes.stored import stored_readings
from tasks.registry import Row

# Draws a probe's part of the report of a run, from all that was measured and the run's name.
Draw: TypeAlias = Callable[[Evidence, str], Iterable[Plot]]
# Probes with a row for every condition: their numbers are shown as figures alone.
_FIGURES_ONLY = ("out_of_distribution", "rollout")


def write_run(run: Run, report: Report = silent) -> Path:
    """Write index.html and its data below the run's `report`; UserError where nothing was probed."""
    evidence = gather({run.name: run}, stored_readings(run))
    # A probe that did not apply has left an empty table.
    names = [name for name in PROBES if (evidence.rows["probe"] == name).any()]
    page = Page(
        title=f"Run {run.name}",
        question="What the probes measured on this run's models and on their controls.",
        summary=tuple(row for row in summary(evidence.last) if row["probe"] not in _FIGURES_ONLY),
    )
    out = run.path / "report"
    write_page(out, page, list(_plots(evidence, run.name, names)), evidence, report)
    return out / "index.html"


def _plots(evidence: Evidence, run: str, names: Sequence[str]) -> Iterator[Plot]:
    """The learning curves, then what the row of each probe says that a report draws of it."""
    yield learning_curves(evidence, run)
    for name in names:
        row = PROBES[name]
        for target in row.draws:
            yield from cast(Draw, Row(target=target, about=row.about).load())(evidence, run)
        if not row.draws:
            yield by_control(evidence, run, name)
