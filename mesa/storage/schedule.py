"""At which training steps a checkpoint is kept."""

import math


def schedule(steps: int, per_decade: int) -> list[int]:
    """The steps that keep their checkpoint: 0, then log-spaced from 10 on, and the last.

    >>> schedule(100, 4)
    [0, 10, 18, 32, 56, 100]
    """
    count = math.ceil(per_decade * math.log10(max(steps, 10) / 10)) + 1
    spaced = {round(10 * 10 ** (index / per_decade)) for index in range(count)}
    return sorted({0, steps} | {step for step in spaced if step < steps})
