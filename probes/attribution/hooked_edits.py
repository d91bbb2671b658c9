"""Edits of heads through hooks alone, as stacked forward passes; this is right for any model with hook points."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probes.attribution.edits import QKV, Case, portions
from probes.hooks import Edit, hook_name, hooked_run, points
from tasks.readers.reader import Inputs


class HookedEdits:
    """`HeadEdits` for a HookedTransformer or TransformerBridge; it touches nothing but hooks.

    A path is cut as in Wang et al. 2022 (arXiv 2211.00593): with every other head's z and every MLP held at the clean
    run, the sender's corrupted z reaches the receiver's inputs directly and in no other way.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        model = case.subject.with_hooks()
        self.layers = range(case.subject.n_layers)
        z, patterns = ([hook_name(layer, point) for layer in self.layers] for point in ("z", "pattern"))
        inputs = [hook_name(layer, point) for layer in self.layers for point in QKV]
        outs = [hook_name(layer, "mlp_out") for layer in self.layers if "mlp_out" in points(model)]
        self.output, self.activations = hooked_run(model, case.clean, keep=[*z, *patterns, *inputs, *outs])
        self.corrupted_output, corrupted_activations = hooked_run(model, case.corrupted, keep=z)
        self.clean_z, self.corrupted_z = (
            [self.activations[name] for name in z],
            [corrupted_activations[name] for name in z],
        )
        self.patterns = {name: self._clean_edit(self.activations[name]) for name in patterns}
        self.mlp_outs = {name: self._clean_edit(self.activations[name]) for name in outs}
        self.batch, self.pos = self.clean_z[0].shape[:2]
        self.heads = self.clean_z[0].shape[2]

    def outputs(self) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """The read-outs of the clean and of the corrupted run."""
        clean, corrupted = self._read(self.output, 1), self._read(self.corrupted_output, 1)
        return clean[0], corrupted[0]

    def direct(self) -> Float[Tensor, "variant batch"]:
        """With everything but the sender held at the clean run, only what it writes to the output can differ."""
        readouts = [
            self._read(*self._senders(portion, [])[:2]) for portion in self._portions(len(self.layers) * self.heads)
        ]
        return torch.cat(readouts)

    def ablated(
        self, heads: Bool[Tensor, "variant layer head"], z: Sequence[Tensor], hold_patterns: bool = False
    ) -> Float[Tensor, "variant batch"]:
        """A forward pass with hooks on every hook_z and, where patterns are held, on every hook_pattern."""
        readouts = []
        for portion in self._portions(len(heads)):
            edited_heads = heads[portion]
            edits = {hook_name(layer, "z"): self._replaced(edited_heads[:, layer], z[layer]) for layer in self.layers}
            output, _ = self._run(edits | (self.patterns if hold_patterns else {}), len(edited_heads))
            readouts.append(self._read(output, len(edited_heads)))
        return torch.cat(readouts)

    def paths(self, to: int) -> dict[str, Float[Tensor, "sender head batch"]]:
        """The receiver's inputs are kept from a run with all but the sender held, and put into a clean run."""
        readouts: dict[str, list[Tensor]] = {point: [] for point in QKV}
        own = torch.eye(self.heads, dtype=torch.bool, device=self.clean_z[0].device)
        for portion in self._portions(to * self.heads):
            names = {point: hook_name(to, point) for point in QKV}
            _, count, sender_inputs = self._senders(portion, list(names.values()))
            for point, name in names.items():
                # Where groups of heads share keys and values, no single head can get its own.
                if self.activations[name].shape[2] != self.heads:
                    continue
                sent = sender_inputs[name].unflatten(0, (count, self.batch))
                for index in range(count):
                    for receivers in self._portions(self.heads):
                        edit = self._replaced(own[receivers], sent[index])
                        output, _ = self._run({name: edit}, len(own[receivers]))
                        readouts[point].append(self._read(output, len(own[receivers])))
        return {
            point: torch.cat(rows).unflatten(0, (to * self.heads, self.heads))
            for point, rows in readouts.items()
            if rows
        }

    def joint_paths(self, to: int) -> dict[str, Float[Tensor, " batch"]]:
        """As `paths`, with all heads of earlier layers as senders and all of one layer as receivers."""
        edits: dict[str, Edit] = dict(self.mlp_outs)
        for layer in self.layers:
            edits[hook_name(layer, "z")] = _constant((self.corrupted_z if layer < to else self.clean_z)[layer])
        names = {point: hook_name(to, point) for point in QKV}
        _, sent = self._run(edits, 1, list(names.values()))
        return {
            point: self._read(self._run({name: _constant(sent[name])}, 1)[0], 1)[0] for point, name in names.items()
        }

    def _senders(self, portion: slice, keep: list[str]) -> tuple[Tensor, int, dict[str, Tensor]]:
        """Runs in which one head each is as in the corrupted run, and all other heads and MLPs as in the clean one."""
        count = portion.stop - portion.start
        sends = torch.zeros(count, len(self.layers) * self.heads, dtype=torch.bool, device=self.clean_z[0].device)
        sends[range(count), range(portion.start, portion.stop)] = True
        sends = sends.unflatten(1, (len(self.layers), self.heads))
        edits: dict[str, Edit] = dict(self.mlp_outs)
        for layer in self.layers:
            z = torch.where(sends[:, layer, None, None, :, None], self.corrupted_z[layer], self.clean_z[layer])
            edits[hook_name(layer, "z")] = _constant(z.flatten(0, 1))
        output, activations = self._run(edits, count, keep)
        return output, count, activations

    def _run(self, edits: dict[str, Edit], count: int, keep: Sequence[str] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        return hooked_run(self.case.subject.with_hooks(), self._stacked(count), edits, keep)

    def _stacked(self, count: int) -> Inputs:
        values = self.case.clean.values
        return Inputs(values.repeat(count, *[1] * (values.ndim - 1)), self.case.clean.queries)

    def _read(self, output: Tensor, count: int) -> Tensor:
        return self.case.read(self.case.subject.decode(output, self._stacked(count)), count)

    def _portions(self, variants: int) -> list[slice]:
        return portions(variants, self.batch * self.pos)

    def _replaced(self, heads: Bool[Tensor, "variant head"], value: Tensor) -> Edit:
        """An edit that sets the variant's heads to a value (batch|1 pos head d_head)."""

        def edit(tensor: Tensor) -> Tensor:
            stacked = tensor.unflatten(0, (len(heads), self.batch))
            return torch.where(heads[:, None, None, :, None], value, stacked).flatten(0, 1)

        return edit

    def _clean_edit(self, value: Tensor) -> Edit:
        """An edit that sets an activation of every variant to that of the clean run."""

        def edit(tensor: Tensor) -> Tensor:
            return value.repeat(len(tensor) // len(value), *[1] * (value.ndim - 1))

        return edit


def _constant(value: Tensor) -> Edit:
    return lambda tensor: value
