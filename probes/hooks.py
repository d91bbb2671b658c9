"""One forward pass with activations edited and kept, and the check that edits of a hook point reach the output."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from mesa.rng import generator
from probes.subject import Subject
from tasks.readers.reader import Inputs

Edit = Callable[[Tensor], Tensor]


class DeadHook(RuntimeError):
    """A hook point that is not there, does not fire, or whose edits change nothing: what it measures is void."""


def hook_name(layer: int, point: str) -> str:
    """The name of a layer's hook point: z, q, k, v, pattern (of attention) or mlp_out, resid_pre.

    >>> hook_name(0, "z"), hook_name(1, "mlp_out")
    ('blocks.0.attn.hook_z', 'blocks.1.hook_mlp_out')
    """
    return f"blocks.{layer}.{'' if point in ('mlp_out', 'resid_pre') else 'attn.'}hook_{point}"


def points(subject: Subject) -> tuple[str, ...]:
    """The hook points of every layer that edits of heads use: those of MLPs only where there are MLPs."""
    cfg: Any = subject.model.cfg
    known: Any = subject.model.hook_dict
    mlps = not getattr(cfg, "attn_only", False) and hook_name(0, "mlp_out") in known
    return ("z", "q", "k", "v", "pattern", *(("mlp_out",) if mlps else ()))


def hooked_run(
    subject: Subject, inputs: Inputs, edits: Mapping[str, Edit] | None = None, keep: Iterable[str] = ()
) -> tuple[Tensor, dict[str, Tensor]]:
    """The model's output and the activations to keep, as they were after the edits; without a graph.

    Raises DeadHook, naming it, for a hook point that the model does not have or that did not fire.
    """
    model: Any = subject.model
    kept: dict[str, Tensor] = {}
    fired: set[str] = set()
    known = model.hook_dict

    def editing(name: str, edit: Edit) -> tuple[str, Callable[..., Tensor]]:
        def hook(tensor: Tensor, hook: Any) -> Tensor:
            fired.add(name)
            return edit(tensor)

        return name, hook

    def keeping(name: str) -> tuple[str, Callable[..., None]]:
        def hook(tensor: Tensor, hook: Any) -> None:
            fired.add(name)
            kept[name] = tensor.detach()

        return name, hook

    hooks = [*(editing(*item) for item in (edits or {}).items()), *(keeping(name) for name in keep)]
    asked = [name for name, _ in hooks]
    for name in asked:
        if name not in known:
            raise DeadHook(f"{name}: the model has no such hook point")
    with torch.no_grad(), model.hooks(hooks):
        output = subject.output(inputs)
    for name in asked:
        if name not in fired:
            raise DeadHook(f"{name}: the hook did not fire, so an edit there would do nothing")
    return output, kept


def check_hooks(subject: Subject, inputs: Inputs) -> None:
    """Raise DeadHook, naming it, for a hook point of any layer whose random edit leaves the whole output as it was.

    Queries, keys and values of the layer are random in the run that an edit is compared with: where a model has no
    keys, say, an edit of its queries alone would rightly change nothing.
    """
    cfg: Any = subject.model.cfg
    for layer in range(cfg.n_layers):
        base = {hook_name(layer, point): _noise(hook_name(layer, point), 0) for point in "qkv"}
        plain, _ = hooked_run(subject, inputs, base)
        for point in points(subject):
            name = hook_name(layer, point)
            found, _ = hooked_run(subject, inputs, {**base, name: _noise(name, 1)})
            if torch.equal(found, plain):
                raise DeadHook(
                    f"{name}: a random edit of it did not change the output, so what is edited there is void"
                )


def _noise(name: str, number: int) -> Edit:
    def edit(tensor: Tensor) -> Tensor:
        source = generator(number, f"probes/check/{name}")
        draw = torch.randn(tensor.shape, generator=source, dtype=torch.float32).to(tensor)
        return tensor + draw * tensor.std().clamp(min=1.0)

    return edit
