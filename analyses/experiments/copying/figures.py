"""Copying over training, beside the loss, and which token is copied to which."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typing_extensions import Unpack

from analyses.claims.analysis import Evidence, Plot
from analyses.plots.seed_lines import LineStyle, reference_line, seed_lines
from analyses.plots.style import grid, inner_legend, legend, look_of
from probes.arrays import find_array

_PALETTE = sns.color_palette("colorblind")
PLACES: dict[str, tuple[str, Any]] = {
    "own": ("itself", _PALETTE[7]),
    "next": ("the next token", _PALETTE[0]),
    "previous": ("the token before", _PALETTE[5]),
    "other": ("all but itself and the next", _PALETTE[3]),
}


def training(evidence: Evidence, run: str) -> Plot:
    """The held-out loss of every seed, and below it what the first layer's tokens react to."""
    curves = evidence.curves[evidence.curves["run"] == run]
    rows = evidence.rows[(evidence.rows["run"] == run) & (evidence.rows["control"] == "none")]
    copied = rows[rows["probe"] == "copying_sensitivity"]
    level = rows[(rows["probe"] == "gd_alignment") & (rows["metric"] == "learner_loss")]
    long = curves[["seed", "step", "held_out_loss"]].rename(columns={"held_out_loss": "value"})
    columns = ["metric", "parity", "seed", "step", "value"]
    data = pd.concat([long.assign(metric="held_out_loss"), copied[columns]], ignore_index=True)[columns]

    def draw() -> Figure:
        figure, (top, even, odd, bottom) = grid(4, 1, 6.6, 2.0)
        seed_lines(top, curves[curves["step"] > 0], "model", y="held_out_loss", linewidth=0.9)
        for who in ("gd", "zero"):
            value = level[level["learner"] == who]["value"].mean()
            reference_line(top, value, who)
        top.set(ylim=(0.15, 1.0), ylabel="held-out loss")
        inner_legend(top)
        for axes, parity, holds in ((even, "even", "x"), (odd, "odd", "y")):
            for metric, (label, colour) in PLACES.items():
                _copied(axes, copied, parity, metric, label, color=colour, linewidth=0.9)
            axes.set(ylabel=f"sensitivity of\na token of {holds} to", yscale="log", ylim=(1e-4, None))
        for parity, holds, line in (("even", "x", "-"), ("odd", "y", ":")):
            style: LineStyle = {"color": PLACES["next"][1], "linestyle": line, "linewidth": 0.9}
            _copied(bottom, copied, parity, "contrast", f"tokens of {holds}", **style)
        bottom.set(ylabel="contrast of\nnext and others", ylim=(-0.1, 1.05), xlabel="training step")
        inner_legend(bottom)
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


def matrices(evidence: Evidence, run: str) -> Plot:
    """The first seed's sensitivities of every token to every other: trained, untrained and constructed."""
    wanted = ("model", "reversed_positions", "untrained", "constructed_interleaved")
    keys = {
        kind: find_array(evidence.arrays, "sensitivity", run=run, control="none" if kind == "model" else kind)
        for kind in wanted
    }
    shown = {kind: evidence.arrays[key] for kind, key in keys.items() if key is not None}
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
            title = "trained model" if kind == "model" else look_of(kind).label
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


def _copied(axes: Axes, rows: pd.DataFrame, parity: str, metric: str, label: str, **style: Unpack[LineStyle]) -> None:
    chosen = rows[(rows["parity"] == parity) & (rows["metric"] == metric) & (rows["step"] > 0)]
    seed_lines(axes, chosen, "model", label=label, **style)
