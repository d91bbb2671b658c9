"""`mesa attribute`: which heads of a run's models do it, as a ranked table and as a report."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.claim import interval
from analyses.plots import language as token_figures
from analyses.plots.of_one_run import of_head_attribution
from analyses.progress import Report, silent
from analyses.report.page import number, write_page
from analyses.reproduce import gather
from mesa.errors import UserError
from mesa.storage.run import Run
from probes.attribution.probe import HeadAttribution
from probes.attribution.roles import ranked
from probes.plan import Plan
from probes.runner import probe_runs

# What is said of the whole model, in the order in which it is read.
WHOLE = {
    "clean": "read-out on clean prompts",
    "corrupted": "read-out on corrupted prompts",
    "behaviour_t": "their difference, in standard errors",
    "faithfulness": "kept by the smallest set, fresh prompts",
    "circuit_agreement": "agreement of single prompts with it alone",
    "completeness": "left without it, fresh prompts",
}
COLUMNS = ("seed", "head", "direct", "ablated", "held", "role", "set")


def attribute(run: Run, probe: HeadAttribution, workers: int = 1, report: Report = silent) -> Evidence:
    """Put the probe to the last model of every seed; UserError, with the reason, where it applies to none."""
    plan = Plan(probe, controls=())
    reading, skipped = probe_runs([(run, [plan])], workers=workers, report=lambda n, of: report(n, of, 0, 0))
    if reading.table.empty:
        reason = skipped[0].reason if skipped else "every seed diverged"
        raise UserError(f"{run.path}: its heads cannot be attributed to: {reason}")
    return gather({run.name: run}, reading, skipped)


def ranking(rows: pd.DataFrame) -> list[dict[str, str]]:
    """The heads of every seed, the one that matters most first, as text: the keys are `COLUMNS`."""
    found = []
    for seed, part in rows.groupby("seed"):
        chosen = part[(part["metric"] == "circuit") & (part["value"] == 1)]
        members = set(zip(chosen["layer"], chosen["head"], strict=True))
        for row in ranked(part).to_dict("records"):
            numbers = {name: number(row[name]) for name in ("direct", "ablated", "held")}
            inside = "yes" if (row["layer"], row["head"]) in members else ""
            place = {"seed": str(seed), "head": f"{row['layer']}.{row['head']}"}
            found.append({**place, **numbers, "role": row["role"], "set": inside})
    return found


def whole(rows: pd.DataFrame) -> list[dict[str, str]]:
    """What is said of the whole model: a mean over seeds with its 95 % t interval, a line each."""
    found = []
    for metric, label in WHOLE.items():
        values = rows[rows["metric"] == metric].groupby("seed")["value"].mean().to_numpy(float)
        mean, low, high = interval(values)
        found.append({"label": label, "value": f"{number(mean)} [{number(low)}, {number(high)}]"})
    return found


def write_attribution(run: Run, evidence: Evidence, report: Report = silent) -> Path:
    """Write the report below the run's `attribution`: the effects first, the evidence behind them after."""
    rows = evidence.rows
    readout = str(rows["readout"].iloc[0])
    page: Mapping[str, Any] = {
        "title": f"Who does it: {run.name}",
        "question": f"Which heads carry the behaviour, read as {readout}, through which others, and which few suffice?",
        "ranking": ranking(rows),
        "whole": whole(rows),
    }
    out = run.path / "attribution"
    write_page(out, page, list(_plots(evidence, run.name)), evidence, report)
    return out / "index.html"


def _plots(evidence: Evidence, run: str) -> Iterator[Plot]:
    yield from of_head_attribution(evidence, run)
    yield token_figures.attention(evidence, (run,), "one of the prompts that are attributed.")
