"""The plain loop of the attribution benchmark: one `run_with_hooks` a head, or a path."""

from typing import Any

import torch
from torch import Tensor
from transformer_lens import HookedTransformer

from analyses.benchmarks.attribution_subjects import HEADS, LAYERS
from mesa.models.inputs import argument_of
from probes.attribution.edits import QKV, Case
from probes.hooks import hook_name
from tasks.readers.reader import Inputs

# The receiving heads whose paths are run; all eight would take minutes.
RECEIVERS = (0,)


def naive_ablations(case: Case) -> Tensor:
    """Every head resampled, one pass each: (layer*head batch)."""
    model, _, corrupted_run = _caches(case)
    readouts = []
    for layer in range(LAYERS):
        name = hook_name(layer, "z")
        readouts += [_edited(case, model, name, head, corrupted_run[name][:, :, head]) for head in range(HEADS)]
    return torch.stack(readouts)


def naive_paths(case: Case) -> Tensor:
    """Every path to the heads `RECEIVERS` of later layers, one pass each: (path*receiver batch)."""
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


def _values(case: Case, corrupted_run: bool) -> Inputs | Tensor:
    return argument_of(case.subject.with_hooks(), case.corrupted if corrupted_run else case.clean)
