"""When losses drop: the curves of every seed, and the steps at which they pass midway."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.tables import relative_curves, shares_of_zero
from analyses.experiments.plateau.times import plateau_times
from analyses.plots.seed_lines import reference_line, seed_lines
from analyses.plots.style import grid, legend, look_of


def curves(evidence: Evidence, runs: Sequence[str], columns: int) -> Plot:
    """Held-out losses of every seed, a panel a run, up to where the last of them has dropped."""
    found = plateau_times(evidence)
    end = 1.5 * float(found["fall_end"].fillna(found["last"]).max()) if len(found) else 1.0
    data = relative_curves(evidence.curves)[["run", "seed", "step", "share"]]
    level = shares_of_zero(evidence.rows[evidence.rows["control"] == "none"]).reset_index()

    def draw() -> Figure:
        figure, panels = grid(-(-len(runs) // columns), columns, 2.9, 2.5)
        for index, (axes, run) in enumerate(zip(panels, runs, strict=False)):
            of_run = data[data["run"] == run]
            # A step more than there are, so that step 0 has a place on the axis.
            seed_lines(axes, of_run.assign(step=of_run["step"] + 1), "model", y="share", linewidth=0.9)
            for name in ("gd", "zero"):
                reference_line(axes, level[level["run"] == run][name].mean(), name)
            axes.set(xscale="log", xlim=(8, end), title=run, ylim=(0.45, 1.05))
            if index % columns == 0:
                axes.set_ylabel("held-out loss\n/ predict-zero's")
            if index >= len(runs) - columns:
                axes.set_xlabel("training step")
        legend(figure, panels[0])
        return figure

    return Plot(
        "drop-curves",
        "The plateau and the drop",
        "Every line is a seed: it stays at predicting zero, then drops to the dashed line of one tuned step of "
        "gradient descent. Upper row: the notebooks' initial weights; lower row: fifty times their variance.",
        "Losses that fall from the first steps on: there would then be no plateau. Lines of one head that "
        "lie on one another: the drop would not depend on the seed, and a second head would have nothing to mitigate.",
        draw,
        data[data["run"].isin(runs)],
    )


def steps(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """The step at which each seed's loss is midway down, run beside run, with a bar at their geometric mean."""
    data = plateau_times(evidence)
    data = data[data["run"].isin(runs)]

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 7.4, 3.2)
        for place, run in enumerate(runs):
            part = data[data["run"] == run].sort_values("seed")
            # Seeds side by side, since many drop within the same ten steps.
            x = place + np.linspace(-0.22, 0.22, max(len(part), 1))[: len(part)]
            never = part["drop"].isna()
            y = part["drop"].fillna(part["last"])
            axes.scatter(x[~never], y[~never], s=18, color=look_of("model").colour, label="a seed's drop", zorder=3)
            if never.any():
                style: Any = {"marker": "^", "color": look_of("zero").colour, "label": "none up to this step"}
                axes.scatter(x[never], y[never], s=22, zorder=3, **style)
            if len(part):
                mean = float(np.exp(np.log(y).mean()))
                axes.plot([place - 0.32, place + 0.32], [mean, mean], color="0.2", linewidth=1.2, label="their mean")
        axes.set(yscale="log", ylabel="training step midway down")
        axes.set_yticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1000", "2000"])
        axes.minorticks_off()
        axes.set_ylim(90, None)
        axes.set_xticks(range(len(runs)), [run.replace("-large-start", "\nlarge start") for run in runs])
        axes.grid(visible=False, axis="x")
        legend(figure, axes)
        return figure

    return Plot(
        "drop-steps",
        "The step of each seed's drop",
        "A point is a seed, in the order of its number: the step at which its held-out loss is midway between "
        "predicting zero and gradient descent. A wide head has as many weights as two heads.",
        "Points of two heads as widely spread, or as late, as those of one; or a wide head that does as well as two: "
        "then the number of weights would matter, not that of heads.",
        draw,
        data,
    )
