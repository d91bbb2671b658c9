"""The report of an analysis: the page with its verdicts and figures, and results.json."""

import json
from pathlib import Path

from analyses.claims.analysis import Result
from analyses.progress import Report
from analyses.report.page import Page, write_page
from analyses.report.results import results
from analyses.report.views import verdict_view
from mesa.storage.files import write_atomic


def write(result: Result, out: Path, report: Report) -> None:
    """Write index.html, results.json, readings.parquet, figures/*.svg and *.pdf, and data/*.csv below `out`."""
    analysis, size, evidence, verdicts = result.analysis, result.size.name, result.evidence, result.verdicts
    plots = tuple(analysis.plots(evidence, verdicts))
    data = results(analysis.name, size, evidence, verdicts)
    write_atomic(out / "results.json", json.dumps(data, indent=1, allow_nan=False) + "\n")
    views = tuple(verdict_view(verdict) for verdict in verdicts)
    page = Page(analysis.title, analysis.question, analysis.name, size, views)
    write_page(out, page, plots, evidence, report)
