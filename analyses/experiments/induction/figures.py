"""The scores of the best heads over training, and the in-context score below them."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import seed_lines, step_axis
from analyses.plots.style import grid, legend


def formation(evidence: Evidence, runs: Mapping[str, str], scores: Mapping[str, str]) -> Plot:
    """The best head's scores, and the in-context score on the prompts that `runs` names for each run."""
    rows = evidence.rows[(evidence.rows["probe"] == "induction_scores") & (evidence.rows["control"] == "none")]
    rows = rows[rows["run"].isin(list(runs))]
    heads = rows[rows["metric"].isin(list(scores)) & rows["head"].notna()]
    # Which head it is differs between seeds, so the best head of each checkpoint stands for the model.
    best = heads.groupby(["run", "seed", "step", "metric"], as_index=False)["value"].max()
    context = rows[(rows["metric"] == "in_context_score") & (rows["prompts"] == rows["run"].map(runs))]
    data = pd.concat([best, context[["run", "seed", "step", "metric", "value"]]], ignore_index=True)

    def draw() -> Figure:
        figure, panels = grid(2, len(runs), 3.6, 2.5)
        for column, run in enumerate(runs):
            top, bottom = panels[column], panels[len(runs) + column]
            for metric, label in scores.items():
                scores_of_run = data[(data["run"] == run) & (data["metric"] == metric)]
                seed_lines(top, scores_of_run, metric, label=label)
            in_context = data[(data["run"] == run) & (data["metric"] == "in_context_score")]
            seed_lines(bottom, in_context, "model")
            bottom.set_title("on repeated tokens" if runs[run] == "repeated" else "on its own task", fontsize=8)
            top.set(title=run, ylim=(-0.02, 1.02))
            for axes in (top, bottom):
                step_axis(axes)
            top.set_xlabel("")
        panels[0].set_ylabel("score of the best head")
        panels[len(runs)].set_ylabel("in-context score (nats)")
        legend(figure, panels[0], columns=len(scores))
        return figure

    return Plot(
        "formation",
        "What forms when",
        "Every line is a seed. Above, the best head's scores (1 is perfect). Below, the in-context score: the late "
        "minus the early loss, of the last and the first repeat, or of the last and the first quarter of a task's "
        "scored tokens. A model that was never trained on the first repeat may predict it worse than by guessing. The "
        "in-context score drops as prefix matching rises; compare the previous-token score.",
        "An in-context score that drops where no head matches prefixes, or long before or after prefix matching rises.",
        draw,
        data,
    )
