"""A loss has settled where it left every trivial plateau and no longer falls; jitter and spikes decide nothing."""

import math

import numpy as np
import pytest
import torch

from mesa.config.schema import RunConfig, TrainingConfig
from mesa.rng import generator
from mesa.training.plateaus import trivial_plateaus
from mesa.training.rates import last_step, latest_cosine, learning_rate, warm_up
from mesa.training.settling import Plateau, why_unsettled
from tasks import LinearRegression, MarkovChain, NextTokenReader
from tasks.readers.reader import half_squared_error

STEPS = range(0, 5001, 50)
ZERO = {"predicting zero": Plateau(0.4)}


def curve(end: float, fall: float, jitter: float = 0.0, seed: int = 0) -> list[float]:
    """A loss that is `end` at the last step and falls by `fall` of itself every thousand steps before."""
    noise = np.random.default_rng(seed).normal(0.0, jitter, len(STEPS))
    return [end * (1 - fall) ** ((step - STEPS[-1]) / 1000) * math.exp(z) for step, z in zip(STEPS, noise, strict=True)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("fall", "settled"), [(0.0, True), (0.002, True), (0.02, False), (0.1, False)])
def test_jitter_of_single_evaluations_decides_nothing(fall: float, settled: bool, seed: int) -> None:
    # The jitter of two tied layers' evaluations at a learning rate of 1e-3 is 0.75 %; that of one layer is 0.15 %.
    assert (why_unsettled(STEPS, curve(0.2, fall, jitter=0.0075, seed=seed), ZERO) is None) == settled


def test_spikes_decide_nothing() -> None:
    flat, falling = curve(0.2, 0.0), curve(0.2, 0.05)
    for losses in (flat, falling):
        losses[-1] *= 2.0
        losses[-10] *= 0.5
        losses[-18] *= 3.0
    assert why_unsettled(STEPS, flat, ZERO) is None
    assert why_unsettled(STEPS, falling, ZERO) == "still falling: by 4.8 % over the last fifth"


def test_a_plateau_alone_does_not_count() -> None:
    assert why_unsettled(STEPS, curve(0.4, 0.0), ZERO) == "on the plateau of predicting zero"
    assert why_unsettled(STEPS, curve(0.381, 0.0), ZERO) == "on the plateau of predicting zero"
    assert why_unsettled(STEPS, curve(0.379, 0.0), ZERO) is None
    # Every plateau must have been left.
    both = {**ZERO, "predicting the mean curve": Plateau(0.3)}
    assert why_unsettled(STEPS, curve(0.29, 0.0), both) == "on the plateau of predicting the mean curve"
    assert why_unsettled(STEPS, curve(0.4, 0.0), both) == (
        "on the plateau of predicting zero and predicting the mean curve"
    )


def test_a_loss_that_has_just_left_a_plateau_is_still_falling() -> None:
    for drop in (3600, 4150, 4300, 4850, 4900):
        losses = [0.4 if step < drop else 0.2 for step in STEPS]
        assert str(why_unsettled(STEPS, losses, ZERO)).startswith("still falling")


def test_few_evaluations_decide_nothing() -> None:
    assert str(why_unsettled([], [], {})).startswith("too short to tell: 0 evaluations")
    assert str(why_unsettled(range(28), [0.1] * 28, {})).startswith("too short to tell: 5 evaluations")
    assert why_unsettled(range(29), [0.1] * 29, {}) is None
    # As many as a run of 1,500 steps has that is evaluated every 50 steps.
    assert why_unsettled(range(0, 1501, 50), [0.1] * 31, {}) is None


def test_a_loss_of_zero_has_settled() -> None:
    assert why_unsettled(STEPS, [0.0] * len(STEPS), ZERO) is None


def test_a_rising_loss_does_not_fall() -> None:
    assert why_unsettled(STEPS, curve(0.2, -0.1), ZERO) is None


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 150, 5000, 12_345])
def test_the_cosine_always_ends_by_the_largest_number_of_steps(steps: int) -> None:
    settings = TrainingConfig(until="settled", steps=steps)
    latest = latest_cosine(settings)
    assert last_step(settings, latest) <= steps == last_step(settings, None)
    assert steps == 1 or last_step(settings, latest + 1) == steps
    for begin in {1, latest // 2 or 1, latest}:
        end = last_step(settings, begin)
        rates = [learning_rate(settings, step, begin) for step in range(begin + 1, end + 1)]
        # It falls at every step, and no step has no rate.
        assert all(0 < later < rate for rate, later in zip([settings.learning_rate, *rates], rates, strict=False))


def test_the_warm_up_rises_to_the_full_rate() -> None:
    settings = TrainingConfig(until="settled", steps=5000, learning_rate=1.0)
    assert warm_up(settings) == 50
    assert [learning_rate(settings, step) for step in (1, 25, 50, 51, 5000)] == [0.02, 0.5, 1.0, 1.0, 1.0]


def test_two_schedules_are_refused() -> None:
    with pytest.raises(ValueError, match="halve_every: 7 must be null where until is settled"):
        TrainingConfig(until="settled", halve_every=7)


def plateaus(name: str, **settings: object) -> dict[str, Plateau]:
    """The plateaus of a small run of this task."""
    reader = "next_token" if name in ("markov_chain", "repeated_tokens", "associative_recall") else "paired"
    model = {"kind": "language", "d_model": 8} if reader == "next_token" else {}
    return trivial_plateaus(
        RunConfig.model_validate({"task": {"name": name, **settings}, "reader": reader, "model": model}), 0
    )


def test_a_plateau_that_is_the_best_prediction_is_none() -> None:
    # A single teacher is learnt without the context. Labels that are noise leave nothing to learn from it.
    assert plateaus("linear_regression", teachers=1).keys() == {"predicting zero"}
    assert plateaus("linear_regression", teachers=2).keys() == {"predicting zero", "predicting with the mean teacher"}
    assert plateaus("linear_regression", label_noise=100.0) == {}
    assert plateaus("markov_chain", vocabulary=3, length=8, noise=0.99) == {}
    # All curves are one curve, which is then the mean curve.
    assert plateaus("sine", amplitudes=[0.3, 0.3], phases=[0.1, 0.1]).keys() == {"predicting zero"}


def test_the_way_that_can_be_learnt_ends_at_the_best_prediction() -> None:
    # Without noise in its labels the best loss of regression with enough examples is 0.
    task = LinearRegression(context=20)
    prompt = task.sample(4096, generator(0, "held-out", 0))
    zero = plateaus("linear_regression", context=20)["predicting zero"]
    assert zero.loss == pytest.approx(half_squared_error(torch.zeros_like(prompt.target), prompt.target).item())
    assert zero.best == pytest.approx(0.0, abs=1e-6)
    chain = MarkovChain(vocabulary=3, length=8)
    few = chain.sample(256, generator(0, "held-out", 0))
    best = NextTokenReader().loss(chain.bayes_predictor().log_probabilities(few), few).item()
    guess = plateaus("markov_chain", vocabulary=3, length=8)["a uniform guess"]
    assert (guess.loss, guess.best) == pytest.approx((math.log(3), best), rel=1e-4)


@pytest.mark.parametrize("jitter", [0.005, 0.02, 0.05])
def test_a_slow_fall_is_not_taken_for_none_however_often_one_looks(jitter: float) -> None:
    """The loss of deep models falls as a power of the step: here by 5 % in every fifth, and jitters."""
    steps = range(50, 6001, 50)
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0.0, jitter, len(steps))
        losses = [0.1 * (step / 1000) ** -0.25 * math.exp(z) for step, z in zip(steps, noise, strict=True)]
        looks = range(20, len(steps), 3)
        assert all(why_unsettled(steps[:count], losses[:count], ZERO) for count in looks)


def test_where_little_can_be_learnt_a_little_is_much() -> None:
    """The numbers of a Markov chain of four states: only 0.18 of 1.39 can be learnt."""
    chain = {"a uniform guess": Plateau(1.39, best=1.21)}
    # A model that counts symbols has made a fifth of the way: 4 % of the loss.
    assert why_unsettled(STEPS, curve(1.34, 0.0), chain) is None
    assert why_unsettled(STEPS, curve(1.385, 0.0), chain) == "on the plateau of a uniform guess"
    # It falls by 0.3 % of itself over the last fifth, and by 2 % of what there is to learn.
    assert str(why_unsettled(STEPS, curve(1.3, 0.003), chain)).startswith("still falling: by 2.2 % of what there is")
    assert why_unsettled(STEPS, curve(1.3, 0.001), chain) is None
    # Where a plateau is no higher than the loss, the loss alone decides.
    assert why_unsettled(STEPS, curve(0.1, 0.009), ZERO) is None
