"""Pieces that most figures share: one line a seed, a level to compare with, and the axis of training steps."""

from typing import TypedDict

import pandas as pd
from matplotlib.axes import Axes
from typing_extensions import Unpack

from analyses.plots.style import Colour, look_of


class LineStyle(TypedDict, total=False):
    """Properties of a line, by matplotlib's names."""

    color: str | Colour
    linestyle: str
    linewidth: float
    marker: str
    markersize: float
    alpha: float
    zorder: float


# Single checkpoints or layers shown as dots on a line.
DOTS: LineStyle = {"marker": "o", "markersize": 2, "alpha": 0.8}
SOLID_DOTS: LineStyle = {"linestyle": "-", "marker": "o", "markersize": 2, "alpha": 0.8}


def seed_lines(
    axes: Axes,
    rows: pd.DataFrame,
    name: str,
    *,
    x: str = "step",
    y: str = "value",
    label: str = "",
    **style: Unpack[LineStyle],
) -> None:
    """One line a seed, from left to right, in the look of `name`; `style` changes single properties of it."""
    of_name = look_of(name)
    drawn: LineStyle = {"color": of_name.colour, "linestyle": of_name.line, "linewidth": 1}
    drawn.update(style)
    for _, of_seed in rows.groupby("seed"):
        line = of_seed.sort_values(x)
        axes.plot(line[x].astype(float), line[y], label=label or of_name.label, **drawn)


def reference_line(axes: Axes, level: float, name: str, label: str = "", **style: Unpack[LineStyle]) -> None:
    """A level to compare with, of a learner or a control, in its look."""
    of_name = look_of(name)
    drawn: LineStyle = {"color": of_name.colour, "linestyle": of_name.line}
    drawn.update(style)
    axes.axhline(level, label=label or of_name.label, **drawn)


def mean_line(
    axes: Axes, rows: pd.DataFrame, name: str, *, x: str, y: str, label: str = "", **style: Unpack[LineStyle]
) -> None:
    """The mean over seeds at every value of `x`, in the look of `name`."""
    of_name, mean = look_of(name), rows.groupby(x)[y].mean()
    drawn: LineStyle = {"color": of_name.colour, "linestyle": of_name.line}
    drawn.update(style)
    axes.plot(mean.index, mean, label=label or of_name.label, **drawn)


def step_axis(axes: Axes) -> None:
    """A logarithmic axis of training steps, which also shows step 0."""
    axes.set_xscale("symlog", linthresh=10)
    high = max(float(axes.dataLim.x1), 10.0) if axes.has_data() else 1000.0
    ticks = [0, *(10**power for power in range(1, 7) if 10**power <= high)]
    axes.set(xlabel="training step", xlim=(-1, None), xticks=ticks)
