"""Losses over the scale of the inputs, in units of predicting zero."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.tables import losses
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import mean_line, reference_line, seed_lines
from analyses.plots.style import grid, legend


def input_scales(evidence: Evidence, learners: Mapping[str, str], control: str) -> Plot:
    """Each run's losses compared with its learner's and a constructed control's, a panel a run."""
    last = evidence.last
    last = last[last["condition"] == "input_scale"]
    frames = []
    for run, learner in learners.items():
        for name in ("none", control):
            rows = last[(last["run"] == run) & (last["control"] == name)]
            if len(rows):
                table = losses(rows, "out_of_distribution", "condition_value", "seed").reset_index()
                of_learner = table.rename(columns={learner: "learner_loss"})
                frames.append(of_learner.assign(run=run, control=name, learner=learner))
    columns = ["condition_value", "seed", "model", "learner_loss", "zero", "run", "control", "learner"]
    data = pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)

    def draw() -> Figure:
        figure, panels = grid(1, len(learners), 3.1, 3.0)
        for axes, (run, learner) in zip(panels, learners.items(), strict=True):
            trained = data[(data["run"] == run) & (data["control"] == "none")]
            shares = trained.assign(share=trained["model"] / trained["zero"])
            seed_lines(axes, shares, "model", x="condition_value", y="share", marker="o", markersize=3)
            of_learner = trained.assign(share=trained["learner_loss"] / trained["zero"])
            mean_line(axes, of_learner, learner, x="condition_value", y="share")
            built = data[(data["run"] == run) & (data["control"] == control)]
            if len(built):
                of_control = built.assign(share=built["model"] / built["zero"])
                mean_line(axes, of_control, control, x="condition_value", y="share")
            reference_line(axes, 1.0, "zero")
            axes.set(xlabel="input scale (factor; 1 is in training)", yscale="log", title=run)
        panels[0].set_ylabel("loss / predict-zero's loss")
        legend(figure, panels[0], panels[-2], panels[-1], columns=4)
        return figure

    return Plot(
        "input-scales",
        "Smaller and larger inputs",
        "Every line is a seed. Inputs of the context and the query are multiplied by the same factor before the labels "
        "are computed. The learner's steps, tuned at factor 1, are too large for large inputs and diverge; behind "
        "the norm the prediction no longer depends on the factor, so the loss goes to that of predicting zero.",
        "Behind the norm, losses as high as the learner's at factors of 2 and more; without it, losses that are not "
        "the learner's.",
        draw,
        data,
    )
