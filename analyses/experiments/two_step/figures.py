"""A model between rivals: how near it is to each of them over training, and which of them its loss meets."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.plots.regression import HALF
from analyses.plots.seed_lines import DOTS, reference_line, seed_lines, step_axis
from analyses.plots.style import grid, legend, look_of


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
                seed_lines(axes, part, learner, label=f"to {look_of(learner).label}", **DOTS)
        left.set(ylabel="sensitivity cosine", ylim=(-0.1, 1.02))
        # Early on the model predicts next to nothing: |f - g| / |g| is then 1.
        middle.set(ylabel="|f - g| / |g|", ylim=(0, 1.1))
        seed_lines(right, data[data["metric"] == "loss"], "model", **DOTS)
        seed_lines(right, data[data["metric"] == "interpolated_loss"], "interpolated", **DOTS)
        for learner in learners:
            value = data[(data["metric"] == "learner_loss") & (data["learner"] == learner)]["value"].mean()
            reference_line(right, value, learner)
        right.set(ylabel=f"loss ({HALF})", ylim=(0, 0.5))
        for axes in (left, middle, right):
            step_axis(axes)
        legend(figure, left, right, columns=3)
        return figure

    return Plot(f"training-{run}", f"Nearness to each algorithm over training ({run})", look, against, draw, data)


def last_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the rows of a learner's earlier steps."""
    final = rows.groupby("learner")["learner_step"].transform("max")
    return rows[rows["learner_step"].isna() | (rows["learner_step"] == final)]
