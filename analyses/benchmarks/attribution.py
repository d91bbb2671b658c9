"""`mesa bench attribution`: edits of all heads in stacked passes, compared with one `run_with_hooks` a head or a path.

Three sides are timed: the plain loop, stacked passes through hooks alone (`HookedEdits`), and stacked passes that start
where the edit is (`LayeredEdits`). All start from prompts, run the model on the clean and on the corrupted prompts, and
end in read-outs. A row is measured only after all sides have given the same numbers. A path costs the plain loop one
pass too: its sender's write is added to the receiver's input without running the model for it. The model has four
layers of eight heads and no MLP. The plain loop runs only the paths to head 0 of each layer, which are counted eight
times. The stacked sides are compared on the paths to the last layer alone, since hooks take too long for all of them.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from analyses.benchmarks.attribution_subjects import HEADS, LAYERS, regression, symbols
from analyses.benchmarks.naive_edits import RECEIVERS, naive_ablations, naive_paths
from analyses.benchmarks.timing import alternate
from mesa.rng import generator
from mesa.training.trainer import one_thread
from probes.attribution.corruption import canonical_order, corrupted
from probes.attribution.edits import QKV, Case, HeadEdits
from probes.attribution.hooked_edits import HookedEdits
from probes.attribution.layered_edits import LayeredEdits
from probes.attribution.readouts import readout_of
from probes.subject import Subject

Engine: TypeAlias = Callable[[Case], HeadEdits]


@dataclass(frozen=True)
class Row:
    """Seconds of the plain loop and of layered edits, and how many times faster layered edits are than either rival."""

    setting: str
    naive_s: float
    layered_s: float
    ratio: float
    ratio_to_hooked: float


SETTINGS: dict[str, tuple[Callable[[], Subject], int]] = {
    "symbols, d_model 64, 16 prompts": (lambda: symbols(64), 16),
    "symbols, d_model 64, 64 prompts": (lambda: symbols(64), 64),
    "symbols, d_model 256, 16 prompts": (lambda: symbols(256), 16),
    "regression, linear, 256 prompts": (lambda: regression("linear"), 256),
    "regression, softmax, 256 prompts": (lambda: regression("softmax"), 256),
}


def rows() -> Iterator[Row]:
    """Two rows a setting: ablations of every head, and paths between all heads."""
    for name, (subject, prompts) in SETTINGS.items():
        yield from compare(name, subject(), prompts)


def compare(setting: str, subject: Subject, prompts: int, blocks: int = 5) -> Iterator[Row]:
    """Time one setting, each side on one thread, in turns; AssertionError where their numbers differ."""
    with one_thread():
        case = _case(subject, prompts)
        naive, layered = partial(naive_ablations, case), partial(ablations, LayeredEdits, case)
        hooked = partial(ablations, HookedEdits, case)
        _check(layered(), naive())
        _check(layered(), hooked())
        pace = alternate(naive, layered, calls=1, blocks=blocks, warm_up=0)
        against_hooks = alternate(hooked, layered, calls=1, blocks=blocks, warm_up=0)
        yield Row(f"ablations, {setting}", pace.first_s, pace.second_s, pace.ratio, against_hooks.ratio)

        naive, layered = partial(naive_paths, case), partial(paths, LayeredEdits, case, range(1, LAYERS))
        _check(layered()[:, list(RECEIVERS)].flatten(0, -2), naive())
        pace, share = alternate(naive, layered, calls=1, blocks=3, warm_up=0), HEADS / len(RECEIVERS)
        last = range(LAYERS - 1, LAYERS)
        layered, hooked = partial(paths, LayeredEdits, case, last), partial(paths, HookedEdits, case, last)
        _check(layered(), hooked())
        against_hooks = alternate(hooked, layered, calls=1, blocks=1, warm_up=0)
        yield Row(f"paths, {setting}", pace.first_s * share, pace.second_s, pace.ratio * share, against_hooks.ratio)


def _check(edited: Tensor, expected: Tensor) -> None:
    # float32: sums in another order, through four layers.
    torch.testing.assert_close(edited, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def ablations(engine: Engine, case: Case) -> Tensor:
    """Every head resampled: (layer*head batch)."""
    edits, count = engine(case), LAYERS * HEADS
    return edits.ablated(torch.eye(count, dtype=torch.bool).unflatten(1, (LAYERS, HEADS)), edits.corrupted_z)


def paths(engine: Engine, case: Case, receivers: Iterable[int]) -> Tensor:
    """Every path to these layers: (path receiver batch), where a path is a receiving layer, a sender and an input."""
    edits = engine(case)
    by_layer = [edits.paths(to) for to in receivers]
    return torch.cat([torch.stack([readouts[point] for point in QKV], dim=1).flatten(0, 1) for readouts in by_layer])


def _case(subject: Subject, prompts: int) -> Case:
    prompt = canonical_order(subject.prompts(prompts, generator(0, "bench/attribution")))
    readout, encode = readout_of(None, subject), subject.encode

    def read(prediction: Tensor, variants: int) -> Tensor:
        return readout(prediction.unflatten(0, (variants, -1)), prompt).double()

    return Case(subject, encode(prompt), encode(corrupted(prompt)), read)
