"""Losses on shifted prompts: does a model leave its training distribution as a learner does?"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.tables import losses
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import mean_line
from analyses.plots.style import HALF, grid, legend, look_of

# One panel each: the condition, and the label of its values; `context` is the number of examples.
_CONDITIONS = {
    "input_scale": "input scale (factor)",
    "teacher_scale": "teacher scale (factor)",
    "query_scale": "query scale (factor)",
    "noisy_labels": "noisy labels (of {context})",
    "normal": "normal inputs: context norm",
    "exponential": "exponential inputs: context norm",
    "laplace": "Laplace inputs: context norm",
}


def shifts(evidence: Evidence, run: str, learners: Sequence[str] = ("gd",), matched: str = "gradient descent") -> Plot:
    """Losses of the model and of learners on shifted prompts; `matched` names the learner that it should lie on."""
    rows = evidence.last
    rows = rows[(rows["run"] == run) & (rows["control"] == "none")]
    context = evidence.runs[run].config.task["context"]
    data = losses(rows, "out_of_distribution", "condition", "condition_value", "seed").reset_index()
    return Plot(
        "shifts",
        "Out of distribution",
        f"The model's points, all seeds, lie on the line of {matched} under every shift, also where {matched} does "
        "badly; factor 1 is the training distribution.",
        "Points off that line, above all where it turns upwards: the model and the learner would then be two different "
        "algorithms that agree only in distribution.",
        lambda: _draw(data, learners, context),
        data,
    )


def _draw(data: pd.DataFrame, learners: Sequence[str], context: object) -> Figure:
    figure, panels = grid(2, 4, 2.6, 2.5)
    model = look_of("model")
    for axes, (condition, label) in zip(panels, _CONDITIONS.items(), strict=False):
        shifted = data[data["condition"] == condition]
        axes.scatter(
            shifted["condition_value"], shifted["model"], s=16, color=model.colour, label=model.label, zorder=3
        )
        for learner in (*learners, "zero"):
            mean_line(axes, shifted, learner, x="condition_value", y=learner)
        axes.set(xlabel=label.format(context=context), yscale="log")
    for axes in (panels[0], panels[4]):
        axes.set_ylabel(f"loss ({HALF})")
    panels[7].set_axis_off()
    legend(figure, panels[0])
    return figure
