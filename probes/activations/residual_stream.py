"""The residual stream of a model between its layers, and what each layer wrote to it."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import HookedTransformer

from probes.subject import Subject
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs


@dataclass(frozen=True, eq=False)
class ResidualStream:
    """Tokens before the first layer and after each (stage = layer + 1), and what each layer added to them.

    `written` is the change before any clipping, so that a layer is seen for itself; `inputs` are the model's tokens.
    """

    resid: Float[Tensor, "stage batch pos d_model"]
    written: Float[Tensor, "layer batch pos d_model"]
    inputs: Inputs

    @property
    def embedded(self) -> bool:
        """Whether the first residual stream is anything else than the tokens themselves."""
        tokens = self.inputs.values.double()
        return self.resid[0].shape != tokens.shape or not torch.equal(self.resid[0], tokens)


def paired(subject: Subject) -> str | None:
    """None for a model with a residual stream on paired tokens that start from zero, or why it is not that."""
    if not isinstance(subject.model, HookedTransformer):
        return "only a HookedTransformer has a residual stream to read between its layers"
    reader = getattr(subject.reader, "base", subject.reader)
    if not isinstance(reader, PairedReader):
        return "only paired tokens keep an example's x and y together"
    return None if reader.start is None else "with a start the tokens' labels are no residuals"


def residual_stream(subject: Subject, prompt: RegressionPrompt) -> ResidualStream:
    """Run the model once, without a graph; everything is returned in float64."""
    model = subject.model
    assert isinstance(model, HookedTransformer)
    inputs, seen = subject.reader.encode(prompt), {}
    layers = [f"blocks.{layer}.hook_resid_post" for layer in range(model.cfg.n_layers)]
    clips = [name for name in (f"{layer}.hook_clip" for layer in layers) if name in model.hook_dict]

    def keep(resid: Tensor, hook: Any) -> None:
        seen[hook.name] = resid.double()

    with torch.no_grad(), model.hooks([(name, keep) for name in ("blocks.0.hook_resid_pre", *layers, *clips)]):
        subject.output(inputs)
    resid = torch.stack([seen["blocks.0.hook_resid_pre"], *(seen[name] for name in layers)])
    written = resid[1:] - resid[:-1]
    if clips:
        written = written - torch.stack([seen[name] for name in clips])
    return ResidualStream(resid, written, inputs)
