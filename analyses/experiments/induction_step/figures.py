"""Logits of heads and models beside explicit predictors of the next symbol."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.plots.style import grid, legend, look_of

METRICS = {
    "relative_distance": "|f - a g| / |f|",
    "cosine": "cosine",
    "top_agreement": "share of equal\ntop symbols",
}


def distances(evidence: Evidence, runs: Sequence[str], learners: Sequence[str], built: str) -> Plot:
    """The last layer's head beside every predictor: distance, cosine and agreement, every seed a point."""
    last = evidence.last
    rows = last[(last["probe"] == "induction_as_gradient_step") & last["metric"].isin(list(METRICS))]
    rows = rows[rows["run"].isin(list(runs)) & rows["control"].isin(["none", "untrained", built])]
    deepest = rows.groupby("run")["layer"].transform("max")
    rows = rows[(rows["scope"] == "head") & (rows["layer"] == deepest)]
    data = rows[["run", "control", "metric", "learner", "seed", "layer", "head", "value"]]

    def draw() -> Figure:
        figure, panels = grid(len(runs), len(METRICS), 3.4, 2.7)
        subjects = {"none": "model", built: built, "untrained": "untrained"}
        for row, run in enumerate(runs):
            for column, (metric, label) in enumerate(METRICS.items()):
                axes = panels[row * len(METRICS) + column]
                part = data[(data["run"] == run) & (data["metric"] == metric)]
                for index, (control, who) in enumerate(subjects.items()):
                    mine = part[part["control"] == control].dropna(subset=["value"])
                    x = mine["learner"].map(list(learners).index) + 0.22 * (index - 1)
                    style = {
                        "color": look_of(who).colour,
                        "marker": look_of(who).marker,
                        "edgecolor": "white",
                        "linewidth": 0.3,
                    }
                    axes.scatter(x, mine["value"], s=18, label=look_of(who).label, zorder=3, **style)
                names = [name.replace("_", " ") for name in learners]
                shown = row == len(runs) - 1
                axes.set_xticks(range(len(names)), labels=names if shown else [""] * len(names))
                axes.tick_params(axis="x", rotation=60, labelsize=7)
                axes.set(
                    ylabel=label, title=f"{run} second layer" if column == 0 else "", xlim=(-0.6, len(names) - 0.4)
                )
        legend(figure, panels[0], columns=3)
        return figure

    return Plot(
        "distances",
        "What the second layer's head writes, beside explicit predictors",
        "f are the head's logits, g a predictor's, both mean-centred; a is one scale for all prompts, fitted on "
        "others. The lowest distance names the algorithm: for the linear head it should be the gradient step (raw "
        "counts), for the softmax head a bigram. Cosine and top symbol hide scale, and hardly tell these predictors "
        "apart.",
        "A softmax head nearest to the step, or a linear head nearest to something else.",
        draw,
        data,
    )
