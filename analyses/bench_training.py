"""`mesa bench training`: the project's trainer beside a plain loop over the HookedTransformer's own forward pass.

Both sides are the same Trainer with the same sampling, optimiser, clipping, dtype and one thread; only the loss is
computed differently. The plain side has no hooks and caches nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from analyses.bench import alternate
from mesa.config import RunConfig
from mesa.presets import preset
from mesa.training import Trainer, one_thread


@dataclass(frozen=True)
class Row:
    """Steps per second of both sides, and how many times faster the fast one is."""

    setting: str
    plain_steps_per_s: float
    fast_steps_per_s: float
    ratio: float


SETTINGS = {"one-layer": lambda: preset("one-layer")}


def rows() -> Iterator[Row]:
    """One row a setting."""
    for name, config in SETTINGS.items():
        yield compare(name, config())


def compare(setting: str, config: RunConfig, calls: int = 20, blocks: int = 9) -> Row:
    """Time one setting."""
    with one_thread():
        slow = config.training.model_copy(update={"fast": False})
        plain, fast = Trainer(config.model_copy(update={"training": slow}), 0), Trainer(config, 0)
        numbers = count(1)
        pace = alternate(
            lambda: plain.step(next(numbers)), lambda: fast.step(next(numbers)), calls=calls, blocks=blocks
        )
    return Row(setting, 1 / pace.first_s, 1 / pace.second_s, pace.ratio)
