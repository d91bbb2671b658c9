"""Is a loss at its end? It must have left every trivial plateau, and must no longer fall at the full learning rate."""

from collections.abc import Mapping, Sequence

import numpy as np

# A plateau is left where the loss is below this share of it.
LEFT = 0.95
# A loss that falls by less than this share of itself over the last fifth of a stretch does not fall any more.
LEAST_FALL = 0.01
# A median of three evaluations at the beginning of the last fifth and one at its end need so many.
FEWEST = 6


def why_unsettled(
    steps: Sequence[int], losses: Sequence[float], plateaus: Mapping[str, float], begin: int = 0
) -> str | None:
    """Why a held-out loss is not at its end, in words that follow the name of a seed; None where it is.

    `steps` and `losses` are the evaluations at one learning rate, from step `begin` on. The level of the last fifth is
    the median of its evaluations, and its fall is `relative_fall`: a single evaluation decides nothing.

    >>> steps = range(0, 1001, 10)
    >>> why_unsettled(steps, [0.2 + 0.8 * 0.5 ** (step / 50) for step in steps], {"predicting zero": 0.4})
    >>> why_unsettled(steps, [0.39 for _ in steps], {"predicting zero": 0.4})
    'on the plateau of predicting zero'
    >>> why_unsettled(steps, [1.0 - 0.0005 * step for step in steps], {})
    'still falling: by 16.7 % over the last fifth'
    """
    end = steps[-1] if len(steps) else begin
    last_fifth = [(step, loss) for step, loss in zip(steps, losses, strict=True) if step > end - (end - begin) / 5]
    if len(last_fifth) < FEWEST:
        return f"too short to tell: {len(last_fifth)} evaluations in the last fifth, {FEWEST} are needed"
    late_steps, late_losses = zip(*last_fifth, strict=True)
    level, fall = float(np.median(late_losses)), relative_fall(late_steps, late_losses, over=(end - begin) / 5)
    if fall >= LEAST_FALL:
        return f"still falling: by {100 * fall:.1f} % over the last fifth"
    not_left = [name for name, plateau in plateaus.items() if level >= LEFT * plateau]
    return f"on the plateau of {' and '.join(not_left)}" if not_left else None


def relative_fall(steps: Sequence[int], losses: Sequence[float], over: float) -> float:
    """How much of itself a loss loses over so many steps, by the medians at the beginning and at the end.

    Each median is of a fifth of the evaluations, at least three, so that the jitter of single ones averages out and a
    spike changes nothing. A straight line through all of them would miss a sudden drop. The logarithm of the ratio of
    the medians is extrapolated from the distance between their mean steps to `over`.

    >>> round(relative_fall(range(6), [1.0, 0.9, 70.0, 0.9, 0.9, 0.8], over=3.0), 3)
    0.1
    """
    count = max(3, len(steps) // 5)
    before, after = (float(np.median(part)) for part in (losses[:count], losses[-count:]))
    distance = float(np.mean(steps[-count:]) - np.mean(steps[:count]))
    # Where a prediction is exact, the loss can be 0, which has no logarithm.
    least = float(np.finfo(float).tiny)
    return float(-np.expm1(np.log(max(after, least) / max(before, least)) * over / distance))
