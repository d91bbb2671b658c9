"""The learning rate of every step, and where a run that trains until it has settled ends.

Where `training.until` is settled, the rate rises to its full value in a warm-up, is constant until settling is decided,
and then falls to zero along a cosine. The largest number of steps holds all three.
"""

import math

from mesa.config.schema import TrainingConfig

# The warm-up's share of the largest number of steps, and the cosine's length in units of the steps before it.
WARM_UP, COSINE = 0.01, 0.25


def learning_rate(settings: TrainingConfig, step: int, cosine_from: int | None = None) -> float:
    """The rate of a step, a function of the configuration and of the last step before the cosine, None before it.

    >>> settings = TrainingConfig(until="settled", steps=1000, learning_rate=1.0)
    >>> [learning_rate(settings, step) for step in (1, 5, 10, 800)]
    [0.1, 0.5, 1.0, 1.0]
    >>> [round(learning_rate(settings, step, cosine_from=400), 3) for step in (400, 401, 450, 500)]
    [1.0, 1.0, 0.508, 0.0]
    """
    if settings.until == "steps":
        halvings = 0 if settings.halve_every is None else (step - 1) // settings.halve_every
        return settings.learning_rate * 0.5**halvings
    if cosine_from is None or step <= cosine_from:
        return settings.learning_rate * min(1.0, step / warm_up(settings))
    # The rate is zero one step after the last: a step at rate zero would change nothing.
    share = (step - cosine_from) / (_length(cosine_from) + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def warm_up(settings: TrainingConfig) -> int:
    """The steps in which the rate rises; the last of them has the full rate."""
    return math.ceil(WARM_UP * settings.steps)


def latest_cosine(settings: TrainingConfig) -> int:
    """The last step before the cosine where settling was never decided: the cosine still ends by `steps`.

    >>> latest_cosine(TrainingConfig(until="settled", steps=5000))
    4000
    """
    latest = round(settings.steps / (1 + COSINE)) + 1
    while latest > 1 and latest + _length(latest) > settings.steps:
        latest -= 1
    return latest


def last_step(settings: TrainingConfig, cosine_from: int | None) -> int:
    """The step that ends training; the largest one that there can be while the cosine has not begun.

    >>> settings = TrainingConfig(until="settled", steps=5000)
    >>> last_step(settings, None), last_step(settings, 2000)
    (5000, 2500)
    """
    return settings.steps if cosine_from is None else min(settings.steps, cosine_from + _length(cosine_from))


def _length(cosine_from: int) -> int:
    return math.ceil(COSINE * cosine_from)
