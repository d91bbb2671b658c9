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
    "gd_plus_plus": _PALETTE[2],
    "gd_plus_plus_per_step": _PALETTE[2],
    "preconditioned_gd": _PALETTE[2],
    "zero": (0.35, 0.35, 0.35),
    "untrained": _PALETTE[3],
    "shuffled_labels": _PALETTE[4],
    "anisotropic": _PALETTE[2],
    "isotropic": _PALETTE[8],
    "constructed": _PALETTE[1],
    "constructed_gd": _PALETTE[8],
    "constructed_preconditioned": _PALETTE[2],
    "identified_only": _PALETTE[9],
    "interpolated": _PALETTE[9],
    "one_layer": _PALETTE[5],
    "meta_learned": _PALETTE[1],
    "learner": _PALETTE[1],
    "sine_fit": _PALETTE[2],
    "one_head": _PALETTE[5],
    "two_heads": _PALETTE[6],
    "wide_head": _PALETTE[9],
    "high_rate": _PALETTE[3],
    "linear": _PALETTE[8],
    "constructed_softmax": _PALETTE[2],
    "constructed_normed": _PALETTE[2],
    "constructed_interleaved": _PALETTE[2],
    "reversed_positions": _PALETTE[9],
    "wrong_neighbour": _PALETTE[5],
    "copied_size": _PALETTE[8],
    "fresh_teachers": _PALETTE[9],
    "endless": _PALETTE[8],
    "eight_tasks": _PALETTE[5],
    "many_tasks": _PALETTE[6],
    "block_few": _PALETTE[9],
    "uniform": (0.35, 0.35, 0.35),
    "unigram": _PALETTE[1],
    "bigram": _PALETTE[2],
    "best": _PALETTE[2],
    "best_predictor": _PALETTE[2],
    "shuffled_tokens": _PALETTE[4],
    "previous_token": _PALETTE[1],
    "prefix_matching": _PALETTE[0],
    "task_prefix_matching": _PALETTE[9],
    "copying": _PALETTE[2],
    "constructed_induction": _PALETTE[1],
    "constructed_pair_step": _PALETTE[1],
    "two_layers": _PALETTE[6],
    "two_linear": _PALETTE[6],
    "two_softmax": _PALETTE[9],
    "softmax": _PALETTE[6],
}
LINES = {
    "model": "-",
    "gd": "--",
    "gd_plus_plus": "-.",
    "gd_plus_plus_per_step": "-.",
    "preconditioned_gd": "-.",
    "zero": ":",
    "interpolated": "-",
    "meta_learned": "--",
    "uniform": ":",
    "unigram": "--",
    "bigram": "-.",
    "best": "-.",
    "previous_token": "--",
    "prefix_matching": "-",
    "task_prefix_matching": ":",
    "copying": "-.",
}
MARKERS = {
    "model": "o",
    "untrained": "X",
    "shuffled_labels": "v",
    "anisotropic": "s",
    "isotropic": "P",
    "constructed": "D",
    "constructed_gd": "s",
    "constructed_preconditioned": "D",
    "identified_only": "o",
    "one_layer": "P",
    "learner": "D",
    "sine_fit": "s",
    "one_head": "s",
    "two_heads": "P",
    "wide_head": "d",
    "high_rate": "X",
    "linear": "s",
    "constructed_softmax": "D",
    "constructed_normed": "D",
    "constructed_interleaved": "D",
    "reversed_positions": "s",
    "wrong_neighbour": "P",
    "copied_size": "^",
    "fresh_teachers": "^",
    "endless": "P",
    "eight_tasks": "s",
    "many_tasks": "P",
    "block_few": "d",
    "best_predictor": "D",
    "previous_token": "s",
    "shuffled_tokens": "v",
    "constructed_induction": "D",
    "constructed_pair_step": "D",
    "two_layers": "P",
    "two_linear": "P",
    "two_softmax": "s",
    "softmax": "s",
}
NAMES = {
    "model": "trained model, each seed",
    "gd": "gradient descent, tuned",
    "gd_plus_plus": "GD++, tuned",
    "gd_plus_plus_per_step": "GD++ with sizes per step, tuned",
    "preconditioned_gd": "preconditioned GD, tuned",
    "zero": "predicting zero",
    "untrained": "untrained",
    "shuffled_labels": "shuffled labels",
    "anisotropic": "trained on anisotropic inputs",
    "isotropic": "trained on isotropic inputs",
    "constructed": "constructed weights",
    "constructed_gd": "constructed plain GD",
    "constructed_preconditioned": "constructed preconditioned step",
    "identified_only": "unidentified weights set to zero",
    "interpolated": "weights halfway to the constructed ones",
    "one_layer": "trained with one layer",
    "meta_learned": "learner: MLP and one explicit step",
    "learner": "the learner in the model's place",
    "sine_fit": "the sine fitted by least squares",
    "one_head": "trained with one head",
    "two_heads": "trained with two heads",
    "wide_head": "trained with one wide head",
    "high_rate": "two heads at a high learning rate",
    "linear": "trained linear layer",
    "constructed_softmax": "constructed softmax heads",
    "constructed_normed": "constructed step behind the norm",
    "constructed_interleaved": "constructed copy and step",
    "reversed_positions": "places in reverse order",
    "wrong_neighbour": "copying from the token before",
    "copied_size": "the copy's size alone",
    "fresh_teachers": "on fresh teachers",
    "endless": "trained on endless teachers",
    "eight_tasks": "trained on 8 tasks",
    "many_tasks": "trained on 8192 tasks",
    "block_few": "block trained on 128 tasks",
    "uniform": "uniform",
    "unigram": "unigram",
    "bigram": "bigram",
    "best": "the best there is",
    "best_predictor": "the best predictor",
    "previous_token": "previous token, in its place",
    "shuffled_tokens": "shuffled context",
    "constructed_induction": "constructed induction head",
    "constructed_pair_step": "constructed gradient step",
    "two_layers": "trained with two layers",
    "two_linear": "two linear heads",
    "two_softmax": "two softmax heads",
    "softmax": "trained softmax heads",
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
