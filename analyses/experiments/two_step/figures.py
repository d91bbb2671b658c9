"""Figures of `two-step`: how near the model is to gradient descent and to GD++ over training."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.verdict import Verdict
from analyses.evidence import Evidence
from analyses.experiments.two_step.claims import MODEL, RIVAL
from analyses.plots import regression
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import DOTS, reference_line, seed_lines, step_axis
from analyses.plots.shifts import shifts
from analyses.plots.style import HALF, grid, legend, look_of
from analyses.plots.weights import weights


def plots(evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
    """The figures in the order of the report."""
    yield regression.scores(verdicts)
    yield replace(
        regression.learning_curves(evidence),
        look="The held-out loss of every seed falls through the line of two tuned steps of gradient descent to "
        "that of GD++. One layer stops at one step of gradient descent, which is all that it can do.",
        against="Losses of two layers that stop at gradient descent's line, fall below GD++'s, or still fall at "
        "the end.",
    )
    yield training(
        evidence,
        MODEL,
        ("gd", RIVAL),
        "Every line is a seed. The cosine to gradient descent rises, then falls back, while the cosine to GD++ goes to "
        "1 and the distance to GD++ to 0; the loss passes gradient descent's. The average of trained and constructed "
        "weights is not defined before the loss drops; after that it does as well as either.",
        "A cosine to gradient descent that stays at its peak. Or a distance to GD++ that ends near the distance to "
        "gradient descent: the model would then be as near to one algorithm as to the other.",
    )
    yield shifts(evidence, MODEL, ("gd", RIVAL), "GD++")
    yield replace(
        weights(evidence, (MODEL,)),
        look="A = W_Q W_K^T and V = W_V W_O of the layer after rescaling, compared with tuned GD++'s; channels 0 to 9 "
        "are x, 10 is y. V's x diagonal is -gamma, the curvature correction. It is faint compared with V's last entry; "
        "plain gradient descent has zeros there.",
        against="An empty x diagonal of V, or entries off the diagonal that are as large.",
    )


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
                nearness = data[(data["metric"] == metric) & (data["learner"] == learner)]
                seed_lines(axes, nearness, learner, label=f"to {look_of(learner).label}", **DOTS)
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
    """The rows without those of a learner's earlier steps."""
    final = rows.groupby("learner")["learner_step"].transform("max")
    return rows[rows["learner_step"].isna() | (rows["learner_step"] == final)]
