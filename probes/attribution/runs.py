"""A behaviour of one subject on some prompts: clean, corrupted, and what remains of it under edits of heads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probes.attribution.corruption import corrupted
from probes.attribution.edits import QKV, Case, HeadEdits
from probes.attribution.hooked_edits import HookedEdits
from probes.attribution.layered_edits import LayeredEdits, layered
from probes.attribution.readouts import Readout
from probes.subject import Subject
from tasks.prompt import Prompt
from tasks.readers.reader import Inputs

# The activations of prompts with this many tokens are in memory at a time.
TOKENS_AT_ONCE = 8192
# Standard errors by which the clean and the corrupted read-out must differ for there to be a behaviour.
LEAST_T = 3.0


@dataclass(frozen=True, eq=False)
class HeadRuns:
    """A subject, prompts and a read-out; edits of heads, measured as what remains of the behaviour.

    Where R is a mean read-out, what remains is (R - R_corrupted) / (R_clean - R_corrupted): 1 is the clean run, 0 the
    corrupted one. It is missing (NaN) where these differ by less than three standard errors: there is nothing to
    attribute. `hooks` forces the edits through hooks alone.
    """

    subject: Subject
    prompt: Prompt
    readout: Readout
    hooks: bool = False

    @property
    def layers(self) -> int:
        """How many layers the model has."""
        return self.subject.n_layers

    @property
    def heads(self) -> int:
        """How many heads a layer has."""
        return self.subject.with_hooks().cfg.n_heads

    def edits(self) -> Iterator[HeadEdits]:
        """The clean and corrupted runs of some prompts at a time."""
        size = max(1, TOKENS_AT_ONCE // self._inputs[0].values.shape[1])
        unit = self.readout.unit(self.prompt)
        for start in range(0, len(self.prompt), size):
            batch = self.prompt.batch(start, start + size)
            clean, corrupt = (Inputs(i.values[start : start + size], i.queries) for i in self._inputs)

            def read(prediction: Tensor, variants: int, batch: Prompt = batch) -> Tensor:
                stacked = prediction.unflatten(0, (variants, -1))
                return self.readout.measure(stacked, batch).double() / unit

            case = Case(self.subject, clean, corrupt, read)
            yield LayeredEdits(case) if not self.hooks and layered(case) else HookedEdits(case)

    @property
    def raw(self) -> tuple[float, float]:
        """The mean read-outs of the clean and of the corrupted run, in the read-out's unit."""
        clean, corrupt = self._outputs
        return float(clean.mean()), float(corrupt.mean())

    @property
    def behaviour_t(self) -> float:
        """Their difference in standard errors over prompts."""
        gap = self._outputs[0] - self._outputs[1]
        return float(gap.mean() / (gap.std() / len(gap) ** 0.5))

    @cached_property
    def means(self) -> list[Float[Tensor, "1 pos head d_head"]]:
        """Every layer's z, averaged over the prompts, position by position."""
        totals = [0.0] * self.layers
        for edits in self.edits():
            totals = [total + z.sum(dim=0, keepdim=True) for total, z in zip(totals, edits.clean_z)]
        return [total / len(self.prompt) for total in totals]  # pyright: ignore[reportReturnType]

    def direct(self) -> Float[Tensor, "layer head"]:
        """What remains when each head's direct write to the output is that of the corrupted run."""
        readouts = torch.cat([edits.direct() for edits in self.edits()], dim=1)
        return self._remains(readouts).unflatten(0, (self.layers, self.heads))

    def ablated(
        self, heads: Bool[Tensor, "set layer head"], z: Sequence[Tensor] | None, hold_patterns: bool = False
    ) -> Float[Tensor, "set"]:
        """What remains with the heads of a set at z (batch|1 pos head d_head a layer); None: the corrupted run's."""
        return self._remains(self._ablated(heads, z, hold_patterns))

    def compared(
        self, heads: Bool[Tensor, "set layer head"], z: Sequence[Tensor] | None
    ) -> tuple[Float[Tensor, "set"], Float[Tensor, "set"]]:
        """What remains, as `ablated` says, and how far every single prompt agrees with its clean run.

        Agreement is 1 - E (R - R_clean)^2 / E (R_corrupted - R_clean)^2 over prompts: 1 means that no prompt's read-out
        has changed, 0 that they are as far off as on corrupted prompts. A mean may stay where every prompt is moved.
        """
        readouts = self._ablated(heads, z, False)
        clean, corrupt = self._outputs
        has_behaviour = abs(self.behaviour_t) >= LEAST_T
        scale = (corrupt - clean).square().mean() if has_behaviour else torch.nan
        return self._remains(readouts), (1 - (readouts - clean).square().mean(dim=-1) / scale).cpu()

    def _ablated(
        self, heads: Bool[Tensor, "set layer head"], z: Sequence[Tensor] | None, hold_patterns: bool
    ) -> Float[Tensor, "set batch"]:
        readouts = []
        for edits in self.edits():
            edited_heads = heads.to(edits.clean_z[0].device)
            readouts.append(edits.ablated(edited_heads, edits.corrupted_z if z is None else z, hold_patterns))
        return torch.cat(readouts, dim=1)

    def paths(self) -> Float[Tensor, "layer head layer head input"]:
        """What remains when one head's corrupted write reaches one input of one later head; NaN where none is later."""
        shape = (self.layers, self.heads, self.layers, self.heads, len(QKV))
        remains = torch.full(shape, torch.nan, dtype=torch.float64)
        for to in range(1, self.layers):
            by_batch = [edits.paths(to) for edits in self.edits()]
            for point, name in enumerate(QKV):
                if name in by_batch[0]:
                    path_remains = self._remains(torch.cat([readouts[name] for readouts in by_batch], dim=2))
                    remains[:to, :, to, :, point] = path_remains.unflatten(0, (to, self.heads)).cpu()
        return remains

    def joint_paths(self) -> Float[Tensor, "layer input"]:
        """What remains when all earlier heads' corrupted writes reach one input of all heads of a layer; NaN at 0."""
        remains = torch.full((self.layers, len(QKV)), torch.nan, dtype=torch.float64)
        for to in range(1, self.layers):
            by_batch = [edits.joint_paths(to) for edits in self.edits()]
            for point, name in enumerate(QKV):
                remains[to, point] = self._remains(torch.cat([readouts[name] for readouts in by_batch]))
        return remains

    def _remains(self, readouts: Tensor) -> Tensor:
        clean, corrupt = self.raw
        gap = clean - corrupt if abs(self.behaviour_t) >= LEAST_T else float("nan")
        return ((readouts.mean(dim=-1) - corrupt) / gap).cpu()

    @cached_property
    def _outputs(self) -> tuple[Tensor, Tensor]:
        clean, corrupt = (torch.cat(batches) for batches in zip(*(edits.outputs() for edits in self.edits())))
        return clean, corrupt

    @cached_property
    def _inputs(self) -> tuple[Inputs, Inputs]:
        encode = self.subject.encode
        return encode(self.prompt), encode(corrupted(self.prompt))
