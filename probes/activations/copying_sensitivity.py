"""Does the first layer copy between neighbouring tokens? ([VO] section 4, fig. 5)"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probes.readings.reading import Reading
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from tasks.prompt import RegressionPrompt
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.reader import Inputs

# The offset of the input token from the token that it may be copied to.
_OFFSETS = {"own": 0, "next": 1, "previous": -1}


@dataclass(frozen=True)
class CopyingSensitivity:
    """How much the first layer's output at a context token depends on the content of each input token.

    The output is blocks.0.hook_resid_post at token k, summed over channels. Its gradient in the content channels of
    input token m is averaged over prompts. The L2 norm of this mean is the entry (k, m) of the array `sensitivity`.
    Metrics are means over context tokens k:

    - `own`: m = k. The residual connection alone gives sqrt(d).
    - `next`: m = k+1, where that is a context token.
    - `previous`: m = k-1, where that is a context token.
    - `other`: the mean over the context tokens except k and k+1.
    - `contrast`: (next - other) / (next + other), from 0 (all alike) to 1 (the next token alone). The size of a copy is
      arbitrary, because the second layer can divide by it; the contrast does not depend on it.
    - `previous_contrast`: the same for the token before; below 0 where it is copied less than others.

    `parity` is `even` for the tokens that hold x, whose successor holds their y, and `odd` for those that hold y.
    Source: [VO] section 4 and figure 5; the contrast is our addition.

    >>> from mesa.construction import interleaved_step_model
    >>> from tasks import LinearRegression, InterleavedReader
    >>> reader = InterleavedReader(one_hot=True)
    >>> model, task = interleaved_step_model(0.6, d_in=4, context=3), LinearRegression(d_in=4, context=3)
    >>> subject = RegressionSubject(model, reader, task)
    >>> table = CopyingSensitivity(prompts=10)(subject, torch.Generator().manual_seed(0)).table
    >>> even = table[table.parity == "even"].set_index("metric").value
    >>> [round(float(even[metric]), 6) for metric in ("own", "next", "previous", "other")]
    [2.0, 1.0, 0.0, 0.0]
    """

    prompts: int = 500
    name: str = "copying_sensitivity"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """HookedTransformers of two layers or more on interleaved tokens."""
        if not isinstance(subject.reader, InterleavedReader):
            return "only interleaved tokens hold x and y apart, so that one can be copied to the other"
        if subject.hooked is None:
            return "only a HookedTransformer's first layer can be read on its own"
        return None if subject.n_layers > 1 else "with one layer, no later layer can use what the first one copies"

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        prompt = subject.prompts(self.prompts, generator)
        gradients = [_gradients(subject, batch) * len(batch) for batch in chunks(prompt)]
        sensitivity = (torch.stack(gradients).sum(0) / len(prompt)).norm(dim=-1).double()
        rows = [
            {"metric": metric, "parity": parity, "value": float(value)}
            for parity, start in (("even", 0), ("odd", 1))
            for metric, value in _averages(sensitivity, start).items()
        ]
        return Reading.of(rows, {"sensitivity": sensitivity.cpu().numpy()})


def _gradients(subject: RegressionSubject, prompt: RegressionPrompt) -> Float[Tensor, "token input channel"]:
    """The gradients averaged over prompts: one forward pass, and one backward for each token k.

    A shift that all prompts share is added to the content, so that its gradient is the sum over prompts at once.
    """
    reader = subject.reader
    assert isinstance(reader, InterleavedReader)
    inputs = subject.encode(prompt)
    count = inputs.values.shape[1] - inputs.queries
    content = reader.content(prompt)
    shift = inputs.values.new_zeros(count, content, requires_grad=True)
    with torch.enable_grad():
        padded = torch.nn.functional.pad(shift, (0, inputs.values.shape[2] - content, 0, inputs.queries))
        moved = Inputs(inputs.values + padded, inputs.queries)
        totals = subject.with_weights()(moved, stop_at_layer=1)[:, :count].sum(dim=(0, 2))
        rows = [torch.autograd.grad(total, shift, retain_graph=True)[0] for total in totals]
    return torch.stack(rows) / len(prompt)


def _averages(sensitivity: Float[Tensor, "token input"], start: int) -> dict[str, float]:
    """Means over every second token from `start` on."""
    tokens = torch.arange(start, len(sensitivity), 2, device=sensitivity.device)
    values = {}
    for metric, ahead in _OFFSETS.items():
        positions = tokens[(tokens + ahead >= 0) & (tokens + ahead < len(sensitivity))]
        values[metric] = sensitivity[positions, positions + ahead].mean().item()
    other_tokens, count = sensitivity.clone(), len(sensitivity)
    other_tokens[range(count), range(count)] = torch.nan
    other_tokens[range(count - 1), range(1, count)] = torch.nan
    values["other"] = other_tokens[tokens].nanmean().item()
    values["contrast"] = _contrast(values["next"], values["other"])
    values["previous_contrast"] = _contrast(values["previous"], values["other"])
    return values


def _contrast(near: float, far: float) -> float:
    # Where nothing is copied at all, there is nothing to contrast.
    return (near - far) / (near + far) if near + far else 0.0
