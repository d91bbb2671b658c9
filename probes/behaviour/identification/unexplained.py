"""What a fitted candidate leaves unexplained of a model's predictions, prompt by prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mesa.learners.filters.response import EigenbasisLearner, SpectralLearner
from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identification.conditions import Condition
from tasks.predictor import RegressionPredictor


@dataclass(frozen=True, eq=False)
class Unexplained:
    """Squared errors of one candidate, (condition prompt) each.

    `total` is (f - g)^2, the mean over turns; `systematic` is what all turns share, without bias; `size` is what they
    are relative to: the variance of f, or (f^2 + g^2) / 2 where both may diverge. `per_example`: whether its sums over
    examples are means times the number of examples in training, which fits the model better in other contexts.
    """

    candidate: Candidate
    predictor: RegressionPredictor
    total: Tensor
    systematic: Tensor
    size: Tensor
    per_example: bool = False


def unexplained_family(
    family: Sequence[Candidate], predictor: RegressionPredictor, conditions: Sequence[Condition]
) -> list[Unexplained]:
    """Score candidates that are one predictor after different numbers of steps: it predicts once."""
    # Of a candidate alone, only the last step is compared.
    several = len(family) > 1
    if isinstance(predictor, SpectralLearner):
        paths = [_responded(predictor, condition, 1.0, several) for condition in conditions]
    elif isinstance(predictor, EigenbasisLearner):
        paths = [each.query @ predictor.weights_in_eigenbasis(each.spectrum) for each in conditions]
    else:
        paths = [predictor.predict(condition.prompt) for condition in conditions]
    scored = []
    for candidate in family:
        last = candidate.steps - 1 if several else -1
        errors = [_errors(candidate, path[last], at) for path, at in zip(paths, conditions, strict=True)]
        scored.append(_collected(candidate, predictor, errors))
    return scored


def unexplained(candidate: Candidate, predictor: RegressionPredictor, conditions: Sequence[Condition]) -> Unexplained:
    """Score a fitted candidate under every condition, with its parameters as they were fitted.

    With other numbers of examples a sum over examples can mean two things: the sum itself, or the mean times the number
    in training. The model is compared with the one that it is closer to.
    """
    (plain,) = unexplained_family((candidate,), predictor, conditions)
    trained = conditions[0].prompt.x.shape[1]
    ratios = [trained / condition.prompt.x.shape[1] for condition in conditions]
    if not isinstance(predictor, SpectralLearner) or all(ratio == 1.0 for ratio in ratios):
        return plain
    errors = [
        (plain.total[index], plain.systematic[index], plain.size[index])
        if ratio == 1.0
        else _errors(candidate, _responded(predictor, conditions[index], ratio)[-1], conditions[index])
        for index, ratio in enumerate(ratios)
    ]
    averaged = _collected(candidate, predictor, errors, per_example=True)
    return averaged if _share(averaged) < _share(plain) else plain


def _collected(
    candidate: Candidate,
    predictor: RegressionPredictor,
    errors: Sequence[tuple[Tensor, Tensor, Tensor]],
    per_example: bool = False,
) -> Unexplained:
    total, systematic, size = (torch.stack(column) for column in zip(*errors, strict=True))
    return Unexplained(candidate, predictor, total, systematic, size, per_example)


def _share(scored: Unexplained) -> float:
    return float((scored.total.mean(dim=1) / scored.size.mean(dim=1)).nan_to_num(nan=torch.inf).sum())


def _responded(predictor: SpectralLearner, condition: Condition, ratio: float, path: bool = False) -> Tensor:
    """The predictions (learner_step batch query d_out) where S and X^T Y are multiplied by the ratio.

    Of every step with `path`, else of the last one alone.
    """
    values = condition.spectrum.values * ratio
    response = predictor.response(values)
    inverse = torch.where(values > 0, response if path else response[-1:], 0.0) * ratio
    return condition.query @ (inverse[..., None] * condition.spectrum.moment)


def _errors(candidate: Candidate, guess: Tensor, condition: Condition) -> tuple[Tensor, Tensor, Tensor]:
    """Total and systematic squared error and size of each prompt, (prompt) each.

    Where the model and the candidate may both diverge, they do so on some prompts much more than on others. There
    errors are relative to s = (f^2 + g^2) / 2, and each prompt is weighted by 1 / (unit + s), so that none outweighs
    all others.
    """
    if candidate.equivariant:
        error = condition.turned_back - guess
        turns = len(error)
        total = error.square().mean(dim=0)
        # The mean product of the errors under two different turns: noise that differs between turns cancels.
        systematic = (turns * error.mean(dim=0).square() - total) / (turns - 1)
    else:
        # A learner that is not equivariant is compared on the prompts as they are: its asymmetry is no noise.
        total = systematic = (condition.prediction - guess).square()
    if condition.setting.diverging:
        square = 0.5 * (condition.turned_back.square().mean(dim=0) + guess.square())
        weight = 1.0 / (condition.unit + square)
        total, systematic, size = weight * total, weight * systematic, weight * square
    else:
        size = (condition.prediction - condition.prediction.mean()).square()
    return _of_prompts(total), _of_prompts(systematic), _of_prompts(size)


def _of_prompts(values: Tensor) -> Tensor:
    return values.flatten(1).mean(dim=1)
