"""The verdict of `identify`: the simplest candidate that explains a model, how sure that is, and where it holds."""

import math
from collections import Counter
from dataclasses import dataclass

import torch

from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identification.shares import Shares

CERTAIN = 0.95
# A share that a search for the best parameters may leave.
_ROUNDING = 1e-7
# Standard errors by which a systematic share may exceed its bound: resampling adds its own error to that of prompts.
_SLACK = 4.0


@dataclass(frozen=True)
class Criterion:
    """Bounds on shares of variance, calibrated on the calibration plants of `mesa bench identify`.

    total: what a candidate may leave unexplained in training's range, noise included, in units of the variance in
        distribution. Noise of a tenth, in weights or inputs, leaves half of this at most; the predictions of a learner
        that is not continuous jump, and leave more: `total_of_jumps`.
    systematic: what it may leave there in common to all turns of a prompt, and at most `exact` plus `excused` times the
        asymmetry: a model without asymmetry has no noise that would excuse a misfit. Noise in the inputs of a learner
        that is not continuous leaves more: up to `discontinuous` times the asymmetry, and at most a tenth.
    beyond: what may be systematic beyond training, in units of (f^2 + g^2) / 2; there noise is amplified, so that
        `amplified` times the part that is not systematic is added.
    asymmetric: the total of a candidate that is not equivariant, at most what noise excuses; three times that where
        predictions may diverge.
    noise: where the answer leaves more than this, a candidate that leaves less than a tenth of it is preferred.
    chance, second_order, explained: a candidate is preferred too that leaves less than `explained` of the answer's
        systematic part, in distribution or beyond training, where that exceeds `chance` times the noise, which noise
        and a misfit reach by chance correlation, and `second_order` times its square, which noise in weights leaves in
        common to all turns.
    unfitted: the same as `chance` for an answer without free parameters, which takes up no scale that noise has.
    extrapolated: the same as `chance` where predictions may diverge, times the noise there or in distribution: errors
        of fitted parameters grow there.
    """

    total: float = 0.1
    total_of_jumps: float = 0.25
    systematic: float = 0.005
    exact: float = 5e-4
    excused: float = 10.0
    discontinuous: float = 0.7
    beyond: float = 0.03
    amplified: float = 1.0
    asymmetric: float = 0.025
    noise: float = 0.05
    chance: float = 0.02
    second_order: float = 2.0
    explained: float = 0.2
    unfitted: float = 0.3
    extrapolated: float = 0.3


@dataclass(frozen=True)
class Answer:
    """A candidate, or None for none of them; `everywhere` is False where it holds in distribution only.

    >>> str(Answer(Candidate("gd", 2, 1), everywhere=False))
    'gd 2, in distribution only'
    """

    candidate: Candidate | None
    everywhere: bool = True

    def __str__(self) -> str:
        name = "none" if self.candidate is None else str(self.candidate)
        return name if self.everywhere else f"{name}, in distribution only"


@dataclass(frozen=True)
class Identity:
    """What a model was identified as.

    `answers`: one, or two where resampled prompts disagree ("A or B"). `certainty`: the share of resamples that give
    the first. `agreeing`: all candidates that suffice. `runner_up`: the best of those that do not, and `margin` how
    much more systematic variance it leaves unexplained than the answer does.
    """

    answers: tuple[Answer, ...]
    certainty: float
    agreeing: tuple[Candidate, ...]
    runner_up: Candidate | None
    margin: float


def decide(shares: Shares, criterion: Criterion = Criterion()) -> Answer:
    """The answer, and whether it holds beyond training too."""
    inside, everywhere = (
        [index for index in indices if index not in shares.copies] for indices in sufficient(shares, criterion)
    )
    if everywhere:
        return Answer(shares.candidates[_choose(shares, everywhere, criterion)])
    if inside:
        # Beyond training none of them holds: which one comes nearest there says nothing.
        return Answer(shares.candidates[_choose(shares.within, inside, criterion)], False)
    return Answer(None)


def sufficient(shares: Shares, criterion: Criterion = Criterion()) -> tuple[list[int], list[int]]:
    """Which candidates explain the model in training's range, and which of them beyond it too."""
    # Prompts differ in how much noise they bring: without noise, a systematic part is known exactly.
    systematic = shares.systematic - torch.minimum(_SLACK * shares.error, shares.noise)
    continuous, equivariant = (
        torch.tensor([getter(candidate) for candidate in shares.candidates])[:, None]
        for getter in (lambda candidate: candidate.continuous, lambda candidate: candidate.equivariant)
    )
    discontinuous = max(criterion.systematic, min(criterion.discontinuous * shares.asymmetry, 0.1))
    excused = criterion.exact + criterion.excused * shares.asymmetry
    smooth = min(criterion.systematic, excused)
    bound = torch.where(continuous, smooth, discontinuous)
    total = torch.where(continuous, criterion.total, criterion.total_of_jumps)
    inside = (shares.total <= total) & (systematic <= bound)
    outside = systematic <= bound + criterion.beyond + criterion.amplified * shares.noise
    strict = torch.where(shares.diverging, 3.0, 1.0) * min(criterion.asymmetric, excused)
    # NaN, of a prediction that overflowed, meets no bound.
    within = torch.where(equivariant, torch.where(shares.diverging, outside, inside), shares.total <= strict)
    explained = within[:, ~shares.beyond].all(dim=1)
    everywhere = explained & within[:, shares.beyond].all(dim=1)
    return explained.nonzero().flatten().tolist(), everywhere.nonzero().flatten().tolist()


def _choose(shares: Shares, indices: list[int], criterion: Criterion) -> int:
    """The simplest, of equally simple ones the one of smallest error; unless another one explains its defect."""
    chosen = _simplest(shares, indices)
    total = shares.total[:, 0].tolist()
    for _ in indices:
        better = []
        if total[chosen] > criterion.noise:
            better = [index for index in indices if total[index] < 0.1 * total[chosen]]
        if not better:
            better = [
                index
                for index in indices
                if total[index] <= 1.05 * total[chosen] and _explains_defect(shares, chosen, index, criterion)
            ]
        if not better:
            break
        chosen = _simplest(shares, better)
    limits = [index for index in indices if _is_limit(shares, chosen, index, criterion)]
    return limits[0] if limits else chosen


def _is_limit(shares: Shares, chosen: int, other: int, criterion: Criterion) -> bool:
    """Whether the other candidate is the limit of the chosen one, and noise cannot tell them apart.

    With noise in its inputs a nearest neighbour's label becomes an average over near examples, as with a narrow kernel.
    """
    if shares.candidates[other].name != shares.candidates[chosen].limit:
        return False
    return bool((shares.systematic[other] - shares.systematic[chosen] <= shares.noise[other]).all())


def _explains_defect(shares: Shares, chosen: int, other: int, criterion: Criterion) -> bool:
    """Whether the other candidate explains, in one of the conditions, what the chosen one leaves, and none vice versa.

    Only in distribution and beyond: where inputs are small, labels noisy, all candidates are alike.
    """
    judged = shares.beyond.clone()
    judged[0] = True
    systematic, noise = shares.systematic.clamp(min=0.0)[:, judged], shares.noise[:, judged]
    chance = criterion.chance if shares.candidates[chosen].free else criterion.unfitted
    # What the better of the two leaves is the best estimate of the noise.
    least = torch.minimum(noise[chosen], noise[other])
    excess = torch.maximum(chance * least, criterion.second_order * least.square()).clamp(min=_ROUNDING)
    extrapolated = criterion.extrapolated * torch.maximum(least, least[:1])
    excess = torch.where(shares.diverging[judged], torch.maximum(excess, extrapolated), excess)
    gain = systematic[chosen] - systematic[other]
    explained = (gain > excess) & (systematic[other] < criterion.explained * systematic[chosen])
    return bool(explained.any()) and not bool((gain < -excess).any())


def _simplest(shares: Shares, indices: list[int]) -> int:
    fewest = min(shares.candidates[index].free for index in indices)
    return min(
        (index for index in indices if shares.candidates[index].free == fewest), key=lambda index: shares.misfit[index]
    )


def identify(shares: Shares, resamples: list[Shares], criterion: Criterion = Criterion()) -> Identity:
    """The verdict over all prompts, and how often prompts drawn anew from them give the same."""
    first = decide(shares, criterion)
    counts = Counter(decide(each, criterion) for each in resamples)
    certainty = counts[first] / len(resamples) if resamples else 1.0
    others = [answer for answer, _ in counts.most_common() if answer != first]
    answers = (first, *others[:1]) if certainty < CERTAIN else (first,)
    inside, everywhere = sufficient(shares, criterion)
    agreeing = everywhere or inside
    distance = shares.largest
    insufficient = [index for index in range(len(distance)) if index not in agreeing]
    runner_up = min(insufficient, key=lambda index: distance[index], default=None)
    margin = math.nan
    if runner_up is not None:
        answered = 0.0 if first.candidate is None else distance[shares.candidates.index(first.candidate)]
        margin = distance[runner_up] - answered
    return Identity(
        answers,
        certainty,
        tuple(shares.candidates[index] for index in agreeing),
        None if runner_up is None else shares.candidates[runner_up],
        margin,
    )
