"""How every figure looks: readable in print, by colour-blind readers, and byte-identical when made again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, through seaborn; a role keeps its colour and its line in every figure.
_PALETTE = sns.color_palette("colorblind")
COLOURS = {
    "model": _PALETTE[0],
    "gd": _PALETTE[1],
    "preconditioned_gd": _PALETTE[2],
    "zero": (0.35, 0.35, 0.35),
    "untrained": _PALETTE[3],
    "shuffled_labels": _PALETTE[4],
    "anisotropic": _PALETTE[2],
    "isotropic": _PALETTE[8],
    "constructed": _PALETTE[1],
    "constructed_preconditioned": _PALETTE[2],
    "identified_only": _PALETTE[9],
}
LINES = {"model": "-", "gd": "--", "preconditioned_gd": "-.", "zero": ":"}
MARKERS = {
    "model": "o",
    "untrained": "X",
    "shuffled_labels": "v",
    "anisotropic": "s",
    "isotropic": "P",
    "constructed": "D",
    "constructed_preconditioned": "D",
    "identified_only": "o",
}
NAMES = {
    "model": "trained model, each seed",
    "gd": "gradient descent, tuned",
    "preconditioned_gd": "preconditioned GD, tuned",
    "zero": "predicting zero",
    "untrained": "untrained",
    "shuffled_labels": "shuffled labels",
    "anisotropic": "trained on anisotropic inputs",
    "isotropic": "trained on isotropic inputs",
    "constructed": "constructed GD step",
    "constructed_preconditioned": "constructed preconditioned step",
    "identified_only": "unidentified weights set to zero",
}


@contextmanager
def styled() -> Iterator[None]:
    """Settings for drawing and saving; matplotlib's own come back after."""
    settings: Any = {
        **sns.axes_style("whitegrid"),
        **sns.plotting_context("paper", font_scale=1.1),
        "axes.titlesize": 10,
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "pdf.fonttype": 42,
        # Identifiers inside an SVG are hashes; a fixed salt makes them the same every time.
        "svg.hashsalt": "mesa-probes",
    }
    with matplotlib.rc_context(settings):
        yield


def grid(rows: int, columns: int, width: float = 3.1, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure of panels, in reading order; it belongs to no window and to no global state."""
    figure = Figure(figsize=(width * columns, height * rows))
    panels = figure.subplots(rows, columns, squeeze=False)
    return figure, list(panels.flat)


def legend(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """One legend below all panels, from the labels of one of them."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=columns)
