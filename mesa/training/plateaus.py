"""The losses at which a model can stay for long although it has learnt nothing about the context."""

from typing import cast

import torch

from mesa import build
from mesa.config.schema import RunConfig
from mesa.rng import generator
from mesa.training.held_out import held_out_task
from mesa.training.settling import LEFT, Plateau
from tasks.predictor import RegressionPredictor, TokenPredictor
from tasks.prompt import Prompt, TokenPrompt
from tasks.task import HasTrivialPredictions, Task, TokenTask

# Enough prompts to tell whether the best prediction is below a plateau. It can take long to compute on all.
_OF_BEST = 256


def trivial_plateaus(config: RunConfig, seed: int) -> dict[str, Plateau]:
    """The losses of the task's trivial predictions on the seed's held-out prompts, as the reader defines them.

    The best loss is that of the task's best prediction on the first of these prompts, or 0 where it is not known.

    A trivial prediction is left out where the task's best prediction is no better, so that no model can fall below it,
    and where its own loss is 0. A task that knows no trivial predictions has no plateaus.

    >>> {name: round(plateau.loss, 1) for name, plateau in trivial_plateaus(RunConfig(), seed=0).items()}
    {'predicting zero': 0.4}
    """
    task = held_out_task(build.task(config.task))
    if not isinstance(task, HasTrivialPredictions):
        return {}
    reader, settings = build.reader(config), config.training
    # On another device the held-out prompts of training are others of the same distribution.
    prompt = task.sample(settings.held_out, generator(seed, "held-out", 0)).to(dtype=getattr(torch, settings.dtype))
    few = prompt.batch(0, min(_OF_BEST, len(prompt)))
    best = _best_loss(config, task, few)
    plateaus = {}
    for name, prediction in task.trivial_predictions(prompt).items():
        loss_on_few = reader.loss(prediction[: len(few)], few).item()
        if best < LEFT * loss_on_few:
            loss = reader.loss(prediction, prompt).item()
            plateaus[name] = Plateau(loss, best * loss / loss_on_few)
    return plateaus


def _best_loss(config: RunConfig, task: Task | TokenTask, prompt: Prompt) -> float:
    """The loss of the task's best prediction, or 0, which bounds it, where the prediction is not known."""
    predictor, reader = task.bayes_predictor(), build.reader(config)
    if predictor is None:
        return 0.0
    if isinstance(prompt, TokenPrompt):
        return reader.loss(cast("TokenPredictor", predictor).log_probabilities(prompt), prompt).item()
    return reader.loss(cast("RegressionPredictor", predictor).predict(prompt)[-1], prompt).item()
