"""The residual stream of a model between its layers, and what each layer wrote to it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probes.hooks import hook_name, hooked_run
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs


@dataclass(frozen=True, eq=False)
class ResidualStream:
    """Tokens before the first layer and after each (stage = layer + 1), and what each layer added to them.

    `written` is the change before any clipping. `inputs` are the model's tokens.
    """

    resid: Float[Tensor, "stage batch pos d_model"]
    written: Float[Tensor, "layer batch pos d_model"]
    inputs: Inputs

    @property
    def embedded(self) -> bool:
        """Whether the first residual stream is anything else than the tokens themselves."""
        tokens = self.inputs.values.double()
        return self.resid[0].shape != tokens.shape or not torch.equal(self.resid[0], tokens)


def paired(subject: RegressionSubject) -> str | None:
    """None for a model with a residual stream on paired tokens that start from zero, or why it is not that."""
    if subject.hooked is None:
        return "only a HookedTransformer has a residual stream to read between its layers"
    reader = subject.reader
    if not isinstance(reader, PairedReader):
        return "only paired tokens keep an example's x and y together"
    return None if reader.start is None else "with a start, the y entries of tokens are not residuals"


def residual_stream(subject: RegressionSubject, prompt: RegressionPrompt) -> ResidualStream:
    """Run the model once, without a graph; everything is returned in float64."""
    model, inputs = subject.with_hooks(), subject.encode(prompt)
    stages = [hook_name(0, "resid_pre"), *(hook_name(layer, "resid_post") for layer in range(model.cfg.n_layers))]
    clips = [name for name in (f"{stage}.hook_clip" for stage in stages) if name in model.hook_dict]
    _, activations = hooked_run(model, inputs, keep=[*stages, *clips], dtype=torch.float64)
    resid = torch.stack([activations[name] for name in stages])
    written = resid[1:] - resid[:-1]
    if clips:
        written = written - torch.stack([activations[name] for name in clips])
    return ResidualStream(resid, written, inputs)
