"""Copying and the loss over training, and which token is copied to which."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from typing_extensions import Unpack

from analyses.evidence import Evidence
from analyses.experiments.copying.change_points import onset, order_of_change_points
from analyses.experiments.copying.measures import formation_rows
from analyses.plots.plot import Plot
from analyses.plots.seed_lines import LineStyle, reference_line, seed_lines
from analyses.plots.style import grid, inner_legend, legend, look_of
from probes.readings.arrays import find_array

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
        for learner in ("gd", "zero"):
            reference_line(top, level[level["learner"] == learner]["value"].mean(), learner)
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
        "Every line is a seed. The loss starts at what the initial weights write into the read-out channel, stays at "
        "predict-zero's, and falls to that of one gradient step. Below, how strongly tokens after the first layer "
        "react to the content of other tokens: to all alike on the plateau, and to the next token alone where the loss "
        "falls. A head that attends to the next position does so at every position, so tokens of y react as those of x "
        "do. The second layer can undo any scale of the copy; the contrast, (next - other) / (next + other), does not "
        "depend on that scale.",
        "A loss that falls while tokens of x react to all others alike.",
        draw,
        data,
    )


def matrices(evidence: Evidence, run: str) -> Plot:
    """The first seed's sensitivities of every token to every other: trained, untrained and constructed."""
    kinds = ("model", "reversed_positions", "untrained", "constructed_interleaved")
    keys = {
        kind: find_array(evidence.arrays, "sensitivity", run=run, control="none" if kind == "model" else kind)
        for kind in kinds
    }
    arrays = {kind: evidence.arrays[key] for kind, key in keys.items() if key is not None}
    rows = [
        {"model": kind, "token": k, "input": m, "value": float(array[k, m])}
        for kind, array in arrays.items()
        for k in range(array.shape[0])
        for m in range(array.shape[1])
    ]
    data = pd.DataFrame(rows, columns=["model", "token", "input", "value"])

    def draw() -> Figure:
        figure, panels = grid(1, len(kinds), 3.0, 2.9)
        for axes in panels:
            axes.set_axis_off()
        for axes, (kind, array) in zip(panels, arrays.items(), strict=False):
            _matrix(axes, array)
            axes.set_title("trained model" if kind == "model" else look_of(kind).label, fontsize=9)
        panels[0].set_ylabel("first layer's output at token k")
        return figure

    return Plot(
        "matrices",
        "Which token is copied to which",
        "The norm of the gradient of the first layer's output at token k with respect to the content of token m, one "
        "seed; even tokens hold x, odd ones y. The diagonal is left out, since the residual stream alone gives it. "
        "Each row has one bright entry, the next token; with positions in reverse order it is the previous token. Each "
        "panel has its own colour scale.",
        "Even rows as flat as the untrained model's, or a bright entry elsewhere.",
        draw,
        data,
    )


def change_points(evidence: Evidence, run: str) -> Iterable[Plot]:
    """Every seed's curves around the fall of its loss, and what comes first."""
    formation = formation_rows(evidence)
    yield onset(evidence, run, formation)
    yield order_of_change_points(formation)


def _matrix(axes: Axes, array: np.ndarray) -> None:
    axes.set_axis_on()
    axes.grid(visible=False)
    axes.set_facecolor("0.92")
    # A token's sensitivity to itself is known, and much larger: it is left out.
    diagonal = np.eye(len(array), dtype=bool)
    limit = max(float(array[~diagonal].max()), 1e-9)
    options: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": limit, "square": True, "mask": diagonal}
    sns.heatmap(array, ax=axes, cbar_kws={"shrink": 0.6}, **options)
    ticks = range(0, len(array), 4)
    axes.set_xticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
    axes.set_yticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
    axes.set_xlabel("content of token m")


def _copied(axes: Axes, rows: pd.DataFrame, parity: str, metric: str, label: str, **style: Unpack[LineStyle]) -> None:
    sensitivities = rows[(rows["parity"] == parity) & (rows["metric"] == metric) & (rows["step"] > 0)]
    seed_lines(axes, sensitivities, "model", label=label, **style)
