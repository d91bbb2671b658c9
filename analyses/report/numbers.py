"""Numbers as text, the same way in every report and on the command line."""

import math
from collections.abc import Mapping

import numpy as np

from analyses.claims.outcome import interval


def number(value: float) -> str:
    """A number at three significant digits; a dash where it is not defined.

    >>> number(0.123456), number(float("nan")), number(12345.6)
    ('0.123', '-', '1.23e+04')
    """
    if math.isnan(value):
        return "-"
    return f"{value:.3g}" if abs(value) < 0.99 or abs(value) >= 10 else f"{value:.4g}"


def mean_and_interval(values: Mapping[int, float] | np.ndarray) -> str:
    """The mean over seeds with its 95 % t interval.

    >>> mean_and_interval({0: 1.0, 1: 2.0, 2: 3.0})
    '2 [-0.484, 4.484]'
    """
    return with_interval(interval(values))


def with_interval(mean_low_high: tuple[float, float, float]) -> str:
    """A number with the two ends of its interval."""
    mean, low, high = map(number, mean_low_high)
    return f"{mean} [{low}, {high}]"


def share(value: float) -> str:
    """A share from 0 to 1 as a percentage; a dash where it is not defined.

    >>> share(0.0), share(0.0234), share(1.0)
    ('< 0.1 %', '2.3 %', '100 %')
    """
    if math.isnan(value):
        return "-"
    return "< 0.1 %" if value < 0.001 else f"{100 * value:.2g} %" if value < 0.995 else "100 %"
