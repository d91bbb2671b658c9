"""`mesa bench attribution`: edits of all heads in stacked passes beside one `run_with_hooks` a head, or a path.

Both sides start from prompts and end in read-outs; both run the model on the clean and on the corrupted prompts first.
A row is measured only after the two have given the same numbers. A path on the plain side costs one pass too: its
sender's write is added to the receiver's input without running the model for it. The model has four layers of eight
heads and no MLP. On the plain side only the paths to head 0 of each layer are run, and counted eight times.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from analyses.benchmarks.timing import alternate
from mesa.config.schema import InContextConfig, LanguageConfig
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from mesa.rng import generator
from mesa.training.trainer import one_thread
from probes.attribution.corruption import corrupted, usable
from probes.attribution.edits import QKV, Case
from probes.attribution.layered_edits import LayeredEdits
from probes.attribution.readouts import readout_of
from probes.hooks import hook_name
from probes.subject import LanguageSubject, RegressionSubject, Subject
from tasks.readers.next_token import NextTokenReader
from tasks.readers.paired import PairedReader
from tasks.regression.linear_regression import LinearRegression
from tasks.sequences.repeated_tokens import RepeatedTokens

LAYERS, HEADS = 4, 8
# Receivers' heads whose paths the plain side runs; all eight would take minutes.
RECEIVERS = (0,)


@dataclass(frozen=True)
class Row:
    """Seconds of both sides, and how many times faster the stacked one is."""

    setting: str
    naive_s: float
    batched_s: float
    ratio: float


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
        for what, plain, fast, share in (
            ("ablations", lambda: plain_ablations(case), lambda: fast_ablations(case), 1.0),
            ("paths", lambda: plain_paths(case), lambda: fast_paths(case), HEADS / len(RECEIVERS)),
        ):
            mine, other = fast(), plain()
            own = mine[:, list(RECEIVERS)] if what == "paths" else mine
            # float32: sums in another order, through four layers.
            torch.testing.assert_close(own.flatten(0, -2), other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))
            pace = alternate(plain, fast, calls=1, blocks=blocks if what == "ablations" else 3, warm_up=0)
            yield Row(f"{what}, {setting}", pace.first_s * share, pace.second_s, pace.ratio * share)


def fast_ablations(case: Case) -> Tensor:
    """Every head resampled: (layer*head batch)."""
    edits, count = LayeredEdits(case), LAYERS * HEADS
    return edits.ablated(torch.eye(count, dtype=torch.bool).unflatten(1, (LAYERS, HEADS)), edits.corrupted_z)


def fast_paths(case: Case) -> Tensor:
    """Every path: (path receiver batch), where a path is a receiving layer, a sender and an input."""
    edits = LayeredEdits(case)
    found = [edits.paths(to) for to in range(1, LAYERS)]
    return torch.cat([torch.stack([part[point] for point in QKV], dim=1).flatten(0, 1) for part in found])


def plain_ablations(case: Case) -> Tensor:
    """The same in the obvious loop."""
    model, _, bad = _caches(case)
    found = []
    for layer in range(LAYERS):
        name = hook_name(layer, "z")
        found += [_edited(case, model, name, head, bad[name][:, :, head]) for head in range(HEADS)]
    return torch.stack(found)


def plain_paths(case: Case) -> Tensor:
    """The same in the obvious loop, to some of the receivers: (path*receiver batch)."""
    model, clean, bad = _caches(case)
    found = []
    for to in range(1, LAYERS):
        attn, before = model.blocks[to].attn, clean[hook_name(to, "resid_pre")]
        for layer in range(to):
            name = hook_name(layer, "z")
            for head in range(HEADS):
                moved = (bad[name] - clean[name])[:, :, head] @ model.blocks[layer].attn.W_O[head]
                normed = model.blocks[to].ln1(before + moved)
                for point in QKV:
                    for receiver in RECEIVERS:
                        value = normed @ getattr(attn, f"W_{point.upper()}")[receiver]
                        value = value + getattr(attn, f"b_{point.upper()}")[receiver]
                        found.append(_edited(case, model, hook_name(to, point), receiver, value))
    return torch.stack(found)


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


def _values(case: Case, bad: bool) -> Any:
    inputs = case.corrupted if bad else case.clean
    return inputs if isinstance(case.subject.model, InContextTransformer) else inputs.values


def _case(subject: Subject, prompts: int) -> Case:
    prompt = usable(subject.prompts(prompts, generator(0, "bench/attribution")))
    readout, encode = readout_of(None, subject), subject.encode

    def read(prediction: Tensor, variants: int) -> Tensor:
        return readout(prediction.unflatten(0, (variants, -1)), prompt).double()

    return Case(subject, encode(prompt), encode(corrupted(prompt)), read)
