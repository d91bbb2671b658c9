"""How far a model's predictions are from an explicit algorithm's, and how both do on the task."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mesa.learners import GradientDescent, Learner, PreconditionedGradientDescent
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error

# Prompts on which a learner of several steps is tuned: its excess loss is of second order in the error of the search.
SEARCHED = 2_000


def default_learners(subject: RegressionSubject) -> tuple[Learner, ...]:
    """Gradient descent, GD++ where there are several layers, with a step for each, and one preconditioned step."""
    steps, one = subject.n_layers, PreconditionedGradientDescent()
    if steps == 1:
        return GradientDescent(), one
    model = subject.transformer
    clip, tied = (None, False) if model is None else (model.config.clip, model.config.tied)
    apart = () if tied else (GradientDescent(gamma=0.0, steps=steps, shared=False, clip=clip),)
    return (GradientDescent(steps=steps, clip=clip), GradientDescent(gamma=0.0, steps=steps, clip=clip), *apart, one)


def fitted(learners: Iterable[Learner], prompt: RegressionPrompt) -> tuple[RegressionPredictor, ...]:
    """Learners fitted to these prompts; one whose fit is a search, not a closed form, to the first 2,000 of them."""
    few = prompt.batch(0, SEARCHED)
    return tuple(each.fit(few if getattr(each, "steps", 1) > 1 else prompt) for each in learners)


def predictors(
    learners: Iterable[Learner] | None,
    rivals: Iterable[RegressionPredictor],
    subject: RegressionSubject,
    prompt: RegressionPrompt,
) -> tuple[RegressionPredictor, ...]:
    """What a subject is compared with: learners (None: those by default), fitted to these prompts, and rivals as they
    are."""
    return *fitted(default_learners(subject) if learners is None else learners, prompt), *rivals


def relative_distance(f: Tensor, g: Tensor) -> float:
    """|f - g| / |g| in L2 over all predictions: unlike a cosine it sees scale.

    >>> relative_distance(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 1.0]))
    1.0
    """
    return float((f - g).norm() / g.norm())


def prediction_difference(f: Tensor, g: Tensor) -> float:
    """Mean |f - g| over prompts and queries, an L2 norm where there are several outputs ([VO] fig. 2)."""
    return float((f - g).norm(dim=-1).mean())


def loss_rows(prediction: Tensor, prompt: RegressionPrompt, guesses: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """The model's `loss` and, for learners' predictions by name, `learner_loss`; `zero` always predicts zero."""
    yield {"metric": "loss", "value": half_squared_error(prediction, prompt.target).item()}
    for name, steps in guesses.items():
        for step, guess in enumerate(steps, start=1):
            loss = half_squared_error(guess, prompt.target).item()
            yield {"metric": "learner_loss", "learner": name, "learner_step": step, "value": loss}
    zero = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    yield {"metric": "learner_loss", "learner": "zero", "value": zero}
