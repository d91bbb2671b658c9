"""When does something form, and what comes first? Change points along the checkpoints of a run ([OL])."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from probes.readings.reading import Reading
from probes.training_time.series import SUBJECT, Series

# A level is the median of this many checkpoints, so that one outlier does not move it.
_WINDOW = 3
# The standard deviation of white noise, from the median of |second differences|: sqrt(6) and the normal's quartile.
_NOISE = math.sqrt(6) * 0.6744897501960817


@dataclass(frozen=True)
class Formation:
    """When each series changes in training, for every run, seed and control, and which of two series changes first.

    Metrics of every series, whose name stands in the column `series`:

    - `change_point`: the training step at which a `share` of the change is reached.
    - `change`: the last level minus the first, in the series' own unit.
    - `noise`: the standard deviation of a checkpoint about its neighbours, in the same unit.

    Metric of every pair in `orders`:

    - `order`: log(change point of the second series / that of the first); above 0 where the first changes first.
      Infinite where only one of them forms; missing where neither does.

    The series is smoothed by a running median of three checkpoints. Its levels are the first and the last smoothed
    value. The change point is where the smoothed series last crosses the level in between, interpolated in log step
    between two checkpoints. An order finer than the distance of checkpoints depends on this interpolation.

    The change point is infinite where the series never forms: its change is less than `least` times the noise, or a
    `rising` series falls. It is missing (NaN) where there are fewer than seven checkpoints, and where the first ones
    are already past the share. The noise is estimated from second differences, which a trend does not change.

    Raises ValueError for a share outside 0 to 1, for two series of one name, and for an order of unknown ones.

    >>> rows = [{"seed": 0, "run": "r", "control": "none", "step": s, "metric": "m", "value": float(s > 40)}
    ...     for s in (0, 10, 20, 40, 80, 160, 320, 640)]
    >>> table = Formation((Series("m", {"metric": "m"}),), shares=(0.5,))(Reading.of(rows)).table
    >>> round(table[table.metric == "change_point"]["value"].item(), 1)  # sqrt(40 * 80)
    56.6
    """

    series: tuple[Series, ...]
    orders: tuple[tuple[str, str], ...] = ()
    shares: tuple[float, ...] = (0.1, 0.5, 0.9)
    least: float = 10.0
    name: str = "formation"

    def __post_init__(self) -> None:
        for share in self.shares:
            if not 0 < share < 1:
                raise ValueError(f"shares: {share} must lie between 0 and 1")
        names = [series.name for series in self.series]
        if len(set(names)) < len(names):
            raise ValueError(f"series: {names} must have different names")
        unknown = sorted({name for pair in self.orders for name in pair} - set(names))
        if unknown:
            raise ValueError(f"orders: {unknown} are not among the series {names}")

    def __call__(self, readings: Reading) -> Reading:
        """Measure; `step` is the last step at which a series was measured."""
        rows: list[dict[str, Any]] = []
        points: dict[tuple[Any, ...], dict[tuple[str, float], float]] = {}
        last: dict[tuple[Any, ...], int] = {}
        for series in self.series:
            for key, values_by_step in series.of(readings.table).groupby(SUBJECT):
                steps, values = values_by_step["step"].to_numpy(float), values_by_step["value"].to_numpy(float)
                last[key] = max(int(steps[-1]), last.get(key, 0))
                labels = {**dict(zip(SUBJECT, key, strict=True)), "step": int(steps[-1]), "series": series.name}
                change_points = points.setdefault(key, {})
                for metric, share, value in self._measured(steps, values, series):
                    rows.append({**labels, "metric": metric, **_share(share), "value": value})
                    if share is not None:
                        change_points[series.name, share] = value
        for key, change_points in points.items():
            labels = {**dict(zip(SUBJECT, key, strict=True)), "step": last[key], "metric": "order"}
            for first, second in self.orders:
                for share in self.shares:
                    early, late = (change_points.get((name, share), math.nan) for name in (first, second))
                    value = {"series": first, "before": second, "value": log_ratio(late, early)}
                    rows.append({**labels, **_share(share), **value})
        return Reading.of({"probe": self.name, **row} for row in rows)

    def _measured(
        self, steps: np.ndarray, values: np.ndarray, series: Series
    ) -> Iterator[tuple[str, float | None, float]]:
        if len(values) < 2 * _WINDOW + 1:
            yield from (("change_point", share, math.nan) for share in self.shares)
            return
        smooth = smoothed(values)
        start, end = smooth[0] if series.first is None else series.first, smooth[-1]
        noise = noise_of(values)
        yield from (("change", None, end - start), ("noise", None, noise))
        # A series of one value has no noise; rounding is no change.
        change = end - start if series.rising else abs(end - start)
        formed = change > max(self.least * noise, 1e-9 * np.abs(values).max())
        for share in self.shares:
            progress = (smooth - start) / (end - start) if formed else smooth
            yield "change_point", share, crossing(steps, progress, share) if formed else math.inf


def smoothed(values: np.ndarray) -> np.ndarray:
    """The running median of three; an end has that of the three nearest to it.

    >>> smoothed(np.array([0.0, 0.0, 9.0, 0.0, 1.0])).tolist()
    [0.0, 0.0, 0.0, 1.0, 1.0]
    """
    inner = np.median(np.lib.stride_tricks.sliding_window_view(values, _WINDOW), axis=1)
    return np.concatenate([inner[:1], inner, inner[-1:]])


def noise_of(values: np.ndarray) -> float:
    """The standard deviation of a checkpoint about its neighbours; the median ignores the few in a transition."""
    return float(np.median(np.abs(np.diff(values, n=2)))) / _NOISE


def crossing(steps: np.ndarray, progress: np.ndarray, share: float) -> float:
    """The step from which the progress of a series stays above a share; NaN where it never was below.

    >>> round(crossing(np.array([0, 10, 100, 1000]), np.array([0.0, 0.9, 0.0, 1.0]), 0.5), 1)
    316.2
    """
    below = np.flatnonzero(progress < share)
    if not len(below) or below[-1] == len(progress) - 1:
        return math.nan
    before = int(below[-1])
    fraction = (share - progress[before]) / (progress[before + 1] - progress[before])
    # Step 0 has no logarithm: it counts as step 1.
    low, high = (math.log(max(step, 1.0)) for step in steps[before : before + 2])
    return math.exp(low + fraction * (high - low))


def log_ratio(late: float, early: float) -> float:
    """log(late / early) of two steps above 0, of which either may be infinite; NaN where both are.

    >>> log_ratio(math.inf, 10.0), log_ratio(10.0, math.inf), log_ratio(math.inf, math.inf)
    (inf, -inf, nan)
    """
    return math.log(late) - math.log(early)


def _share(share: float | None) -> dict[str, Any]:
    return {} if share is None else {"share": share}
