"""A model between rivals: how near it is to each of them over training, and which of them its loss meets."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.plots.style import COLOURS, LINES, NAMES, grid

HALF = "half squared error"


def training(evidence: Evidence, run: str, learners: Sequence[str], look: str, against: str) -> Plot:
    """Cosine and relative distance to each learner's last step, and the losses, over training; every seed a line."""
    rows = evidence.rows
    rows = rows[(rows["run"] == run) & (rows["control"] == "none") & rows["layer"].isna()]
    aligned = last_step(rows[rows["probe"] == "gd_alignment"])
    between = rows[(rows["probe"] == "interpolation") & (rows["metric"] == "interpolated_loss")]
    shown = ["sensitivity_cosine", "relative_distance", "loss", "learner_loss"]
    data = pd.concat([aligned[aligned["metric"].isin(shown)], between])
    data = data[["metric", "learner", "seed", "step", "value"]]

    def draw() -> Figure:
        figure, (left, middle, right) = grid(1, 3, 3.3, 3.2)
        for axes, metric in ((left, "sensitivity_cosine"), (middle, "relative_distance")):
            for learner in learners:
                part = data[(data["metric"] == metric) & (data["learner"] == learner)]
                _lines(axes, part, learner, f"to {NAMES[learner]}")
        left.set(ylabel="sensitivity cosine", ylim=(-0.1, 1.02))
        # Early on the model predicts next to nothing: |f - g| / |g| is then 1.
        middle.set(ylabel="|f - g| / |g|", ylim=(0, 1.1))
        _lines(right, data[data["metric"] == "loss"], "model", NAMES["model"])
        _lines(right, data[data["metric"] == "interpolated_loss"], "interpolated", NAMES["interpolated"])
        for learner in learners:
            value = data[(data["metric"] == "learner_loss") & (data["learner"] == learner)]["value"].mean()
            right.axhline(value, color=COLOURS[learner], linestyle=LINES[learner], label=NAMES[learner])
        right.set(ylabel=f"loss ({HALF})", ylim=(0, 0.5))
        for axes in (left, middle, right):
            # Step 0 has a place beside the log-spaced ones.
            axes.set_xscale("symlog", linthresh=10)
            axes.set(xlabel="training step", xlim=(-1, None), xticks=[0, 10, 100, 1000])
        handles = [axes.get_legend_handles_labels() for axes in (left, right)]
        unique = {label: line for lines, labels in handles for line, label in zip(lines, labels, strict=True)}
        figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3)
        return figure

    return Plot(f"training-{run}", f"Nearness to each algorithm over training ({run})", look, against, draw, data)


def last_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of a learner's earlier steps."""
    final = rows.groupby("learner")["learner_step"].transform("max")
    return rows[rows["learner_step"].isna() | (rows["learner_step"] == final)]


def _lines(axes: Axes, rows: pd.DataFrame, who: str, label: str) -> None:
    for _, part in rows.groupby("seed"):
        part = part.sort_values("step")
        style = {"color": COLOURS[who], "linestyle": LINES[who], "marker": "o", "markersize": 2, "linewidth": 1}
        axes.plot(part["step"].astype(float), part["value"], label=label, alpha=0.8, **style)
