"""A report of one run: its learning curves and readings, without claims, since none were stated in advance."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import pandas as pd

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.claim import interval
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from analyses.plots.default import by_control
from analyses.progress import Report, silent
from analyses.report.page import number, write_page
from analyses.reproduce import gather
from mesa.storage.run import Run
from probes.registry import PROBES
from probes.schema import CIRCUMSTANCES
from probes.stored import stored_readings
from tasks.registry import READERS, Row


def write_run(run: Run, report: Report = silent) -> Path:
    """Write index.html and its data below the run's `report`; UserError where nothing was probed."""
    evidence = gather({run.name: run}, stored_readings(run))
    # A probe that did not apply has left an empty table.
    names = [name for name in PROBES if (evidence.rows["probe"] == name).any()]
    page = {
        "title": f"Run {run.name}",
        "question": "What the probes measured on this run's models and on their controls.",
        "summary": [row for row in summary(evidence.last) if row["probe"] not in ("out_of_distribution", "rollout")],
    }
    out = run.path / "report"
    write_page(out, page, list(_plots(evidence, run.name, names)), evidence, report)
    return out / "index.html"


def _plots(evidence: Evidence, run: str, names: Sequence[str]) -> Iterator[Plot]:
    """The learning curves, then what the row of each probe says that a report draws of it."""
    look = "The loss of every seed, on training prompts and on held-out ones, and the tuned learners' losses (dashed)."
    against = "A loss that is still falling at the end: whatever is read off such a model is provisional."
    if READERS[evidence.runs[run].config.reader].prompts == "tokens":
        predictors = ("uniform", "unigram", "best")
        yield token_figures.training(evidence, {run: predictors}, _SYMBOLS, against)
    else:
        yield replace(figures.learning_curves(evidence), look=look, against=against)
    for name in names:
        row = PROBES[name]
        for target in row.draws:
            yield from cast(Draw, Row(target=target, about=row.about).load())(evidence, run)
        if not row.draws:
            yield by_control(evidence, run, name)


# Draws a probe's part of the report of a run, from all that was measured and the run's name.
Draw: TypeAlias = Callable[[Evidence, str], Iterable[Plot]]
_SYMBOLS = (
    "The held-out loss of every seed, and the losses of explicit predictors where `token_alignment` measured them."
)
# What a number is about or read from; one column of the summary names them all.
READ_FROM = ("readout", "product", "source", "target", "parity", "scope")
# Of more heads than these, a summary gives the mean; their own numbers stand in the readings.
_HEADS = 16


def summary(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Every metric once: its mean over seeds and 95 % t interval, at each seed's last probed checkpoint."""
    # A model whose own step is not known may stand beside a control at step 0.
    own = rows["step"].where(rows["control"] == "none")
    final = own.groupby([rows["run"], rows["seed"]]).transform("max")
    rows = rows[(rows["step"].fillna(-1) == final.fillna(-1)) | (rows["control"] != "none")]
    few = len(rows[["layer", "head"]].dropna().drop_duplicates()) <= _HEADS
    heads = ["head"] if few else []
    keys = ["probe", "metric", "learner", "learner_step", *READ_FROM, "layer", *heads, "to_input", "control"]
    # Conditions and applications would be a row each: they are for figures, and stand in the readings; so are pairs of
    # heads, but for the mean over later heads of what compositions and paths there are through each input.
    plain = rows[rows[list(CIRCUMSTANCES)].isna().all(axis=1)]
    found = []
    for key, part in plain.groupby(keys, dropna=False, sort=False):
        named = {name: "" if pd.isna(value) else str(value) for name, value in zip(keys, key, strict=True)}
        step, layer, head = named.pop("learner_step"), named.pop("layer"), named.pop("head", "")
        named["learner"] += f", step {step}" if step else ""
        place = f"layer {layer}" + (f" head {head}" if head else "") if layer else ""
        to = named.pop("to_input")
        place += f" to {to}" if to else ""
        named["readout"] = ", ".join(filter(None, (*(named.pop(name) for name in READ_FROM), place)))
        mean, low, high = interval(part.groupby("seed")["value"].mean().to_numpy())
        text = f"{number(mean)} [{number(low)}, {number(high)}]"
        found.append({**named, "value": text, "seeds": part["seed"].nunique()})
    return found
