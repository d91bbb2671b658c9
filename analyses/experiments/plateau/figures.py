"""The losses of every seed, and the steps at which they are halfway down."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analyses.claims.tables import relative_curves, shares_of_zero
from analyses.evidence import Evidence
from analyses.experiments.plateau.times import plateau_times
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import reference_line, seed_lines
from analyses.plots.style import grid, legend, look_of


def curves(evidence: Evidence, runs: Sequence[str], columns: int) -> Plot:
    """Held-out losses of every seed, a panel a run, until the last seed's loss has dropped."""
    times = plateau_times(evidence)
    end = 1.5 * float(times["fall_end"].fillna(times["last"]).max()) if len(times) else 1.0
    data = relative_curves(evidence.curves)[["run", "seed", "step", "share"]]
    level = shares_of_zero(evidence.rows[evidence.rows["control"] == "none"]).reset_index()

    def draw() -> Figure:
        figure, panels = grid(-(-len(runs) // columns), columns, 2.9, 2.5)
        for index, (axes, run) in enumerate(zip(panels, runs, strict=False)):
            of_run = data[data["run"] == run]
            # One step is added, so that step 0 has a position on the logarithmic axis.
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
        "Every line is a seed: it stays at predict-zero's loss, then drops to the dashed line of one tuned step of "
        "gradient descent. Upper row: the notebooks' initial weights; lower row: fifty times their variance.",
        "Losses that fall from the first steps on: there would then be no plateau. Lines of one head that coincide: "
        "the drop would not depend on the seed, and a second head would have nothing to mitigate.",
        draw,
        data[data["run"].isin(runs)],
    )


def steps(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """The step at which each seed's loss is halfway down, for every run, with a bar at their geometric mean."""
    data = plateau_times(evidence)
    data = data[data["run"].isin(runs)]

    def draw() -> Figure:
        figure, (axes,) = grid(1, 1, 7.4, 3.2)
        for position, run in enumerate(runs):
            times = data[data["run"] == run].sort_values("seed")
            # Seeds side by side, since many drop within the same ten steps.
            x = position + np.linspace(-0.22, 0.22, max(len(times), 1))[: len(times)]
            never = times["drop"].isna()
            y = times["drop"].fillna(times["last"])
            axes.scatter(x[~never], y[~never], s=18, color=look_of("model").colour, label="a seed's drop", zorder=3)
            if never.any():
                style: Any = {"marker": "^", "color": look_of("zero").colour, "label": "none up to this step"}
                axes.scatter(x[never], y[never], s=22, zorder=3, **style)
            if len(times):
                mean = float(np.exp(np.log(y).mean()))
                axes.plot(
                    [position - 0.32, position + 0.32], [mean, mean], color="0.2", linewidth=1.2, label="their mean"
                )
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
        "A point is a seed, from left to right by its number: the step at which its held-out loss is midway between "
        "predict-zero's and gradient descent's. A wide head has as many weights as two heads.",
        "Points of two heads as widely spread, or as late, as those of one head. Or a wide head that does as well as "
        "two heads: the number of weights would then matter, not the number of heads.",
        draw,
        data,
    )
