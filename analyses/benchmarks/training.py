"""`mesa bench training`: the project's trainer compared with a plain loop over HookedTransformer's forward pass.

Both sides are the same Trainer with the same sampling, optimiser, clipping, dtype and one thread; only the loss is
computed differently. The plain side has no hooks and caches nothing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from analyses.benchmarks.timing import alternate
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.training.trainer import Trainer, one_thread


@dataclass(frozen=True)
class Row:
    """Steps per second of both sides, and how many times faster the fast one is."""

    setting: str
    plain_steps_per_s: float
    fast_steps_per_s: float
    ratio: float


def two_layers(context: int, batch: int) -> RunConfig:
    """Two tied layers on prompts of `context` examples."""
    config = preset("two-layers-tied")
    training = config.training.model_copy(update={"batch": batch})
    return config.model_copy(update={"task": {**config.task, "context": context}, "training": training})


# The plain side's attention patterns grow with N^2: at batch 2048 those of N = 640 would need 3 GB each.
SETTINGS: dict[str, Callable[[], RunConfig]] = {
    "one-layer": lambda: preset("one-layer"),
    "five-layers": lambda: preset("five-layers"),
    "two-layers-tied N=10": lambda: two_layers(10, 2048),
    "two-layers-tied N=40": lambda: two_layers(40, 2048),
    "two-layers-tied N=160 batch=512": lambda: two_layers(160, 512),
    "two-layers-tied N=640 batch=256": lambda: two_layers(640, 256),
    "one-layer-softmax-two-heads": lambda: preset("one-layer-softmax-two-heads"),
    "sine": lambda: preset("sine"),
    "interleaved": lambda: preset("interleaved"),
}


def rows() -> Iterator[Row]:
    """One row a setting."""
    for name, config in SETTINGS.items():
        yield compare(name, config())


def compare(setting: str, config: RunConfig, calls: int | None = None, blocks: int | None = None) -> Row:
    """Time one setting; without numbers, in blocks of about a third of a second, fewer where a step takes a second."""
    with one_thread():
        slow = config.training.model_copy(update={"fast": False})
        plain, fast = Trainer(config.model_copy(update={"training": slow}), 0), Trainer(config, 0)
        numbers = count(1)
        plain.step(next(numbers))
        start = time.perf_counter()
        plain.step(next(numbers))
        seconds = time.perf_counter() - start
        calls = calls or max(1, min(20, round(0.3 / seconds)))
        blocks = blocks or (9 if seconds < 1 else 5)
        pace = alternate(
            lambda: plain.step(next(numbers)),
            lambda: fast.step(next(numbers)),
            calls=calls,
            blocks=blocks,
            warm_up=min(calls, 3),
        )
    return Row(setting, 1 / pace.first_s, 1 / pace.second_s, pace.ratio)
