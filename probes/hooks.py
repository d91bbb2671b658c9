"""One forward pass with activations edited and kept, and the check that edits of a hook point reach the output."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformer_lens import HookedTransformer
from transformer_lens.model_bridge import TransformerBridge

from mesa.models.inputs import argument_of
from mesa.rng import generator
from tasks.readers.reader import Inputs

# The two classes of TransformerLens that have hook points, a cfg and weights of TransformerLens's shapes.
HookedModel: TypeAlias = HookedTransformer | TransformerBridge
Edit: TypeAlias = Callable[[Tensor], Tensor]


class DeadHook(RuntimeError):
    """A hook point that is missing, does not fire, or whose edits change nothing: what it measures is void."""


def hook_name(layer: int, point: str) -> str:
    """The name of a layer's hook point: z, q, k, v or pattern of attention; or mlp_out, resid_pre, resid_post.

    >>> hook_name(0, "z"), hook_name(1, "mlp_out")
    ('blocks.0.attn.hook_z', 'blocks.1.hook_mlp_out')
    """
    of_block = point in ("mlp_out", "resid_pre", "resid_post")
    return f"blocks.{layer}.{'' if of_block else 'attn.'}hook_{point}"


def points(model: HookedModel) -> tuple[str, ...]:
    """The hook points of every layer that edits of heads use; `mlp_out` only where there are MLPs."""
    mlps = not model.cfg.attn_only and hook_name(0, "mlp_out") in model.hook_dict
    return ("z", "q", "k", "v", "pattern", *(("mlp_out",) if mlps else ()))


def forward(model: nn.Module, inputs: Inputs) -> Tensor:
    """The model's output on what a reader encoded."""
    return model(argument_of(model, inputs))


def hooked_run(
    model: HookedModel,
    inputs: Inputs,
    edits: Mapping[str, Edit] | None = None,
    keep: Iterable[str] = (),
    *,
    dtype: torch.dtype | None = None,
    graph: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The model's output and the activations to keep, as they are after the edits.

    Kept activations are converted to `dtype` if one is given. They are part of an autograd graph only with `graph`.
    Raises DeadHook, naming it, for a hook point that the model does not have or that did not fire.
    """
    activations: dict[str, Tensor] = {}
    fired: set[str] = set()

    # Each hook knows the name that was asked for: a TransformerBridge may call its hook point by another one.
    def editing(name: str, edit: Edit) -> tuple[str, Callable[..., Tensor]]:
        def hook(tensor: Tensor, hook: object) -> Tensor:
            fired.add(name)
            return edit(tensor)

        return name, hook

    def keeping(name: str) -> tuple[str, Callable[..., None]]:
        def hook(tensor: Tensor, hook: object) -> None:
            fired.add(name)
            activations[name] = (tensor if graph else tensor.detach()).to(dtype or tensor.dtype)

        return name, hook

    hooks = [*(editing(*item) for item in (edits or {}).items()), *(keeping(name) for name in keep)]
    names = [name for name, _ in hooks]
    for name in names:
        if name not in model.hook_dict:
            raise DeadHook(f"{name}: the model has no such hook point")
    with nullcontext() if graph else torch.no_grad(), model.hooks(hooks):
        output = forward(model, inputs)
    for name in names:
        if name not in fired:
            raise DeadHook(f"{name}: the hook did not fire, so nothing can be read or edited there")
    return output, activations


def check_hooks(model: HookedModel, inputs: Inputs) -> None:
    """Raise DeadHook, naming it, for a hook point of any layer whose random edit leaves the whole output as it was.

    Queries, keys and values of the layer are random in the run that an edit is compared with. Otherwise an edit of the
    queries could rightly change nothing, as in a model whose keys are all zero.
    """
    for layer in range(model.cfg.n_layers):
        base = {hook_name(layer, point): _noise(hook_name(layer, point), 0) for point in "qkv"}
        plain_output, _ = hooked_run(model, inputs, base)
        for point in points(model):
            name = hook_name(layer, point)
            edited_output, _ = hooked_run(model, inputs, {**base, name: _noise(name, 1)})
            if torch.equal(edited_output, plain_output):
                raise DeadHook(f"{name}: a random edit there did not change the output, so every edit there is void")


def _noise(name: str, number: int) -> Edit:
    def edit(tensor: Tensor) -> Tensor:
        source = generator(number, f"probes/check/{name}")
        draw = torch.randn(tensor.shape, generator=source, dtype=torch.float32).to(tensor)
        return tensor + draw * tensor.std().clamp(min=1.0)

    return edit
