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
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from analyses.benchmarks.timing import alternate
from mesa.config.schema import InContextConfig, LanguageConfig
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from mesa.rng import generator
from mesa.training.trainer import one_thread
from probes.attribution.corruption import canonical_order, corrupted
from probes.attribution.edits import QKV, Case, HeadEdits
from probes.attribution.hooked_edits import HookedEdits
from probes.attribution.layered_edits import LayeredEdits
from probes.attribution.readouts import readout_of
from probes.hooks import hook_name
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.readers.next_token import NextTokenReader
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression
from tasks.sequences.repeated_tokens import RepeatedTokens

Engine: TypeAlias = Callable[[Case], HeadEdits]

LAYERS, HEADS = 4, 8
# The receiving heads whose paths the plain loop runs; all eight would take minutes.
RECEIVERS = (0,)


@dataclass(frozen=True)
class Row:
    """Seconds of the plain loop and of layered edits, and how many times faster layered edits are than either rival."""

    setting: str
    naive_s: float
    layered_s: float
    ratio: float
    ratio_to_hooked: float


def symbols(d_model: int) -> Subject:
    """Softmax attention on repeated tokens, sequences of 48, heads of d_model / 8."""
    task = RepeatedTokens()
    config = LanguageConfig(
        n_layers=LAYERS,
        n_heads=HEADS,
        d_model=d_model,
        d_head=d_model // HEADS,
        kernel="softmax",
        init_variance=1.0,
    )
    return LanguageSubject(TokenTransformer(config, task.d_vocab, task.n_ctx), NextTokenReader(), task)


def regression(kernel: Any) -> Subject:
    """Attention on ten examples and a query, heads as wide as the tokens."""
    config = InContextConfig(n_layers=LAYERS, n_heads=HEADS, kernel=kernel, init_variance=0.1)
    return RegressionSubject(InContextTransformer(config, 11), PairedReader(), LinearRegression())


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


def naive_ablations(case: Case) -> Tensor:
    """The same in the obvious loop."""
    model, _, corrupted_run = _caches(case)
    readouts = []
    for layer in range(LAYERS):
        name = hook_name(layer, "z")
        readouts += [_edited(case, model, name, head, corrupted_run[name][:, :, head]) for head in range(HEADS)]
    return torch.stack(readouts)


def naive_paths(case: Case) -> Tensor:
    """The same in the obvious loop, to some of the receivers: (path*receiver batch)."""
    model, clean_run, corrupted_run = _caches(case)
    readouts = []
    for to in range(1, LAYERS):
        attn, before = model.blocks[to].attn, clean_run[hook_name(to, "resid_pre")]
        for layer in range(to):
            name = hook_name(layer, "z")
            for head in range(HEADS):
                moved = (corrupted_run[name] - clean_run[name])[:, :, head] @ model.blocks[layer].attn.W_O[head]
                normed = model.blocks[to].ln1(before + moved)
                for point in QKV:
                    for receiver in RECEIVERS:
                        value = normed @ getattr(attn, f"W_{point.upper()}")[receiver]
                        value = value + getattr(attn, f"b_{point.upper()}")[receiver]
                        readouts.append(_edited(case, model, hook_name(to, point), receiver, value))
    return torch.stack(readouts)


def _edited(case: Case, model: HookedTransformer, name: str, head: int, value: Tensor) -> Tensor:
    def hook(tensor: Tensor, hook: Any) -> Tensor:
        tensor[:, :, head] = value
        return tensor

    with torch.no_grad():
        output = model.run_with_hooks(_values(case, False), fwd_hooks=[(name, hook)])
        return case.read(case.subject.decode(output, case.clean), 1)[0]


def _caches(case: Case) -> tuple[HookedTransformer, Any, Any]:
    model = case.subject.model
    assert isinstance(model, HookedTransformer)
    with torch.no_grad():
        return model, model.run_with_cache(_values(case, False))[1], model.run_with_cache(_values(case, True))[1]


def _values(case: Case, corrupted_run: bool) -> Any:
    inputs = case.corrupted if corrupted_run else case.clean
    return inputs if isinstance(case.subject.model, InContextTransformer) else inputs.values


def _case(subject: Subject, prompts: int) -> Case:
    prompt = canonical_order(subject.prompts(prompts, generator(0, "bench/attribution")))
    readout, encode = readout_of(None, subject), subject.encode

    def read(prediction: Tensor, variants: int) -> Tensor:
        return readout(prediction.unflatten(0, (variants, -1)), prompt).double()

    return Case(subject, encode(prompt), encode(corrupted(prompt)), read)
