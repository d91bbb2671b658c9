"""Trivial predictions ignore the context, and none that does is better: measured on every task."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mesa import build
from mesa.rng import generator
from tasks import (
    LinearRegression,
    NextTokenReader,
    PairedReader,
    RegressionPrompt,
    SineRegression,
    SparseLinearRegression,
)
from tasks.readers.reader import half_squared_error
from tasks.registry import TASKS
from tasks.task import HasTrivialPredictions

COUNT = 4096
EXAMPLES = {name: build.task({"name": name, **row.example}) for name, row in TASKS.items()}
VARIANTS = {
    "anisotropic": LinearRegression(d_in=3, d_out=2, context=5, scales=(1.0, 1.0, 0.25)),
    "few teachers": LinearRegression(d_in=3, context=5, teachers=3),
    "phases of other widths": SineRegression(phases=(0.5, 1.5), amplitudes=(0.2, 0.9)),
    "one phase": SineRegression(phases=(0.7, 0.7)),
    "noisy chain": build.task({"name": "markov_chain", "vocabulary": 5, "length": 12, "noise": 0.3}),
    "bos of the symbols": build.task(
        {"name": "repeated_tokens", "vocabulary": 6, "length": 12, "shortest": 3, "longest": 5, "bos": 2}
    ),
}


def losses(task: Any) -> dict[str, float]:
    """The loss of each trivial prediction on the same prompts."""
    prompt = task.sample(COUNT, generator(0, "tests/plateaus"))
    reader: Any = PairedReader() if isinstance(prompt, RegressionPrompt) else NextTokenReader()
    predictions = task.trivial_predictions(prompt)
    return {name: reader.loss(prediction, prompt).item() for name, prediction in predictions.items()}


@pytest.mark.parametrize("task", [*EXAMPLES.values(), *VARIANTS.values()], ids=[*EXAMPLES, *VARIANTS])
def test_they_ignore_the_context(task: Any) -> None:
    prompt: Any = task.sample(5, generator(0, "tests/plateaus"))
    if isinstance(prompt, RegressionPrompt):
        other = replace(prompt, x=prompt.x.roll(1, 0), y=-prompt.y)
    else:
        other = replace(prompt, tokens=torch.cat([prompt.tokens[:, :1], prompt.tokens[:, 1:].roll(1, 0)], dim=1))
    assert isinstance(task, HasTrivialPredictions)
    predictions, same = task.trivial_predictions(prompt), task.trivial_predictions(other)
    assert predictions and predictions.keys() == same.keys()
    assert all(torch.equal(prediction, same[name]) for name, prediction in predictions.items())


def best_without_context(task: Any) -> float:
    """The loss of a prediction that ignores the context and was fitted to other prompts.

    For regression it is linear in x and in sines and cosines of x. For tokens it is the frequency of each next token.
    """
    train, test = (task.sample(COUNT, generator(seed, "tests/plateaus")) for seed in (1, 0))
    if isinstance(train, RegressionPrompt):
        # For small x the features x and sin x nearly coincide: in float32 the fit would depend on rounding.
        train, test = (prompt.to(dtype=torch.float64) for prompt in (train, test))
        features, tested = (
            torch.cat([torch.ones_like(p.query[..., :1]), p.query, p.query.sin(), p.query.cos()], dim=-1)
            for p in (train, test)
        )
        weights = torch.linalg.lstsq(features.flatten(0, 1), train.target.flatten(0, 1)).solution
        return half_squared_error(tested @ weights, test.target).item()
    counts = torch.bincount(train.tokens[train.scored], minlength=task.d_vocab)
    log_frequency = (counts / counts.sum()).log()
    return -log_frequency[test.tokens[test.scored]].mean().item()


@pytest.mark.parametrize("task", [*EXAMPLES.values(), *VARIANTS.values()], ids=[*EXAMPLES, *VARIANTS])
def test_no_prediction_that_ignores_the_context_is_better(task: Any) -> None:
    # The fit has a few parameters and thousands of prompts, so its loss differs from the best by far less than 1 %.
    assert min(losses(task).values()) == pytest.approx(best_without_context(task), rel=0.01)


def test_their_losses_are_those_of_the_formulas() -> None:
    # The standard error of a mean square over 4,096 prompts is about 3 %.
    linear = LinearRegression()
    assert losses(linear) == pytest.approx({"predicting zero": 10 * 0.25 / 6}, rel=0.1)
    assert losses(SparseLinearRegression()) == pytest.approx({"predicting zero": 0.125}, rel=0.1)
    sine = losses(SineRegression())
    # E a^2 / 4 up to the sines' mean square over the range of x, and less the mean curve's own.
    mean_curve = (0.3 * 2 / math.pi) ** 2 * (0.5 + math.sin(10) / 20) / 2
    assert sine["predicting zero"] == pytest.approx(0.0258, rel=0.05)
    assert sine["predicting zero"] - sine["predicting the mean curve"] == pytest.approx(mean_curve, rel=0.05)
    assert losses(EXAMPLES["markov_chain"]) == pytest.approx({"a uniform guess": math.log(3)})
    assert losses(EXAMPLES["repeated_tokens"]) == pytest.approx({"a uniform guess": math.log(6)})
    assert losses(EXAMPLES["associative_recall"]) == pytest.approx({"a uniform guess": math.log(3)})


def test_a_single_teacher_leaves_nothing_to_its_mean() -> None:
    task = LinearRegression(d_in=3, context=5, teachers=1)
    assert losses(task)["predicting with the mean teacher"] == 0.0 < losses(task)["predicting zero"]
