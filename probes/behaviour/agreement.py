"""How far a model's predictions are from an explicit algorithm's, and how low the losses of both are."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from mesa.learners import GradientDescent, Learner, PreconditionedGradientDescent
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.readers.reader import half_squared_error

# The fit of a learner of several steps is a search, on so many prompts. Rare prompts with large eigenvalues decide the
# loss of a deep GD++ on others: fitted to 2,000, five steps had ten times the loss there, to 5,000 up to twice.
SEARCHED = 10_000


def default_learners(subject: RegressionSubject) -> tuple[Learner, ...]:
    """The learners that a probe compares with unless others are named.

    For a model of one layer: one step of gradient descent and one preconditioned step. For several layers: gradient
    descent and GD++ with as many steps, GD++ also with sizes of each step's own unless layers are tied, and one
    preconditioned step.
    """
    steps, preconditioned = subject.n_layers, PreconditionedGradientDescent()
    if steps == 1:
        return GradientDescent(), preconditioned
    model = subject.transformer
    clip, tied = (None, False) if model is None else (model.config.clip, model.config.tied)
    per_step = () if tied else (GradientDescent(gamma=0.0, steps=steps, shared=False, clip=clip),)
    shared = GradientDescent(steps=steps, clip=clip), GradientDescent(gamma=0.0, steps=steps, clip=clip)
    return *shared, *per_step, preconditioned


def fitted(learners: Iterable[Learner], prompt: RegressionPrompt) -> tuple[RegressionPredictor, ...]:
    """Learners fitted to these prompts; those of several steps, whose fit is a search, to the first 10,000 of them."""
    first_prompts = prompt.batch(0, SEARCHED)
    return tuple(learner.fit(first_prompts if learner.steps > 1 else prompt) for learner in learners)


def predictors(
    learners: Iterable[Learner] | None,
    rivals: Iterable[RegressionPredictor],
    subject: RegressionSubject,
    prompt: RegressionPrompt,
) -> tuple[RegressionPredictor, ...]:
    """What a subject is compared with: learners fitted to these prompts, then rivals as they are.

    `learners` None stands for the default ones.
    """
    return *fitted(default_learners(subject) if learners is None else learners, prompt), *rivals


def relative_distance(f: Tensor, g: Tensor) -> float:
    """|f - g| / |g| in L2 over all predictions: unlike a cosine it depends on scale.

    >>> relative_distance(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 1.0]))
    1.0
    """
    return float((f - g).norm() / g.norm())


def prediction_difference(f: Tensor, g: Tensor) -> float:
    """Mean |f - g| over prompts and queries, an L2 norm where there are several outputs ([VO] fig. 2)."""
    return float((f - g).norm(dim=-1).mean())


def loss_rows(
    prediction: Tensor, prompt: RegressionPrompt, steps_by_learner: Mapping[str, Tensor]
) -> Iterator[dict[str, object]]:
    """The rows `loss` of the model and `learner_loss` of each learner's prediction after each step.

    The learner `zero` always predicts zero.
    """
    yield {"metric": "loss", "value": half_squared_error(prediction, prompt.target).item()}
    for name, guesses in steps_by_learner.items():
        for step, guess in enumerate(guesses, start=1):
            loss = half_squared_error(guess, prompt.target).item()
            yield {"metric": "learner_loss", "learner": name, "learner_step": step, "value": loss}
    zero = half_squared_error(torch.zeros_like(prompt.target), prompt.target).item()
    yield {"metric": "learner_loss", "learner": "zero", "value": zero}
