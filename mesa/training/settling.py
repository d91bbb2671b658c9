"""Is a loss at its end? It must have left every trivial plateau, and must no longer fall at the full learning rate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

# A plateau is left where less than this share of the way from it to the best possible loss lies ahead. A loss that
# drops below this share of itself still falls.
LEFT = 0.95
# A loss does not fall any more where, over the last fifth of a stretch, it falls by less than this share of itself, and
# of what there is to learn.
LEAST_FALL = 0.01
# What a reason says, among others, where the loss is flat and no plateau is left.
ON_PLATEAU = "on the plateau of"
# With fewer evaluations in the last fifth their median would be that of a few single ones.
FEWEST = 6


@dataclass(frozen=True)
class Plateau:
    """The loss of a trivial prediction, and that of the task's best prediction or a loss that bounds it from below."""

    loss: float
    best: float = 0.0

    @property
    def left_below(self) -> float:
        """The loss below which the plateau is left: a twentieth of the way down to the best one.

        Relative to the plateau alone, a model of tokens could have learnt much and not have left it: the best
        prediction of a Markov chain of four states is only 13 % below a uniform guess.

        >>> round(Plateau(0.4).left_below, 3), round(Plateau(1.4, best=1.2).left_below, 3)
        (0.38, 1.39)
        """
        return self.best + LEFT * (self.loss - self.best)


def why_unsettled(
    steps: Sequence[int], losses: Sequence[float], plateaus: Mapping[str, Plateau], begin: int = 0
) -> str | None:
    """Why a held-out loss is not at its end, in words that follow the name of a seed; None where it is.

    `steps` and `losses` are the evaluations at one learning rate, from step `begin` on. The fall over the last fifth is
    that from the median of the fifth before to the median of the last fifth. With 20 evaluations in each, it has 0.4
    times the jitter of a single one, and a few spikes do not move it. Both medians would miss a sudden drop at the very
    end, so the median of the last three evaluations may not be below 95 % of that of the last fifth.

    The fall must also be known to be that small, whatever the jitter.

    A fall is compared with the loss and with the way from the lowest plateau to the best loss, where that is shorter:
    one per cent of a loss of tokens can be a tenth of all that there is to learn.

    >>> steps = range(0, 1001, 10)
    >>> why_unsettled(steps, [0.2 + 0.8 * 0.5 ** (step / 50) for step in steps], {"predicting zero": Plateau(0.4)})
    >>> why_unsettled(steps, [0.39 for _ in steps], {"predicting zero": Plateau(0.4)})
    'on the plateau of predicting zero'
    >>> why_unsettled(steps, [0.9 ** (step / 200) for step in steps], {})
    'still falling: by 10.0 % over the last fifth'
    >>> why_unsettled(steps, [1.25 - step / 5e4 for step in steps], {"a uniform guess": Plateau(1.4, best=1.2)})
    'still falling: by 2.0 % of what there is to learn over the last fifth'
    """
    end = steps[-1] if len(steps) else begin
    fifth = (end - begin) / 5
    last = [loss for step, loss in zip(steps, losses, strict=True) if end - fifth < step]
    before = [loss for step, loss in zip(steps, losses, strict=True) if end - 2 * fifth < step <= end - fifth]
    fewest = min(len(last), len(before))
    if fewest < FEWEST:
        return f"too short to tell: {fewest} evaluations in a fifth of it, {FEWEST} are needed"
    level = float(np.median(last))
    to_learn = min((plateau.loss - plateau.best for plateau in plateaus.values()), default=level)
    recent = [(step, loss) for step, loss in zip(steps, losses, strict=True) if end - 2 * fifth < step]
    if reason := _why_falling(before, last, to_learn) or _why_unsure(recent, fifth):
        return reason
    not_left = [name for name, plateau in plateaus.items() if level >= plateau.left_below]
    return f"{ON_PLATEAU} {' and '.join(not_left)}" if not_left else None


def _why_falling(before: Sequence[float], last: Sequence[float], to_learn: float) -> str | None:
    """Why a loss still falls, by its evaluations in the last fifth and in the one before; None where it does not."""
    level = float(np.median(last))
    fall = _fall(float(np.median(before)), level)
    if fall >= LEAST_FALL:
        return f"still falling: by {100 * fall:.1f} % over the last fifth"
    if (fallen := float(np.median(before)) - level) >= LEAST_FALL * to_learn > 0:
        return f"still falling: by {100 * fallen / to_learn:.1f} % of what there is to learn over the last fifth"
    drop = _fall(level, float(np.median(last[-3:])))
    return f"still falling: by {100 * drop:.1f} % at the end of the last fifth" if drop > 1 - LEFT else None


def _why_unsure(evaluations: Sequence[tuple[int, float]], fifth: float) -> str | None:
    steepest = _steepest_fall(evaluations, fifth)
    sure = steepest < LEAST_FALL
    return None if sure else f"may still fall, by up to {100 * steepest:.1f} % in a fifth: its jitter hides less"


def _steepest_fall(evaluations: Sequence[tuple[int, float]], fifth: float) -> float:
    """The fall over a fifth at the steep end of the 95 % interval of the trend; 0 where a loss is 0.

    The trend is Theil and Sen's slope of the logarithm, which a few spikes do not move. A loss that jitters by 5 % and
    is looked at again and again falls by less than 1 % from one fifth to the next sooner or later, by chance alone.
    """
    steps, losses = np.array(evaluations, dtype=float).T
    if not (losses > 0).all():
        return 0.0
    low_slope = float(np.asarray(theilslopes(np.log(losses), steps, alpha=0.95))[2])
    return 1.0 - math.exp(low_slope * fifth)


def _fall(before: float, after: float) -> float:
    """The share of itself that a loss has lost; 0 where it was 0, as a loss is where every prediction is exact."""
    return 1 - after / before if before > 0 else 0.0
