"""When each seed learns to copy and when its loss falls: the curves around the fall, and their change points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.claims.analysis import Evidence, Plot
from analyses.claims.claim import interval
from analyses.plots.style import grid, inner_legend, legend, look_of
from probes.training_time.series import Series

_SERIES = {"copying": ("copying", look_of("model").colour, "o"), "loss": ("loss", look_of("gd").colour, "s")}


def onset(evidence: Evidence, run: str, series: Sequence[Series], formed: pd.DataFrame) -> Plot:
    """Each seed's copying and loss as shares of their way, around the fall, with their change points."""
    rows = evidence.rows[(evidence.rows["run"] == run) & (evidence.rows["control"] == "none")]
    shares = []
    for each in series:
        found = each.of(rows)
        for seed, part in found.groupby("seed"):
            start = part["value"].iloc[:3].median() if each.first is None else each.first
            way = (part["value"] - start) / (part["value"].iloc[-3:].median() - start)
            place = {"seed": seed, "step": part["step"].astype(float), "series": each.name}
            shares.append(pd.DataFrame({**place, "share": way}))
    data = pd.concat(shares, ignore_index=True)
    points = formed[(formed["metric"] == "change_point") & (formed["control"] == "none")]

    def draw() -> Figure:
        seeds = sorted(data["seed"].unique())
        figure, panels = grid(-(-len(seeds) // 3), min(len(seeds), 3), 3.0, 2.4)
        for axes in panels[len(seeds) :]:
            axes.set_axis_off()
        for axes, seed in zip(panels, seeds, strict=False):
            mine = points[(points["seed"] == seed) & points["value"].notna()]
            for name, (label, colour, marker) in _SERIES.items():
                part = data[(data["seed"] == seed) & (data["series"] == name)]
                axes.plot(part["step"], part["share"], color=colour, linewidth=1, marker=".", markersize=3, label=label)
                found = mine[mine["series"] == name]
                style: dict[str, Any] = {"color": colour, "marker": marker, "edgecolor": "black", "zorder": 3}
                axes.scatter(found["value"], found["share"], s=22, linewidth=0.5, **style)
            if len(mine):
                axes.set_xlim(0.6 * mine["value"].min(), 1.3 * mine["value"].max())
            axes.set(xscale="linear", ylim=(-0.2, 1.2), title=f"seed {seed}", xlabel="training step")
        panels[0].set_ylabel("share of the way")
        legend(figure, panels[0])
        return figure

    return Plot(
        "onset",
        "Every seed around the fall of its loss",
        "Copying: contrast of the next token and all others, for tokens of x, from 0 to its end. Loss: its way from "
        "predicting zero to its end. A dot is a checkpoint; the larger marks are the change points, at a tenth, half "
        "and nine tenths. Both rise within a checkpoint or two of each other.",
        "The loss's curve left of copying's, or a mark where the curve only passes by and comes back.",
        draw,
        data,
    )


def change_points(formed: pd.DataFrame, order: tuple[str, str]) -> Plot:
    """When copying and the loss have come a tenth, half and nine tenths of their way, and the ratio of both."""
    columns = ["control", "metric", "series", "before", "seed", "share", "value"]
    data = formed[formed["metric"].isin(["change_point", "order"])][columns]
    mine = data[data["control"] == "none"]

    def draw() -> Figure:
        figure, (left, right) = grid(1, 2, 4.1, 3.0)
        for name, (label, colour, marker) in _SERIES.items():
            shift = 0.12 if name == "loss" else -0.12
            part = mine[(mine["metric"] == "change_point") & (mine["series"] == name)]
            for seed, points in part.groupby("seed"):
                height = np.full(len(points), float(str(seed)) + shift)
                left.plot(points["value"], height, color=colour, marker=marker, markersize=4, linewidth=1, label=label)
        left.set(xlabel="training step: a tenth, half, nine tenths", ylabel="seed")
        left.set_yticks(sorted(mine["seed"].unique()))
        inner_legend(left)
        orders = mine[(mine["metric"] == "order") & (mine["series"] == order[0]) & (mine["before"] == order[1])]
        for place, (_, part) in enumerate(orders.groupby("share")):
            right.scatter(np.full(len(part), place), part["value"], s=18, color=look_of("model").colour, zorder=3)
            mean, low, high = interval(part["value"].to_numpy(float))
            right.errorbar(
                place + 0.2, mean, [[mean - low], [high - mean]], color="0.2", marker="_", capsize=3, linewidth=1
            )
        right.axhline(0, color="0.2", linewidth=0.8)
        labels = [f"{share:g}" for share in sorted(orders["share"].unique())]
        right.set_xticks(range(len(labels)), labels)
        right.set(xlabel="share of the way", ylabel="log(loss's step / copying's)", xlim=(-0.5, len(labels) - 0.5))
        return figure

    return Plot(
        "change-points",
        "What comes first",
        "Left: each seed's change points. Right: the logarithm of their quotient, above 0 where copying comes first; a "
        "point is a seed, the bar the mean with its 95 % interval over seeds. The rule looks at one half. Checkpoints "
        "lie 0.07 apart on this axis: what is below that is interpolated.",
        "Points on both sides of 0 at one half.",
        draw,
        data,
    )
