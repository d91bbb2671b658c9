"""A number of a whole run, and how it varies with the seeds that the run happens to have."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

DRAWS = 400
# Where draws differ by many orders of magnitude, the interval is wide, and its ends are still finite.
_LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class Resampled:
    """A number of all seeds together, and the same number of as many seeds drawn from them with replacement."""

    value: float
    draws: np.ndarray
    seeds: int

    @property
    def interval(self) -> tuple[float, float, float]:
        """The number and its 95 % interval; NaN bounds below two seeds or where draws are not defined.

        With few seeds, percentiles of the draws are too narrow: over samples of eight normal numbers, those of the
        standard deviation miss its true value in 28 % of cases, nearly always from below. So the interval is Student's
        t interval around the number, with the standard deviation of the draws, on a logarithmic scale where the number
        and all draws are positive. It misses in 4 %. The draws vary by a factor sqrt((n - 1) / n) less than new samples
        of n seeds do, which is corrected.
        """
        defined = self.draws[~np.isnan(self.draws)]
        # Draws of a single seed have no spread. They are rare unless the seeds are few.
        if math.isnan(self.value) or 2 * len(defined) <= len(self.draws):
            return self.value, math.nan, math.nan
        if not (math.isfinite(self.value) and np.isfinite(defined).all()):
            # Differences between infinities are not defined, so nothing is interpolated.
            low, high = np.quantile(defined, [0.025, 0.975], method="inverted_cdf")
            return self.value, float(low), float(high)
        half = float(stats.t.ppf(0.975, self.seeds - 1)) * math.sqrt(self.seeds / (self.seeds - 1))
        if self.value > 0 and (defined > 0).all():
            factor = math.exp(min(half * float(np.log(defined).std()), _LARGEST_EXPONENT))
            return self.value, self.value / factor, self.value * factor
        width = half * float(defined.std())
        return self.value, self.value - width, self.value + width


def resampled(of: Callable[[pd.DataFrame], float], rows: pd.DataFrame) -> Resampled:
    """A number of the rows of all seeds, with 400 resamples over seeds, which are the same in every call.

    A seed that is drawn twice stands as two seeds. Below two seeds there is no resample.

    >>> rows = pd.DataFrame({"seed": [0, 1, 2, 3], "value": [1.0, 2.0, 3.0, 4.0]})
    >>> [round(number, 2) for number in resampled(lambda rows: rows["value"].mean(), rows).interval]
    [2.5, 1.11, 5.62]
    """
    positions = list(rows.groupby("seed").indices.values())
    if len(positions) < 2:
        return Resampled(float(of(rows)) if positions else math.nan, np.empty(0), len(positions))
    source, draws = np.random.default_rng(0), []
    for _ in range(DRAWS):
        chosen = [positions[index] for index in source.integers(len(positions), size=len(positions))]
        numbers = np.repeat(np.arange(len(chosen)), [len(each) for each in chosen])
        draws.append(of(rows.iloc[np.concatenate(chosen)].assign(seed=numbers)))
    return Resampled(float(of(rows)), np.array(draws, dtype=float), len(positions))
