"""A report on disk: one self-contained page, and everything in it as data; byte-identical when made again."""

import base64
import io
import json
import math
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot, Result
from analyses.claims.claim import Claim, Outcome, Verdict, interval
from analyses.plots.style import styled
from analyses.progress import Report
from mesa.config.yaml import dump, flat
from mesa.storage.files import write_atomic
from mesa.storage.versions import versions
from probes.reading import Reading
from probes.schema import SCHEMA


def write(result: Result, out: Path, report: Report) -> None:
    """Write index.html, results.json, readings.parquet, figures/*.svg and *.pdf, and data/*.csv below `out`."""
    plots = tuple(result.analysis.plots(result.evidence, result.verdicts))
    write_atomic(out / "results.json", json.dumps(results(result), indent=1, allow_nan=False) + "\n")
    page = {
        "title": result.analysis.title,
        "question": result.analysis.question,
        "name": result.analysis.name,
        "size": result.size.name,
        "verdicts": [verdict_view(verdict) for verdict in result.verdicts],
    }
    write_page(out, page, plots, result.evidence, report)


def write_page(out: Path, page: Mapping[str, Any], plots: Iterable[Plot], evidence: Evidence, report: Report) -> None:
    """Write the figures, their data, the readings, and the page that shows them."""
    for folder in ("figures", "data"):
        (out / folder).mkdir(exist_ok=True, parents=True)
    Reading(evidence.rows).save(out, "readings")
    shown, listed = [], list(plots)
    for done, plot in enumerate(listed, start=1):
        with styled():
            figure = plot.draw()
            svg, pdf = rendered(figure, "svg"), rendered(figure, "pdf")
        write_atomic(out / "figures" / f"{plot.name}.svg", svg)
        write_atomic(out / "figures" / f"{plot.name}.pdf", pdf)
        write_atomic(out / "data" / f"{plot.name}.csv", plot.data.to_csv(index=False))
        shown.append({"plot": plot, "source": "data:image/svg+xml;base64," + base64.b64encode(svg).decode()})
        report(done, len(listed), 0, 0)
    described = {
        "plots": shown,
        "runs": [_run_view(name, run) for name, run in evidence.runs.items()],
        "diverged": evidence.diverged,
        "undertrained": evidence.undertrained,
        "skipped": evidence.skipped,
        "versions": versions(),
        "commit": commit(),
    }
    write_atomic(out / "index.html", _template().render(**page, **described))


def results(result: Result) -> dict[str, Any]:
    """What results.json holds: every claim with its numbers, and all that is needed to do it again."""
    evidence = result.evidence
    return {
        "schema": SCHEMA,
        "analysis": result.analysis.name,
        "size": result.size.name,
        "claims": [_claim_data(verdict) for verdict in result.verdicts],
        "runs": {
            name: {"configuration": flat(run.config), "seeds": list(run.seeds)} for name, run in evidence.runs.items()
        },
        "diverged": list(evidence.diverged),
        "undertrained": list(evidence.undertrained),
        "not_applicable": [f"{item.probe} on {item.subject}: {item.reason}" for item in evidence.skipped],
        "versions": versions(),
        "commit": commit(),
    }


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the page and the terminal show it."""
    claim = verdict.claim
    measures = []
    for measure in claim.measures:
        values = verdict.outcome.values[measure.label]
        mean, low, high = interval(values)
        bound = f"{measure.sense} {measure.bound:g}"
        shown = f"{number(mean)} [{number(low)}, {number(high)}]"
        seeds = ", ".join(number(value) for value in values.values())
        measures.append({"label": measure.label, "bound": bound, "mean": shown, "seeds": seeds})
    controls = []
    for name, outcome in verdict.controls.items():
        values = [outcome.values[measure.label] for measure in claim.measures]
        means = "; ".join(number(interval(found)[0]) for found in values)
        kind = kind_of(claim, name)
        refuted = bool(outcome.met) and outcome.seeds_met == 0
        good = {"positive": outcome.all_met, "negative": refuted, "explaining": True}[kind]
        controls.append({"name": name, "kind": kind, "met": _counted(outcome), "means": means, "good": good})
    words = claim.answer if verdict.status == "holds" and claim.answer else ""
    return {"claim": claim, "status": verdict.status, "reason": verdict.reason, "words": words} | {
        "measures": measures,
        "controls": controls,
        "seeds": _counted(verdict.outcome),
    }


def kind_of(claim: Claim, control: str) -> str:
    """Whether the rule must be met by a control, must break on it, or is applied to it only to explain."""
    kinds = {"positive": claim.positive, "negative": claim.negative, "explaining": claim.explaining}
    return next(kind for kind, members in kinds.items() if control in members)


def number(value: float) -> str:
    """A number at three significant digits; a dash where it is not defined.

    >>> number(0.123456), number(float("nan")), number(12345.6)
    ('0.123', '-', '1.23e+04')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.3g}" if abs(value) < 0.99 or abs(value) >= 10 else f"{value:.4g}"


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as SVG or PDF bytes, without a date."""
    buffer = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=kind, metadata=dates[kind])
    data = buffer.getvalue()
    # Trailing spaces in matplotlib's path data only make diffs noisy.
    return re.sub(rb"[ \t]+\n", b"\n", data) if kind == "svg" else data


def commit() -> str:
    """The commit of this package's sources, with a mark for uncommitted changes; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def _claim_data(verdict: Verdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "id": claim.id,
        "sentence": claim.sentence,
        "source": claim.source,
        "rule": claim.rule,
        "amended": claim.amended,
        "verdict": verdict.status,
        "answer": claim.answer if verdict.status == "holds" else "",
        "reason": verdict.reason,
        "measures": [_measure_data(verdict.outcome, m.label, m.sense, m.bound) for m in claim.measures],
        "seeds_met": verdict.outcome.seeds_met,
        "controls": {
            name: {
                "kind": kind_of(claim, name),
                "seeds_met": outcome.seeds_met,
                "measures": [_measure_data(outcome, m.label, m.sense, m.bound) for m in claim.measures],
            }
            for name, outcome in verdict.controls.items()
        },
    }


def _measure_data(outcome: Outcome, label: str, sense: str, bound: float) -> dict[str, Any]:
    values = outcome.values[label]
    mean, low, high = (_finite(value) for value in interval(values))
    seeds = {str(seed): _finite(value) for seed, value in values.items()}
    return {"measure": label, "rule": f"{sense} {bound:g}", "mean": mean, "interval_95": [low, high], "seeds": seeds}


def _finite(value: float) -> float | str | None:
    # JSON has no NaN: not defined is null. An overflow is a result, and is named.
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _counted(outcome: Outcome) -> str:
    return f"{outcome.seeds_met} of {len(outcome.met)}" if outcome.met else "not measured"


def _run_view(name: str, run: Any) -> dict[str, Any]:
    ends = [{"seed": seed, **run.outcome(seed)} for seed in run.seeds]
    return {"name": name, "config": dump(run.config), "ends": ends}


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html.jinja")
