"""`mesa bench training`: whole training steps by every way to compute the loss, in one run on one machine.

Every way is timed in the same Trainer with the same prompts, optimiser, clipping and dtype, on one thread. Only the
loss is computed in another way; with the kernel, the same prompts are drawn faster where the task's inputs are uniform.
`plain` is the HookedTransformer's forward pass, without hooks, caching nothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, cast

import torch

from analyses.benchmarks.side_by_side import seeds_side_by_side
from analyses.benchmarks.timing import alternate_all
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.fast.support import Wanted
from mesa.training.trainer import Trainer, one_thread

if TYPE_CHECKING:
    from mesa.fast.kernel.path import KernelPath
    from tasks.prompt import RegressionPrompt

WAYS: tuple[Wanted, ...] = ("plain", "tensor", "auto")


@dataclass(frozen=True)
class Row:
    """Steps per second by each way, and how many times faster `auto` is, the way that a run takes here.

    With several `seeds`, trained side by side in a process each, steps are those of all seeds together. Ratios are of
    the medians over alternating blocks; `lowest` and `highest` are `times_tensor` of single blocks. `share_of_peak` is
    the speed of the step's matrix products, as the kernel counts them, relative to that of one large product measured
    on one thread; `kernel_share` is the same without sampling and the optimiser.
    """

    setting: str
    seeds: int
    auto: str
    plain_steps_per_s: float
    tensor_steps_per_s: float
    auto_steps_per_s: float
    times_plain: float
    times_tensor: float
    lowest: float
    highest: float
    share_of_peak: float
    kernel_share: float


def varied(name: str, context: int | None = None, batch: int | None = None) -> RunConfig:
    """A preset with prompts of `context` examples and another batch."""
    config = preset(name)
    task = config.task if context is None else {**config.task, "context": context}
    training = config.training if batch is None else config.training.model_copy(update={"batch": batch})
    return config.model_copy(update={"task": task, "training": training})


# The plain side's attention patterns grow with N^2: at batch 2048 those of N = 640 would need 3 GB each.
SETTINGS: dict[str, Callable[[], RunConfig]] = {
    "one-layer": partial(varied, "one-layer"),
    "one-layer N=40": partial(varied, "one-layer", 40),
    "two-layers-tied N=10": partial(varied, "two-layers-tied"),
    "two-layers-tied N=40": partial(varied, "two-layers-tied", 40),
    "two-layers-tied N=160 batch=512": partial(varied, "two-layers-tied", 160, 512),
    "two-layers-tied N=640 batch=256": partial(varied, "two-layers-tied", 640, 256),
    "five-layers": partial(varied, "five-layers"),
    "five-layers N=40": partial(varied, "five-layers", 40),
    "ten-layers-tied": partial(varied, "ten-layers-tied"),
    "ten-layers-tied N=40": partial(varied, "ten-layers-tied", 40),
    "one-layer-softmax-two-heads": partial(varied, "one-layer-softmax-two-heads"),
    "sine": partial(varied, "sine"),
    "interleaved": partial(varied, "interleaved"),
}
# Seeds side by side share memory and caches, so that short and long steps may lose by it.
SIDE_BY_SIDE = ("one-layer", "five-layers", "ten-layers-tied")


def rows() -> Iterator[Row]:
    """One row for each setting, then one with a seed on every core for some of them."""
    with one_thread():
        peak = product_flops_per_s()
        for name, config in SETTINGS.items():
            yield compare(name, config(), peak)
        for name in SIDE_BY_SIDE:
            yield seeds_side_by_side_row(name, SETTINGS[name](), peak)


def way(config: RunConfig, wanted: Wanted) -> RunConfig:
    """The same run with its loss computed in one way."""
    return config.model_copy(update={"training": config.training.model_copy(update={"fast": wanted})})


def compare(setting: str, config: RunConfig, peak: float, block_s: float = 0.3, blocks: int = 7) -> Row:
    """Time one setting."""
    trainers, numbers = [Trainer(way(config, wanted), 0) for wanted in WAYS], count(1)
    sides = [partial(lambda trainer: trainer.step(next(numbers)), trainer) for trainer in trainers]
    return _row(setting, 1, trainers[-1], alternate_all(sides, block_s=block_s, blocks=blocks), peak)


def seeds_side_by_side_row(setting: str, config: RunConfig, peak: float, blocks: int = 7) -> Row:
    """Time one setting with a seed on every core."""
    seeds, times = seeds_side_by_side([way(config, wanted) for wanted in WAYS], blocks=blocks, block_s=0.5)
    return _row(setting, seeds, Trainer(config, 0), times, peak)


def _row(setting: str, seeds: int, trainer: Trainer, times: Sequence[Sequence[float]], peak: float) -> Row:
    plain, tensor, auto = map(median, times)
    ratios = [slow / fast for slow, fast in zip(times[1], times[2], strict=True)]
    in_step, in_kernel = _shares(trainer, auto * seeds, peak)
    return Row(
        setting,
        seeds,
        trainer.choice.way,
        1 / plain,
        1 / tensor,
        1 / auto,
        times_plain=plain / auto,
        times_tensor=tensor / auto,
        lowest=min(ratios),
        highest=max(ratios),
        share_of_peak=in_step,
        kernel_share=in_kernel,
    )


def _shares(trainer: Trainer, step_s: float, peak: float) -> tuple[float, float]:
    """The speed of a step's matrix products relative to `peak`, in the step and in the loss alone; NaN if uncounted."""
    if trainer.choice.way != "kernel":
        return math.nan, math.nan
    batch = trainer.config.training.batch
    path, prompt = cast("KernelPath", trainer.choice.path), cast("RegressionPrompt", trainer.prompts("train", 1, batch))
    flops = path.flops(prompt) * batch
    (alone,) = alternate_all([lambda: path.loss(prompt)], block_s=0.1)
    return flops / step_s / peak, flops / median(alone) / peak


def product_flops_per_s(size: int = 1024) -> float:
    """Operations a second of one float32 product of `size` x `size` matrices: the best of ten."""
    left, right = torch.ones(size, size), torch.ones(size, size)
    (times,) = alternate_all([lambda: left @ right], block_s=0.1, blocks=10)
    return 2 * size**3 / min(times)
