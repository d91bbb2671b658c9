"""Copying over training, beside the loss: when each seed learns which, and which token is copied to which."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analyses.analysis import Evidence, Plot
from analyses.claim import interval
from analyses.style import COLOURS, LINES, NAMES, grid, legend
from probes.series import Series

_PALETTE = sns.color_palette("colorblind")
PLACES: dict[str, tuple[str, Any]] = {
    "own": ("itself", _PALETTE[7]),
    "next": ("the next token", _PALETTE[0]),
    "previous": ("the token before", _PALETTE[5]),
    "other": ("all but itself and the next", _PALETTE[3]),
}
_SERIES = {"copying": ("copying", COLOURS["model"], "o"), "loss": ("loss", COLOURS["gd"], "s")}


def training(evidence: Evidence, run: str) -> Plot:
    """The held-out loss of every seed, and below it what the first layer's tokens react to."""
    curves = evidence.curves[evidence.curves["run"] == run]
    rows = evidence.rows[(evidence.rows["run"] == run) & (evidence.rows["control"] == "none")]
    copied = rows[rows["probe"] == "copying_sensitivity"]
    level = rows[(rows["probe"] == "gd_alignment") & (rows["metric"] == "learner_loss")]
    long = curves[["seed", "step", "held_out_loss"]].rename(columns={"held_out_loss": "value"})
    columns = ["metric", "readout", "seed", "step", "value"]
    data = pd.concat([long.assign(metric="held_out_loss"), copied[columns]], ignore_index=True)[columns]

    def draw() -> Figure:
        figure, (top, even, odd, bottom) = grid(4, 1, 6.6, 2.0)
        for _, part in curves[curves["step"] > 0].groupby("seed"):
            top.plot(part["step"], part["held_out_loss"], color=COLOURS["model"], linewidth=0.9, label=NAMES["model"])
        for who in ("gd", "zero"):
            value = level[level["learner"] == who]["value"].mean()
            top.axhline(value, color=COLOURS[who], linestyle=LINES[who], label=NAMES[who])
        top.set(ylim=(0.15, 1.0), ylabel="held-out loss")
        top.legend(*_unique(top), fontsize=7)
        for axes, readout, holds in ((even, "even", "x"), (odd, "odd", "y")):
            for metric, (label, colour) in PLACES.items():
                _by_seed(axes, copied, readout, metric, color=colour, linewidth=0.9, label=label)
            axes.set(ylabel=f"sensitivity of\na token of {holds} to", yscale="log", ylim=(1e-4, None))
        for readout, holds, line in (("even", "x", "-"), ("odd", "y", ":")):
            style = {"color": PLACES["next"][1], "linestyle": line, "linewidth": 0.9}
            _by_seed(bottom, copied, readout, "contrast", label=f"tokens of {holds}", **style)
        bottom.set(ylabel="contrast of\nnext and others", ylim=(-0.1, 1.05), xlabel="training step")
        bottom.legend(*_unique(bottom), fontsize=7)
        for axes in (top, even, odd, bottom):
            axes.set(xscale="log", xlim=(50, float(curves["step"].max())))
        legend(figure, even)
        return figure

    return Plot(
        "training",
        "The loss, and what the first layer copies",
        "Every line is a seed. The loss starts at what stands in the read-out channel, sits on predicting zero, and "
        "falls to that of one gradient step. Below, how strongly tokens after the first layer react to the content of "
        "others: on the plateau to all alike, and where the loss falls to the next token alone. A head that looks one "
        "place ahead does so wherever it stands, so tokens of y do as those of x. How large a copy is, the second "
        "layer can undo; the contrast, (next - other) / (next + other), is free of that.",
        "A loss that falls while tokens of x react to all others alike.",
        draw,
        data,
    )


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
                found = mine[mine["readout"] == name]
                style: dict[str, Any] = {"color": colour, "marker": marker, "edgecolor": "black", "zorder": 3}
                axes.scatter(found["value"], found["condition_value"], s=22, linewidth=0.5, **style)
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
        "and nine tenths. Both rise together, copying a little ahead.",
        "The loss's curve left of copying's, or a mark where the curve only passes by and comes back.",
        draw,
        data,
    )


def change_points(formed: pd.DataFrame, order: str) -> Plot:
    """When copying and the loss have come a tenth, half and nine tenths of their way, and the ratio of both."""
    columns = ["control", "metric", "readout", "seed", "condition_value", "value"]
    data = formed[formed["metric"].isin(["change_point", "order"])][columns]
    mine = data[data["control"] == "none"]

    def draw() -> Figure:
        figure, (left, right) = grid(1, 2, 4.1, 3.0)
        for name, (label, colour, marker) in _SERIES.items():
            shift = 0.12 if name == "loss" else -0.12
            part = mine[(mine["metric"] == "change_point") & (mine["readout"] == name)]
            for seed, points in part.groupby("seed"):
                height = np.full(len(points), float(str(seed)) + shift)
                left.plot(points["value"], height, color=colour, marker=marker, markersize=4, linewidth=1, label=label)
        left.set(xlabel="training step: a tenth, half, nine tenths", ylabel="seed")
        left.set_yticks(sorted(mine["seed"].unique()))
        left.legend(*_unique(left), fontsize=7)
        orders = mine[(mine["metric"] == "order") & (mine["readout"] == order)]
        for place, (_, part) in enumerate(orders.groupby("condition_value")):
            right.scatter(np.full(len(part), place), part["value"], s=18, color=COLOURS["model"], zorder=3)
            mean, low, high = interval(part["value"].to_numpy(float))
            right.errorbar(
                place + 0.2, mean, [[mean - low], [high - mean]], color="0.2", marker="_", capsize=3, linewidth=1
            )
        right.axhline(0, color="0.2", linewidth=0.8)
        labels = [f"{share:g}" for share in sorted(orders["condition_value"].unique())]
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


def matrices(evidence: Evidence, run: str) -> Plot:
    """The first seed's sensitivities of every token to every other: trained, untrained and constructed."""
    found: dict[str, tuple[int, np.ndarray]] = {}
    for name, array in evidence.arrays.items():
        owner, _, step, control, what = (*name.split("/"), "", "", "", "")[:5]
        if owner == run and what == "sensitivity":
            number = int(step.removeprefix("step-"))
            kind = {"none": "model"}.get(control, control)
            before = found.get(kind, (-1, array))[0]
            # The first seed's last checkpoint; later seeds come after it, at the same step.
            if number > before:
                found[kind] = (number, array)
    wanted = ("model", "reversed_positions", "untrained", "constructed_neighbouring")
    shown = {kind: found[kind][1] for kind in wanted if kind in found}
    rows = [
        {"model": kind, "token": k, "input": m, "value": float(array[k, m])}
        for kind, array in shown.items()
        for k in range(array.shape[0])
        for m in range(array.shape[1])
    ]
    data = pd.DataFrame(rows, columns=["model", "token", "input", "value"])

    def draw() -> Figure:
        figure, panels = grid(1, len(wanted), 3.0, 2.9)
        for axes in panels:
            axes.set_axis_off()
        for axes, (kind, array) in zip(panels, shown.items(), strict=False):
            axes.set_axis_on()
            axes.grid(visible=False)
            axes.set_facecolor("0.92")
            # What a token keeps of itself is on another scale, and known: it is left out.
            itself = np.eye(len(array), dtype=bool)
            limit = max(float(array[~itself].max()), 1e-9)
            options: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": limit, "square": True, "mask": itself}
            sns.heatmap(array, ax=axes, cbar_kws={"shrink": 0.6}, **options)
            ticks = range(0, len(array), 4)
            axes.set_xticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
            axes.set_yticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
            title = "trained model" if kind == "model" else NAMES[kind]
            axes.set_xlabel("content of token m")
            axes.set_title(title, fontsize=9)
        panels[0].set_ylabel("first layer's output at token k")
        return figure

    return Plot(
        "matrices",
        "Which token is copied to which",
        "The norm of the gradient of the first layer's output at token k in the content of token m, one seed; even "
        "tokens hold x, odd ones y. The diagonal, which the residual stream alone gives, is left out. Rows have one "
        "bright entry, the next token; with places in reverse order it is the token before. Each panel has colours of "
        "its own.",
        "Even rows as flat as the untrained model's, or a bright entry elsewhere.",
        draw,
        data,
    )


def _by_seed(axes: Any, rows: pd.DataFrame, readout: str, metric: str, **style: Any) -> None:
    mine = rows[(rows["readout"] == readout) & (rows["metric"] == metric) & (rows["step"] > 0)]
    for _, part in mine.groupby("seed"):
        part = part.sort_values("step")
        axes.plot(part["step"].astype(float), part["value"], **style)


def _unique(axes: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    return list(unique.values()), list(unique)
