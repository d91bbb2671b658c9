"""Every name has a look: those of this package their own, any other one that depends on its name alone."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import is_color_like
from matplotlib.markers import MarkerStyle

from analyses.plots.style import LOOKS, grid, inner_legend, legend, look_of
from mesa.registry import LEARNERS
from probes.controls.registry import CONTROLS


@pytest.mark.parametrize("name", [*LOOKS, *CONTROLS, *LEARNERS, "a_plugins_learner"])
def test_every_name_can_be_drawn(name: str) -> None:
    look = look_of(name)
    assert is_color_like(look.colour) and look.label
    assert look.line in ("-", "--", "-.", ":") and MarkerStyle(look.marker)
    assert look == look_of(name)


def test_the_label_of_a_control_is_its_rows() -> None:
    assert all(look_of(name).label == row.label for name, row in CONTROLS.items())
    # No control has a second label that could differ from its row's.
    assert not [name for name in CONTROLS if name in LOOKS and LOOKS[name].label]


def test_unknown_names_differ_in_looks() -> None:
    looks = {look_of(f"learner_{number}") for number in range(40)}
    assert len({(look.colour, look.line, look.marker) for look in looks}) > 30


def test_a_legend_names_each_label_once() -> None:
    figure, (left, right) = grid(1, 2)
    for axes in (left, right):
        for label in ("model", "model", "gd"):
            axes.plot([0, 1], [0, 1], label=label)
    right.plot([0, 1], [0, 1], label="zero")
    legend(figure, left, right)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["model", "gd", "zero"]
    inner_legend(left)
    inner = left.get_legend()
    assert inner is not None and [text.get_text() for text in inner.get_texts()] == ["model", "gd"]


def test_a_legend_is_no_wider_than_its_figure() -> None:
    widths = []
    for length in (5, 40, 90):
        figure, (axes,) = grid(1, 1, 8.0)
        for number in range(6):
            axes.plot([0, 1], [0, 1], label=f"{number}" + "m" * length)
        legend(figure, axes, columns=3)
        assert len(figure.legends) == 1
        drawn = figure.legends[0]
        widths.append(drawn.get_window_extent(FigureCanvasAgg(figure).get_renderer()).width / figure.bbox.width)
        assert len(drawn.get_texts()) == 6
    # Three columns, fewer of them, and a single one, whose label alone is too wide.
    assert widths[0] <= 1 and widths[1] <= 1 < widths[2]
