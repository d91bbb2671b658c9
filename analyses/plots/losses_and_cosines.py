"""Losses over training and the sensitivity cosines to gradient descent, a column a run."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.tables import relative_curves, shares_of_zero
from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import reference_line, seed_lines
from analyses.plots.style import grid, legend, log_steps


def losses_and_cosines(evidence: Evidence, runs: Sequence[str], built: str, look: str, against: str) -> Plot:
    """Held-out losses and sensitivity cosines over training, compared with GD and the control `built`."""
    rows = evidence.rows[evidence.rows["control"].isin(["none", built])]
    curves = relative_curves(evidence.curves)[["run", "seed", "step", "share"]]
    shares = shares_of_zero(rows).reset_index()
    cosines = rows[(rows["probe"] == "gd_alignment") & (rows["metric"] == "sensitivity_cosine")]
    cosines = cosines[["run", "control", "seed", "step", "value"]]
    long = curves.rename(columns={"share": "value"}).assign(metric="held_out_loss", control="none")
    data = pd.concat([long, cosines.assign(metric="sensitivity_cosine")], ignore_index=True)

    def draw() -> Figure:
        figure, panels = grid(2, len(runs), 3.1, 2.6)
        for column, run in enumerate(runs):
            top, bottom = panels[column], panels[len(runs) + column]
            of_run = curves[(curves["run"] == run) & (curves["step"] > 0)]
            seed_lines(top, of_run, "model", y="share", linewidth=0.9)
            levels = shares[shares["run"] == run]
            for learner in ("gd", "zero"):
                reference_line(top, levels[learner].mean(), learner)
            of_built = levels[levels["control"] == built]["model"]
            if len(of_built):
                reference_line(top, float(of_built.mean()), built, linestyle="-.")
            top.set(xscale="log", xlim=(10, None), title=run, ylim=(0.45, 1.05))
            top.tick_params(axis="x", which="minor", labelbottom=False)
            of_cosine = cosines[cosines["run"] == run]
            trained = of_cosine[(of_cosine["control"] == "none") & (of_cosine["step"] > 0)]
            # One checkpoint is a point, several are a line.
            seed_lines(bottom, trained, "model", marker="o", markersize=2)
            of_built = of_cosine[of_cosine["control"] == built]["value"]
            if len(of_built):
                reference_line(bottom, float(of_built.mean()), built, linestyle="-.")
            bottom.set(xscale="log", xlim=top.get_xlim(), ylim=(-0.2, 1.05))
            log_steps(bottom)
        panels[0].set_ylabel("held-out loss\n/ predict-zero's")
        panels[len(runs)].set_ylabel("sensitivity cosine to GD")
        legend(figure, panels[0], columns=4 if len(runs) > 2 else 2)
        return figure

    return Plot(
        "training",
        "Losses and sensitivities over training",
        look,
        against,
        draw,
        data,
    )
