"""Change points: a planted one is found, nothing is found where nothing changes, and order is order."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from mesa.storage.schedule import schedule
from probes import Formation, Reading, Series
from probes.training_time.formation import crossing, noise_of, smoothed

STEPS = np.array(schedule(10_000, 32), dtype=float)
LOSS, COPY = Series("loss", {"metric": "loss"}), Series("copy", {"metric": "copy"})


def sigmoid(middle: float, width: float = 0.2) -> np.ndarray:
    """Half its way at the step `middle`, in log step."""
    return 1 / (1 + np.exp(-(np.log(np.maximum(STEPS, 1)) - math.log(middle)) / width))


def rows(metric: str, values: Iterable[float], seed: int = 0, **more: Any) -> list[dict[str, Any]]:
    place = {"run": "r", "seed": seed, "control": "none", "metric": metric, **more}
    return [{**place, "step": int(step), "value": float(value)} for step, value in zip(STEPS, values, strict=True)]


def measured(probe: Formation, *series: list[dict[str, Any]]) -> Callable[..., float]:
    table = probe(Reading.of(row for part in series for row in part)).table

    def value(**where: Any) -> float:
        found = table
        for column, wanted in where.items():
            found = found[found[column] == wanted]
        return found["value"].item()

    return value


@pytest.mark.parametrize("scale", [1.0, -3.0])
@pytest.mark.parametrize("middle", [80.0, 1234.0])
def test_a_planted_sigmoid_is_found_where_it_is(scale: float, middle: float) -> None:
    value = measured(Formation((LOSS,)), rows("loss", 5 + scale * sigmoid(middle)))
    # Between checkpoints a factor 1.07 apart a sigmoid is nearly straight in log step.
    assert value(metric="change_point", share=0.5) == pytest.approx(middle, rel=2e-3)
    # log(share / (1 - share)) widths from the middle.
    for share in (0.1, 0.9):
        expected = middle * math.exp(0.2 * math.log(share / (1 - share)))
        assert value(metric="change_point", share=share) == pytest.approx(expected, rel=1e-2)
    assert value(metric="change") == pytest.approx(scale, abs=1e-3)


def test_noise_and_single_outliers_hardly_move_it() -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(STEPS))
    values = sigmoid(1000.0) + noise
    values[[20, -5]] = [3.0, -3.0]
    value = measured(Formation((LOSS,)), rows("loss", values))
    # Noise of 0.01 against a slope of 1.25 per factor e moves it by about 1 %.
    assert value(metric="change_point", share=0.5) == pytest.approx(1000.0, rel=0.03)
    assert value(metric="noise") == pytest.approx(0.01, rel=0.5)


@pytest.mark.parametrize("values", [np.zeros(len(STEPS)), np.full(len(STEPS), 0.1) + 1e-17], ids=["zero", "rounding"])
def test_nothing_is_found_in_a_constant(values: np.ndarray) -> None:
    value = measured(Formation((LOSS,), shares=(0.5,)), rows("loss", values))
    assert value(metric="change_point") == math.inf


def test_nothing_is_found_in_noise() -> None:
    source = np.random.default_rng(1)
    series = [rows("loss", source.standard_normal(len(STEPS)), seed) for seed in range(200)]
    table = Formation((LOSS,))(Reading.of(row for part in series for row in part)).table
    assert table[table["metric"] == "change_point"]["value"].eq(math.inf).all()


def test_what_comes_and_goes_is_not_formed() -> None:
    passing = np.where((STEPS > 50) & (STEPS < 200), 1.0, 0.0)
    value = measured(Formation((LOSS,), shares=(0.5,)), rows("loss", np.maximum(passing, sigmoid(2000.0, 0.05))))
    assert value(metric="change_point") == pytest.approx(2000.0, rel=0.02)
    assert measured(Formation((LOSS,), shares=(0.5,)), rows("loss", passing))(metric="change_point") == math.inf


def test_a_fall_is_no_formation_of_what_is_to_rise() -> None:
    for sign in (1, -1):
        series = Series("loss", {"metric": "loss"}, rising=True)
        value = measured(Formation((series,), shares=(0.5,)), rows("loss", sign * sigmoid(300.0)))
        assert (value(metric="change_point") == math.inf) is (sign < 0)


def test_a_given_first_level_is_counted_from() -> None:
    values = sigmoid(1000.0)
    values[STEPS < 100] = -2.4  # another fall, before the one that is meant
    found = {}
    for first in (None, 0.0):
        series = Series("loss", {"metric": "loss"}, first=first)
        found[first] = measured(Formation((series,), shares=(0.5,)), rows("loss", values))(metric="change_point")
    assert found[None] < 110 and found[0.0] == pytest.approx(1000.0, rel=1e-2)


def test_a_scale_measures_in_shares_of_a_gap() -> None:
    learners = [*rows("reference", np.full(len(STEPS), 0.4), learner="zero")]
    learners += rows("reference", np.full(len(STEPS), 0.2), learner="gd")
    losses = rows("loss", 0.4 - 0.2 * sigmoid(500.0))
    gap = ({"metric": "reference", "learner": "zero"}, {"metric": "reference", "learner": "gd"})
    series = Series("loss", {"metric": "loss", "learner": None}, scale=gap, first=0.0)
    table = Reading.of([*learners, *losses]).table
    np.testing.assert_allclose(series.of(table)["value"], sigmoid(500.0), atol=1e-12)


def test_order_is_the_log_ratio_of_change_points_and_changes_sign() -> None:
    both = Formation((LOSS, COPY), orders=(("copy", "loss"), ("loss", "copy")))
    value = measured(both, rows("loss", 1 - sigmoid(2000.0)), rows("copy", 7 * sigmoid(1000.0)))
    for share in (0.1, 0.5, 0.9):
        order = value(metric="order", series="copy", before="loss", share=share)
        assert order == pytest.approx(math.log(2), abs=0.01)
        assert value(metric="order", series="loss", before="copy", share=share) == pytest.approx(-order)


def test_what_never_forms_is_infinitely_late() -> None:
    both = Formation((LOSS, COPY), orders=(("copy", "loss"), ("loss", "copy")), shares=(0.5,))
    falls, flat = 1 - sigmoid(2000.0), np.zeros(len(STEPS))
    value = measured(both, rows("loss", falls), rows("copy", flat))
    assert value(metric="order", series="copy") == -math.inf and value(metric="order", series="loss") == math.inf
    # Of two that never form, none is first; nor of one that was never measured.
    assert math.isnan(measured(both, rows("loss", flat), rows("copy", flat))(metric="order", series="copy"))
    assert math.isnan(measured(both, rows("loss", falls))(metric="order", series="copy"))


def test_seeds_and_controls_are_apart_and_their_names_mean_nothing() -> None:
    both = Formation((LOSS, COPY), orders=(("copy", "loss"),), shares=(0.5,))
    middles = {0: (500.0, 1000.0), 1: (900.0, 1000.0), 2: (2000.0, 1000.0)}

    def orders(names: dict[int, int]) -> dict[int, float]:
        parts = [rows("copy", sigmoid(first), names[seed]) for seed, (first, _) in middles.items()]
        parts += [rows("loss", sigmoid(second), names[seed]) for seed, (_, second) in reversed(middles.items())]
        table = both(Reading.of(row for part in parts for row in part)).table
        table = table[table["metric"] == "order"]
        return {int(row.seed): row.value for row in table.itertuples()}

    plain, other = orders({0: 0, 1: 1, 2: 2}), orders({0: 7, 1: 3, 2: 5})
    assert {plain[0]: 7, plain[1]: 3, plain[2]: 5} == {other[name]: name for name in (7, 3, 5)}
    assert plain[0] == pytest.approx(math.log(2), abs=0.01) and plain[2] < 0


def test_rows_may_come_in_any_order() -> None:
    listed = rows("loss", sigmoid(700.0))
    order = np.random.default_rng(2).permutation(len(listed))
    probe = Formation((LOSS,))
    first, second = probe(Reading.of(listed)).table, probe(Reading.of([listed[i] for i in order])).table
    assert first.equals(second)


def test_few_checkpoints_have_no_change_point() -> None:
    value = measured(Formation((LOSS,), shares=(0.5,)), rows("loss", sigmoid(20.0))[:6])
    assert math.isnan(value(metric="change_point"))


def test_the_parts_are_what_they_say() -> None:
    assert smoothed(np.array([5.0, 1, 2, 3, 9, 4])).tolist() == [2, 2, 2, 3, 4, 4]
    line = np.arange(50.0)
    assert noise_of(line) == 0
    assert noise_of(np.random.default_rng(0).standard_normal(4000)) == pytest.approx(1.0, rel=0.1)
    assert math.isnan(crossing(np.array([0.0, 10, 20]), np.array([1.0, 1, 1]), 0.5))
    assert crossing(np.array([0.0, 100]), np.array([0.0, 1]), 0.5) == pytest.approx(10)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"shares: 1\.0 must lie between 0 and 1"):
        Formation((LOSS,), shares=(1.0,))
    with pytest.raises(ValueError, match=r"series: \['loss', 'loss'\] must have different names"):
        Formation((LOSS, LOSS))
    with pytest.raises(ValueError, match=r"orders: \['other'\] are not among"):
        Formation((LOSS,), orders=(("loss", "other"),))
    with pytest.raises(ValueError, match=r"where: \['color'\] are not among"):
        Series("x", {"color": 1})
    with pytest.raises(ValueError, match="chooses several rows"):
        LOSS.of(Reading.of([*rows("loss", sigmoid(100.0)), *rows("loss", sigmoid(100.0))]).table)
