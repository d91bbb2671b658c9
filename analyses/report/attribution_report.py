"""`mesa attribute`: which heads of a run's models carry a behaviour, measured and written as a report."""

from collections.abc import Iterator
from pathlib import Path

from analyses.evidence import Evidence, gather
from analyses.plots import language as token_figures
from analyses.plots.of_one_run import of_head_attribution
from analyses.plots.plot import Plot
from analyses.progress import Report, silent
from analyses.report.head_tables import ranking, whole
from analyses.report.page import Page, write_page
from mesa.errors import UserError
from mesa.storage.run import Run
from probes.attribution.probe import HeadAttribution
from probes.plan import Plan
from probes.runner import probe_runs

# The folder of a run with the report. Its readings stand there too: `readings/` may hold a measurement with controls
# or with another read-out, which this one must not replace.
FOLDER = "attribution"


def attribute(run: Run, probe: HeadAttribution, workers: int = 1, report: Report = silent) -> Evidence:
    """Put the probe to the last model of every seed; UserError, with the reason, where it applies to none."""
    plan = Plan(probe, controls=())
    reading, skipped = probe_runs(
        [(run, [plan])], workers=workers, folder=f"{FOLDER}/readings", report=lambda n, of: report(n, of, 0, 0)
    )
    if reading.table.empty:
        reason = skipped[0].reason if skipped else "every seed diverged"
        raise UserError(f"{run.path}: {probe.name} does not apply: {reason}")
    return gather({run.name: run}, reading, skipped)


def write_attribution(run: Run, evidence: Evidence, report: Report = silent) -> Path:
    """Write the report below the run's `attribution`: the effects first, the evidence behind them after."""
    rows = evidence.rows
    readout = str(rows["readout"].iloc[0])
    page = Page(
        title=f"What each head does: {run.name}",
        question=f"Which heads carry the behaviour, read as {readout}, through which others, and which few suffice?",
        ranking=ranking(rows),
        whole=whole(rows),
    )
    out = run.path / FOLDER
    write_page(out, page, list(_plots(evidence, run.name)), evidence, report)
    return out / "index.html"


def _plots(evidence: Evidence, run: str) -> Iterator[Plot]:
    yield from of_head_attribution(evidence, run)
    yield token_figures.attention(evidence, (run,), "one of the prompts that are attributed.")
