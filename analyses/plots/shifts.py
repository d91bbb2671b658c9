"""Losses on shifted prompts: does a model leave its training distribution as a learner does?"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.tables import losses
from analyses.plots.seed_lines import mean_line
from analyses.plots.style import grid, legend, look_of

HALF = "half squared error"


def shifts(evidence: Evidence, run: str, learners: Sequence[str] = ("gd",), wanted: str = "gradient descent") -> Plot:
    """Losses on shifted prompts, the model beside learners; it should lie on the one that is called `wanted`."""
    last = evidence.last
    mine = last[(last["run"] == run) & (last["control"] == "none")]
    table = losses(mine, "out_of_distribution", "condition", "condition_value", "seed")
    data = table.reset_index()
    labels = {
        "input_scale": "input scale (factor)",
        "teacher_scale": "teacher scale (factor)",
        "query_scale": "query scale (factor)",
        "noisy_labels": "noisy labels (of 10)",
        "normal": "normal inputs: context norm",
        "exponential": "exponential inputs: context norm",
        "laplace": "Laplace inputs: context norm",
    }

    def draw() -> Figure:
        figure, panels = grid(2, 4, 2.6, 2.5)
        for axes, (condition, label) in zip(panels, labels.items(), strict=False):
            part = data[data["condition"] == condition]
            axes.scatter(
                part["condition_value"],
                part["model"],
                s=16,
                color=look_of("model").colour,
                label=look_of("model").label,
                zorder=3,
            )
            for who in (*learners, "zero"):
                mean_line(axes, part, who, x="condition_value", y=who)
            axes.set(xlabel=label, yscale="log")
        for axes in (panels[0], panels[4]):
            axes.set_ylabel(f"loss ({HALF})")
        panels[7].set_axis_off()
        legend(figure, panels[0])
        return figure

    return Plot(
        "shifts",
        "Out of distribution",
        f"The model's points, all seeds, lie on the line of {wanted} under every shift, also where {wanted} does "
        "badly; factor 1 is the training distribution.",
        "Points off that line, above all where it turns upwards: agreement in distribution would then have been two "
        "different algorithms with one answer.",
        draw,
        data,
    )
