"""The scores of the best heads over training, and the gain in loss from the context below them."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import seed_lines, step_axis
from analyses.plots.style import grid, legend


def formation(evidence: Evidence, runs: Mapping[str, str], scores: Mapping[str, str]) -> Plot:
    """The best head's scores, and what the context gains on the prompts that `runs` names for each run.

    On repeated tokens that is the loss of the last repeat minus that of the first; on a task, the in-context score.
    """
    rows = evidence.rows[(evidence.rows["probe"] == "induction_scores") & (evidence.rows["control"] == "none")]
    rows = rows[rows["run"].isin(list(runs))]
    heads = rows[rows["metric"].isin(list(scores)) & rows["head"].notna()]
    # Which head it is differs between seeds, so the best head of each checkpoint stands for the model.
    best = heads.groupby(["run", "seed", "step", "metric"], as_index=False)["value"].max()
    gains = {"repeated": "last_minus_first_repeat", "task": "in_context_score"}
    context = rows[(rows["metric"] == rows["prompts"].map(gains)) & (rows["prompts"] == rows["run"].map(runs))]
    data = pd.concat([best, context[["run", "seed", "step", "metric", "value"]]], ignore_index=True)

    def draw() -> Figure:
        figure, panels = grid(2, len(runs), 3.6, 2.5)
        for column, run in enumerate(runs):
            top, bottom = panels[column], panels[len(runs) + column]
            for metric, label in scores.items():
                scores_of_run = data[(data["run"] == run) & (data["metric"] == metric)]
                seed_lines(top, scores_of_run, metric, label=label)
            in_context = data[(data["run"] == run) & (data["metric"] == gains[runs[run]])]
            seed_lines(bottom, in_context, "model")
            bottom.set_title("last minus first repeat" if runs[run] == "repeated" else "in-context score", fontsize=8)
            top.set(title=run, ylim=(-0.02, 1.02))
            for axes in (top, bottom):
                step_axis(axes)
            top.set_xlabel("")
        panels[0].set_ylabel("score of the best head")
        panels[len(runs)].set_ylabel("late minus early\nloss (nats)")
        legend(figure, panels[0], columns=len(scores))
        return figure

    return Plot(
        "formation",
        "What forms when",
        "Every line is a seed. Above, the best head's scores (1 is perfect). Below, late minus early loss: of "
        "the last and the first repeat of random tokens, or of a late and an early token of the task (the in-context "
        "score). A model that was never trained on the first repeat may predict it worse than by guessing. The "
        "difference drops as prefix matching rises; compare the previous-token score.",
        "A difference that drops where no head matches prefixes, or long before or after prefix matching rises.",
        draw,
        data,
    )
