"""When each seed learns to copy and when its loss falls: the curves around the fall, and their change points."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.outcome import interval
from analyses.evidence import Evidence
from analyses.experiments.copying.measures import COPYING, LOSS, SIZE
from analyses.plots.plot import Plot
from analyses.plots.style import grid, inner_legend, legend, look_of

_SERIES = {
    "copying": ("contrast of copying", look_of("model").colour, "o"),
    "size": ("size of the copy", look_of("copied_size").colour, "^"),
    "loss": ("loss", look_of("gd").colour, "s"),
}
_SHIFTS = {"copying": -0.2, "size": 0.0, "loss": 0.2}


def onset(evidence: Evidence, run: str, formation: pd.DataFrame) -> Plot:
    """Each seed's copying and loss as shares of their way, around the fall, with their change points."""
    data = _shares(evidence.rows[(evidence.rows["run"] == run) & (evidence.rows["control"] == "none")])
    points = formation[(formation["metric"] == "change_point") & (formation["control"] == "none")]
    # What never forms has no place on the axis.
    points = points[np.isfinite(points["value"])]

    def draw() -> Figure:
        seeds = sorted(data["seed"].unique())
        figure, panels = grid(-(-len(seeds) // 3), min(len(seeds), 3), 3.0, 2.4)
        for axes in panels[len(seeds) :]:
            axes.set_axis_off()
        for axes, seed in zip(panels, seeds, strict=False):
            of_seed = points[points["seed"] == seed]
            for name, (label, colour, marker) in _SERIES.items():
                curve = data[(data["seed"] == seed) & (data["series"] == name)]
                axes.plot(
                    curve["step"], curve["share"], color=colour, linewidth=1, marker=".", markersize=3, label=label
                )
                marked = of_seed[of_seed["series"] == name]
                style: dict[str, Any] = {"color": colour, "marker": marker, "edgecolor": "black", "zorder": 3}
                axes.scatter(marked["value"], marked["share"], s=22, linewidth=0.5, **style)
            if len(of_seed):
                axes.set_xlim(0.6 * of_seed["value"].min(), 1.3 * of_seed["value"].max())
            axes.set(xscale="linear", ylim=(-0.2, 1.2), title=f"seed {seed}", xlabel="training step")
        panels[0].set_ylabel("share of the way")
        legend(figure, panels[0])
        return figure

    return Plot(
        "onset",
        "Every seed around the fall of its loss",
        "The contrast of copying is that of the next token and all others, for tokens of x, from 0 to its final value; "
        "its size is the sensitivity to the next token, from its first to its final value. The loss is drawn from "
        "predicting zero (0) to its final value (1). A dot is a checkpoint; the larger marks are the change points, at "
        "a tenth, half and nine tenths.",
        "The loss's curve left of those of copying, or a mark where a curve crosses a level only for a while.",
        draw,
        data,
    )


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Each seed's copying and loss at every checkpoint, as shares of the way to their final values."""
    shares = []
    for series in (COPYING, SIZE, LOSS):
        for seed, curve in series.of(rows).groupby("seed"):
            start = curve["value"].iloc[:3].median() if series.first is None else series.first
            share = (curve["value"] - start) / (curve["value"].iloc[-3:].median() - start)
            columns = {"seed": seed, "step": curve["step"].astype(float), "series": series.name}
            shares.append(pd.DataFrame({**columns, "share": share}))
    return pd.concat(shares, ignore_index=True)


def order_of_change_points(formation: pd.DataFrame) -> Plot:
    """When copying and the loss have gone a tenth, half and nine tenths of their way, and the ratio of the steps."""
    columns = ["control", "metric", "series", "before", "seed", "share", "value"]
    data = formation[formation["metric"].isin(["change_point", "order"])][columns]
    trained = data[data["control"] == "none"]
    # What never forms has no place on the axis.
    trained = trained.assign(value=trained["value"].where(np.isfinite(trained["value"])))

    def draw() -> Figure:
        figure, (left, right) = grid(1, 2, 4.1, 3.0)
        for name, (label, colour, marker) in _SERIES.items():
            of_series = trained[(trained["metric"] == "change_point") & (trained["series"] == name)]
            for seed, points in of_series.groupby("seed"):
                height = np.full(len(points), float(str(seed)) + _SHIFTS[name])
                left.plot(points["value"], height, color=colour, marker=marker, markersize=4, linewidth=1, label=label)
        left.set(xlabel="training step: a tenth, half, nine tenths", ylabel="seed")
        left.set_yticks(sorted(trained["seed"].unique()))
        inner_legend(left)
        orders = trained[trained["metric"] == "order"]
        for x, (_, at_share) in enumerate(orders.groupby("share")):
            for name, of_series in at_share.groupby("series"):
                _, colour, marker = _SERIES[str(name)]
                shifted = x + _SHIFTS[str(name)]
                style: dict[str, Any] = {"color": colour, "marker": marker, "zorder": 3}
                right.scatter(np.full(len(of_series), shifted), of_series["value"], s=18, **style)
                mean, low, high = interval(of_series["value"].to_numpy(float))
                bar: dict[str, Any] = {"color": "0.2", "marker": "_", "capsize": 3, "linewidth": 1}
                right.errorbar(shifted + 0.1, mean, [[mean - low], [high - mean]], **bar)
        right.axhline(0, color="0.2", linewidth=0.8)
        labels = [f"{share:g}" for share in sorted(orders["share"].unique())]
        right.set_xticks(range(len(labels)), labels)
        right.set(xlabel="share of the way", ylabel="log(loss's step / copying's)", xlim=(-0.5, len(labels) - 0.5))
        return figure

    return Plot(
        "change-points",
        "What comes first",
        "Left: each seed's change points. Right: the logarithm of the loss's step divided by copying's, above 0 where "
        "copying comes first. A point is a seed; the bar is the mean with its 95 % interval over seeds. The rules use "
        "one half. Checkpoints are 25 steps apart where the loss may fall.",
        "Points on both sides of 0 at one half.",
        draw,
        data,
    )
