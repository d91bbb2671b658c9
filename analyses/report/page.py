"""A report on disk: one self-contained page, and everything in it as data; byte-identical when made again."""

import base64
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import matplotlib
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import styled
from analyses.progress import Report
from analyses.report.commit import commit
from analyses.report.own_files import digest, remember
from analyses.report.run_view import run_view
from analyses.report.views import VerdictView
from mesa.storage.files import prove_writable, write_atomic
from mesa.storage.versions import versions
from probes.readings.reading import Reading

# Bytes that must be free for a report.
_ROOM = 4 * 2**20


@dataclass(frozen=True)
class Page:
    """What a page says apart from its figures and runs; a section whose field is empty is left out.

    `name` and `size` are those of an analysis. `ranking`, `whole` and `summary` are the rows of tables, as text by
    column.
    """

    title: str
    question: str
    name: str = ""
    size: str = ""
    verdicts: tuple[VerdictView, ...] = ()
    ranking: tuple[Mapping[str, str], ...] = ()
    whole: tuple[Mapping[str, str], ...] = ()
    summary: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class PlotView:
    """A figure with its texts, and its image as a data URL."""

    plot: Plot
    source: str


def write_page(out: Path, page: Page, plots: Iterable[Plot], evidence: Evidence, report: Report) -> None:
    """Write the figures, their data, the readings, and the page that shows them.

    Figures and data that an earlier report wrote there and this one does not are removed. UserError, before any figure
    is drawn, where the folder cannot be written.
    """
    prove_writable(out, _ROOM)
    for folder in ("figures", "data"):
        (out / folder).mkdir(exist_ok=True, parents=True)
    Reading(evidence.rows).save(out, "readings")
    views, listed, digests = [], list(plots), {}
    for done, plot in enumerate(listed, start=1):
        with styled():
            figure = plot.draw()
            svg = rendered(figure, "svg")
            # The panels stay where the SVG has them: to place them again would cost a second drawing.
            with matplotlib.rc_context({"figure.constrained_layout.use": False}):
                figure.set_layout_engine(None)
            pdf = rendered(figure, "pdf")
        csv = plot.data.to_csv(index=False).encode()
        for folder, kind, data in (("figures", "svg", svg), ("figures", "pdf", pdf), ("data", "csv", csv)):
            write_atomic(out / folder / f"{plot.name}.{kind}", data)
            digests[f"{folder}/{plot.name}.{kind}"] = digest(data)
        views.append(PlotView(plot, "data:image/svg+xml;base64," + base64.b64encode(svg).decode()))
        report(done, len(listed), 0, 0)
    described = {
        "plots": views,
        "runs": [run_view(name, run) for name, run in evidence.runs.items()],
        "diverged": evidence.diverged,
        "undertrained": evidence.undertrained,
        "skipped": evidence.skipped,
        "versions": versions(),
        "commit": commit(),
    }
    write_atomic(out / "index.html", _template().render(**vars(page), **described))
    # After the page: the one that was there showed the old files.
    remember(out, digests)


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as SVG or PDF bytes, without a date."""
    buffer = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=kind, metadata=dates[kind])
    data = buffer.getvalue()
    # Trailing spaces in matplotlib's path data only make diffs noisy.
    return re.sub(rb"[ \t]+\n", b"\n", data) if kind == "svg" else data


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")
