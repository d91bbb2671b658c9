"""The figure of a probe that brings none of its own: every metric by control, a point a seed."""

import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import grid, legend, look_of
from probes.readings.schema import CIRCUMSTANCES

# A figure holds this many metrics, and this many kinds of rows of each; the rest stands in the readings.
MOST_METRICS, MOST_KINDS = 6, 6
# Columns in which rows of one metric differ: each combination is drawn apart.
KINDS = (
    "learner", "learner_step", "readout", "product", "source", "target", "parity", "scope",
    "layer", "head", "to_layer", "to_head", "to_input",
)  # fmt: skip


def by_control(evidence: Evidence, run: str, probe: str) -> Plot:
    """Values of a probe's metrics at the last checkpoint, of every seed, for the model and for each control."""
    rows = evidence.last
    rows = rows[(rows["run"] == run) & (rows["probe"] == probe)]
    plain = rows[rows[list(CIRCUMSTANCES)].isna().all(axis=1)]
    rows = plain if len(plain) else rows
    metrics = list(dict.fromkeys(rows["metric"]))[:MOST_METRICS]
    rows = rows[rows["metric"].isin(metrics)].assign(kind=_kinds(rows[rows["metric"].isin(metrics)]))
    data = rows[["metric", "kind", "control", "seed", "value"]]
    controls = list(dict.fromkeys(data["control"]))

    def draw() -> Figure:
        figure, panels = grid(1, max(len(metrics), 1), 3.0, 3.0)
        for axes, metric in zip(panels, metrics, strict=False):
            of_metric = data[data["metric"] == metric]
            kinds = list(dict.fromkeys(of_metric["kind"]))[:MOST_KINDS]
            for index, kind in enumerate(kinds):
                points = of_metric[of_metric["kind"] == kind]
                x = points["control"].map(controls.index) + 0.6 * ((index + 0.5) / len(kinds) - 0.5)
                look = look_of(kind or "model")
                label = kind or look.label
                axes.scatter(x, points["value"], s=18, color=look.colour, marker=look.marker, label=label, zorder=3)
            labels = ["model" if name == "none" else look_of(name).label for name in controls]
            axes.set_xticks(range(len(controls)), labels, rotation=30, ha="right")
            axes.set(title=metric, xlim=(-0.5, len(controls) - 0.5))
        legend(figure, *panels)
        return figure

    return Plot(
        f"probe-{probe}",
        f"{probe}: every seed, the model and its controls",
        "A point is a seed at its last checkpoint. Columns are the model and its controls; colours tell learners, "
        f"layers and heads apart, at most {MOST_KINDS} of them, the first ones.",
        "Negative controls at the level of the model: the metric then says nothing about what was learnt.",
        draw,
        data,
    )


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """For each row the values of the columns in which rows of its probe differ, in words."""
    used = [name for name in KINDS if rows[name].nunique(dropna=False) > 1]

    def words(row: pd.Series) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in used if not pd.isna(row[name]))

    return rows.apply(words, axis=1) if len(rows) and used else pd.Series("", index=rows.index, dtype=str)
