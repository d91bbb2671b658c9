"""Logits of heads, compared with explicit predictors of the next symbol."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import grid, legend, look_of

METRICS = {
    "relative_distance": "|f - a g| / |f|",
    "cosine": "cosine",
    "top_agreement": "share of equal\ntop symbols",
}


def distances(evidence: Evidence, runs: Sequence[str], learners: Sequence[str], built: str) -> Plot:
    """The last layer's head compared with every predictor: distance, cosine and agreement, every seed a point."""
    last = evidence.last
    rows = last[(last["probe"] == "induction_as_gradient_step") & last["metric"].isin(list(METRICS))]
    rows = rows[rows["run"].isin(list(runs)) & rows["control"].isin(["none", "untrained", built])]
    deepest = rows.groupby("run")["layer"].transform("max")
    rows = rows[(rows["scope"] == "head") & (rows["layer"] == deepest)]
    data = rows[["run", "control", "metric", "learner", "seed", "layer", "head", "value"]]

    def draw() -> Figure:
        figure, panels = grid(len(runs), len(METRICS), 3.4, 2.7)
        names = [name.replace("_", " ") for name in learners]
        for row, run in enumerate(runs):
            for column, (metric, label) in enumerate(METRICS.items()):
                axes = panels[row * len(METRICS) + column]
                _points(axes, data[(data["run"] == run) & (data["metric"] == metric)], learners, built)
                labels = names if row == len(runs) - 1 else [""] * len(names)
                axes.set_xticks(range(len(names)), labels=labels)
                axes.tick_params(axis="x", rotation=60, labelsize=7)
                title = f"{run} second layer" if column == 0 else ""
                axes.set(ylabel=label, title=title, xlim=(-0.6, len(names) - 0.4))
        legend(figure, panels[0], columns=3)
        return figure

    return Plot(
        "distances",
        "What the second layer's head writes, beside explicit predictors",
        "f are the head's logits, g a predictor's, both mean-centred; a is one scale for all prompts, fitted on other "
        "prompts. The lowest distance names the algorithm: for the linear head it should be the gradient step (raw "
        "counts), for the softmax head a bigram. The cosine and the top symbol ignore scale, and hardly tell these "
        "predictors apart.",
        "A softmax head nearest to the step, or a linear head nearest to something else.",
        draw,
        data,
    )


def _points(axes: Axes, rows: pd.DataFrame, learners: Sequence[str], built: str) -> None:
    """The model, the constructed control and the untrained model side by side at every predictor."""
    subjects = {"none": "model", built: built, "untrained": "untrained"}
    for index, (control, name) in enumerate(subjects.items()):
        points, look = rows[rows["control"] == control].dropna(subset=["value"]), look_of(name)
        x = points["learner"].map(list(learners).index) + 0.22 * (index - 1)
        style = {"color": look.colour, "marker": look.marker, "edgecolor": "white", "linewidth": 0.3}
        axes.scatter(x, points["value"], s=18, label=look.label, zorder=3, **style)
