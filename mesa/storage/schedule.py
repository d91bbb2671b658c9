"""At which training steps a checkpoint is kept."""

import math
from collections.abc import Sequence


def schedule(steps: int, per_decade: int, dense: Sequence[int] | None = None) -> list[int]:
    """The steps that keep their checkpoint: 0, then log-spaced from 10 on, and the last.

    With `dense`, a first step, a last step and a distance, also all steps at this distance from the first to the last.

    >>> schedule(100, 4)
    [0, 10, 18, 32, 56, 100]
    >>> schedule(100, 4, dense=(40, 60, 10))
    [0, 10, 18, 32, 40, 50, 56, 60, 100]
    """
    count = math.ceil(per_decade * math.log10(max(steps, 10) / 10)) + 1
    spaced = {round(10 * 10 ** (index / per_decade)) for index in range(count)}
    if dense is not None:
        first, last, distance = dense
        spaced |= set(range(first, last + 1, distance))
    return sorted({0, steps} | {step for step in spaced if step < steps})
