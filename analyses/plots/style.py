"""How every figure looks: readable in print, by colour-blind readers, and byte-identical when made again."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import matplotlib
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from probes.controls.registry import CONTROLS

Colour: TypeAlias = tuple[float, float, float]

# Units of losses, in labels of axes.
HALF = "half squared error"
NATS = "nats"

# Okabe and Ito's colours, through seaborn; but for its pink and yellow, too pale for small markers on white.
_PALETTE: list[Colour] = sns.color_palette("colorblind")
_PALETTE[6] = (0.45, 0.05, 0.45)
_PALETTE[8] = (0.78, 0.70, 0.05)
_GREY = (0.35, 0.35, 0.35)


@dataclass(frozen=True)
class Look:
    """How one subject, learner, control or score is drawn, in every figure alike."""

    colour: Colour
    # Empty for controls, whose labels stand in the rows of their registry.
    label: str = ""
    line: str = "-"
    marker: str = "o"


# Models, learners, controls and scores that figures of this package show. Others are drawn too, see `look_of`.
LOOKS = {
    "model": Look(_PALETTE[0], "trained model, each seed"),
    "gd": Look(_PALETTE[1], "gradient descent, tuned", line="--"),
    "gd_plus_plus": Look(_PALETTE[2], "GD++, tuned", line="-."),
    "gd_plus_plus_per_step": Look(_PALETTE[2], "GD++ with sizes per step, tuned", line="-."),
    "preconditioned_gd": Look(_PALETTE[2], "preconditioned GD, tuned", line="-."),
    "zero": Look(_GREY, "predicting zero", line=":"),
    "untrained": Look(_PALETTE[3], line=":", marker="X"),
    "shuffled_labels": Look(_PALETTE[4], line="-.", marker="v"),
    "anisotropic": Look(_PALETTE[2], "trained on anisotropic inputs", marker="s"),
    "isotropic": Look(_PALETTE[8], "trained on isotropic inputs", marker="P"),
    "constructed": Look(_PALETTE[1], line="--", marker="D"),
    "constructed_gd": Look(_PALETTE[8], marker="s"),
    "constructed_preconditioned": Look(_PALETTE[2], marker="D"),
    "constructed_larger_step": Look(_PALETTE[5], marker="^"),
    "constructed_uneven_step": Look(_PALETTE[6], marker="<"),
    "larger_update": Look(_PALETTE[5], marker="^"),
    "applied_twice": Look(_PALETTE[6], marker="P"),
    "identified_only": Look(_PALETTE[9], line=":"),
    "interpolated": Look(_PALETTE[9], "weights halfway to the constructed ones"),
    "frozen_first": Look(_PALETTE[8], "first layer frozen at random", marker="d"),
    "no_repeats": Look(_PALETTE[9], "trained without repeats", marker="X"),
    "random_split": Look(_PALETTE[8], marker="^"),
    "uneven_split": Look(_PALETTE[4], marker="v"),
    "opposed_split": Look(_PALETTE[3], marker="X"),
    "constructed_undercorrected": Look(_PALETTE[4], marker="v"),
    "one_layer": Look(_PALETTE[5], "trained with one layer", marker="P"),
    "meta_learned": Look(_PALETTE[1], "learner: MLP and one explicit step", line="--"),
    "learner": Look(_PALETTE[1], "the learner instead of the model", marker="D"),
    "sine_fit": Look(_PALETTE[2], marker="s"),
    "one_head": Look(_PALETTE[5], "trained with one head", marker="s"),
    "two_heads": Look(_PALETTE[6], "trained with two heads", marker="P"),
    "wide_head": Look(_PALETTE[9], "trained with one wide head", marker="d"),
    "high_rate": Look(_PALETTE[3], "two heads at a high learning rate", marker="X"),
    "linear": Look(_PALETTE[8], "trained linear layer", marker="s"),
    "constructed_softmax": Look(_PALETTE[2], line="-.", marker="D"),
    "constructed_softmax_shared": Look(_PALETTE[1], line="-.", marker="D"),
    "constructed_softmax_skewed": Look(_PALETTE[9], marker="s"),
    "mismatched_heads": Look(_GREY, marker=">"),
    "turned_queries": Look(_PALETTE[6], marker="P"),
    "constructed_small_gamma": Look(_PALETTE[9], marker="s"),
    "constructed_uneven_gamma": Look(_PALETTE[4], marker="v"),
    "not_adapted": Look(_PALETTE[5], "trained at the shortest context", marker="P"),
    "constructed_normed": Look(_PALETTE[2], line="-.", marker="D"),
    "constructed_interleaved": Look(_PALETTE[2], marker="D"),
    "reversed_positions": Look(_PALETTE[9], marker="s"),
    "wrong_neighbour": Look(_PALETTE[5], "copying from the token before", marker="P"),
    "copied_size": Look(_PALETTE[8], "the copy's size alone", marker="^"),
    "fresh_teachers": Look(_PALETTE[9], marker="^"),
    "endless": Look(_PALETTE[8], "trained on endless teachers", marker="P"),
    "eight_tasks": Look(_PALETTE[5], "trained on 8 tasks", marker="s"),
    "many_tasks": Look(_PALETTE[6], "trained on 8192 tasks", marker="P"),
    "block_few": Look(_PALETTE[9], "block trained on 128 tasks", marker="d"),
    "uniform": Look(_GREY, "uniform", line=":"),
    "unigram": Look(_PALETTE[1], "unigram", line="--"),
    "bigram": Look(_PALETTE[2], "bigram", line="-."),
    "best": Look(_PALETTE[2], "the best possible predictor", line="-."),
    "best_predictor": Look(_PALETTE[2], marker="D"),
    "shuffled_tokens": Look(_PALETTE[4], marker="v"),
    "previous_token": Look(_PALETTE[1], "previous token, in its place", line="--", marker="s"),
    "prefix_matching": Look(_PALETTE[0], "prefix matching"),
    "task_prefix_matching": Look(_PALETTE[9], "prefix matching on the task", line=":"),
    "copied_share": Look(_PALETTE[2], "share that is copied", line="-."),
    "constructed_induction": Look(_PALETTE[1], marker="D"),
    "constructed_pair_step": Look(_PALETTE[1], marker="D"),
    "two_layers": Look(_PALETTE[6], "trained with two layers", marker="P"),
    "two_linear": Look(_PALETTE[6], "two linear heads", marker="P"),
    "two_softmax": Look(_PALETTE[9], "two softmax heads", marker="s"),
    "softmax": Look(_PALETTE[6], "trained softmax heads", marker="s"),
}
_MARKERS = "sPdX^vD<>"
_LINES = ("--", "-.", ":")


def look_of(name: str) -> Look:
    """The look of a subject, learner, control or score.

    A name that is not among `LOOKS`, of a plugin say, gets a colour, line and marker that depend on the name alone, and
    the label of its control, or else its name.

    >>> look_of("model").label, look_of("my_learner").label, look_of("my_learner") == look_of("my_learner")
    ('trained model, each seed', 'my learner', True)
    """
    known = LOOKS.get(name) or _look_by_hash(name)
    return replace(known, label=CONTROLS[name].label) if name in CONTROLS else known


def _look_by_hash(name: str) -> Look:
    number = zlib.crc32(name.encode())
    colour = _PALETTE[1 + number % (len(_PALETTE) - 1)]
    line, marker = _LINES[number // 16 % len(_LINES)], _MARKERS[number // 64 % len(_MARKERS)]
    return Look(colour, name.replace("_", " "), line, marker)


# TrueType: many journals refuse type 3.
PDF_FONTS = 42


@contextmanager
def styled() -> Iterator[None]:
    """Settings for drawing and saving; matplotlib's own are restored afterwards."""
    settings: Any = {
        **sns.axes_style("whitegrid"),
        **sns.plotting_context("paper", font_scale=1.1),
        "axes.titlesize": 10,
        "figure.constrained_layout.use": True,
        "legend.frameon": False,
        "pdf.fonttype": PDF_FONTS,
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


def legend(figure: Figure, *panels: Axes, columns: int = 4) -> None:
    """One legend below all panels of a figure, with each label of the given panels once.

    It has fewer columns than `columns` where so many would be wider than the figure.
    """
    handles = _labelled(*panels)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for fitting in range(columns, 0, -1):
        drawn = figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=fitting)
        if fitting == 1 or drawn.get_window_extent(renderer).width <= figure.bbox.width:
            return
        drawn.remove()


def log_steps(axes: Axes) -> None:
    """A logarithmic axis of training steps with a label at each power of ten."""
    axes.set(xscale="log", xlabel="training step")
    # Over less than two decades matplotlib would label minor ticks too, and their labels overlap.
    axes.tick_params(axis="x", which="minor", labelbottom=False)


def whole_numbers(axes: Axes) -> None:
    """Ticks of an axis of layers: there is no layer 1.5."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def nothing_to_draw(axes: Axes, reason: str) -> None:
    """A panel without data: the reason in place of the axes."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, reason, ha="center", va="center", fontsize=8, transform=axes.transAxes)


def inner_legend(axes: Axes, location: str = "best") -> None:
    """A small legend inside a panel, each label once."""
    handles = _labelled(axes)
    axes.legend(handles.values(), handles.keys(), loc=location, fontsize=7)  # pyright: ignore[reportArgumentType]


def _labelled(*panels: Axes) -> dict[str, Artist]:
    pairs = [axes.get_legend_handles_labels() for axes in panels]
    return {label: handle for handles, labels in pairs for handle, label in zip(handles, labels, strict=True)}
