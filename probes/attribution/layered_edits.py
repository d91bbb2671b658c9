"""Edits of heads that recompute only the layers after the edit, and the last layer only where it is read."""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens import HookedTransformer

from mesa.models.in_context import InContextTransformer, key_mask
from mesa.models.inputs import argument_of
from probes.attribution.edits import QKV, Case, portions
from probes.attribution.plain_layer import QKV as QKVInputs
from probes.attribution.plain_layer import PlainLayer, plain
from tasks.readers.interleaved import InterleavedReader
from tasks.readers.next_token import NextTokenReader
from tasks.readers.paired import PairedReader
from tasks.readers.reader import Inputs


class LayeredEdits:
    """`HeadEdits` for a HookedTransformer of plain layers, whose weights are used as they are.

    A head's edit changes the residual stream after its layer by (z' - z) W_O; from there on the layers are recomputed,
    the last one only at the positions that are read. `agree` tells whether the model does the same.
    """

    def __init__(self, case: Case) -> None:
        model = case.subject.model
        assert isinstance(model, HookedTransformer)
        self.case, self.model = case, model
        mask = key_mask(case.clean) if isinstance(model, InContextTransformer) else None
        self.pos = case.clean.values.shape[1]
        self.tail = max(case.clean.queries, 1)
        self.layers = [PlainLayer(block, self.pos, mask) for block in model.blocks]
        self.heads = model.cfg.n_heads
        with torch.no_grad():
            self.corrupted_z, self.corrupted_last, _, _ = self._through(case.corrupted)
            self.clean_z, self.last, self.resids, self.inputs = self._through(case.clean)
        self.batch = len(self.last)

    @cached_property
    @torch.no_grad()
    def patterns(self) -> list[Tensor]:
        """The clean run's patterns (batch head query key)."""
        return [layer.pattern(q, k) for layer, (q, k, _) in zip(self.layers, self.inputs)]

    def outputs(self) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """The read-outs of the clean and of the corrupted run."""
        with torch.no_grad():
            return self._read(self.last, 1)[0], self._read(self.corrupted_last, 1)[0]

    @torch.no_grad()
    def direct(self) -> Float[Tensor, "variant batch"]:
        """The last residual stream with one head's write exchanged."""
        writes = torch.cat([self._writes(layer, self.corrupted_z[layer])[:, :, -self.tail :] for layer in self._order])
        readouts = []
        for portion in portions(len(writes), self.batch * self.tail):
            readouts.append(self._read((self.last + writes[portion]).flatten(0, 1), portion.stop - portion.start))
        return torch.cat(readouts)

    @torch.no_grad()
    def ablated(
        self, heads: Bool[Tensor, "variant layer head"], z: Sequence[Tensor], hold_patterns: bool = False
    ) -> Float[Tensor, "variant batch"]:
        """Each variant starts after the first layer that it edits."""
        # Read-outs are taken in float64, whatever the model's type.
        readouts = self.last.new_empty(len(heads), self.batch, dtype=torch.float64)
        first = torch.where(heads.any(dim=2), torch.arange(len(self.layers)).to(heads.device), len(self.layers))
        first = first.amin(dim=1)
        for start in first.unique().tolist():
            rows = (first == start).nonzero()[:, 0]
            if start == len(self.layers):
                readouts[rows] = self._read(self.last, 1)
                continue
            writes, shifts = self._writes(start, z[start]), self._shifts(start, z[start])
            for portion in portions(len(rows), self.batch * self.pos):
                edited_heads = heads[rows[portion]]
                weights = edited_heads[:, start].to(writes)
                moved = torch.einsum("vh,hbpm->vbpm", weights, writes)
                inputs = None if shifts is None else torch.einsum("vh,hbpm->vbpm", weights, shifts)
                readouts[rows[portion]] = self._after(start, moved, edited_heads, z, hold_patterns, inputs)
        return readouts

    @torch.no_grad()
    def paths(self, to: int) -> dict[str, Float[Tensor, "sender head batch"]]:
        """The receiver's z from one changed input; then as after any edit of its z."""
        tail = self._tail_of(to)
        writes = self._earlier_writes(to)
        readouts: dict[str, list[Tensor]] = {point: [] for point in QKV}
        for portion in portions(len(writes), self.batch * self.pos):
            for point, z in self._with_one_input(to, writes[portion]).items():
                # (sender batch pos head d_head), as a write of each receiving head alone.
                written = torch.einsum("sbphe,hem->shbpm", z - self.clean_z[to][:, -tail:], self.layers[to].W_O)
                receiver_portions = portions(written.shape[0] * self.heads, self.batch * tail)
                moved = written.flatten(0, 1)
                readouts[point] += [self._after(to, moved[receivers]) for receivers in receiver_portions]
        shape = (len(writes), self.heads)
        return {point: torch.cat(rows).unflatten(0, shape) for point, rows in readouts.items()}

    @torch.no_grad()
    def joint_paths(self, to: int) -> dict[str, Float[Tensor, " batch"]]:
        """As `paths`, with the sum of all senders' writes, and the writes of all receivers together."""
        sent = self._earlier_writes(to).sum(dim=0, keepdim=True)
        clean_z, W_O = self.clean_z[to][:, -self._tail_of(to) :], self.layers[to].W_O
        return {
            point: self._after(to, torch.einsum("sbphe,hem->sbpm", z - clean_z, W_O))[0]
            for point, z in self._with_one_input(to, sent).items()
        }

    def _earlier_writes(self, to: int) -> Float[Tensor, "sender batch pos d_model"]:
        """By how much the corrupted write of each head of an earlier layer differs from its clean one."""
        return torch.cat([self._writes(sender, self.corrupted_z[sender]) for sender in self._order[:to]])

    def _with_one_input(
        self, to: int, sent: Float[Tensor, "sender batch pos d_model"]
    ) -> dict[str, Float[Tensor, "sender batch tail head d_head"]]:
        """z of layer `to` where what is sent reaches the queries, the keys or the values of its heads alone."""
        layer, (q, k, v), tail = self.layers[to], self.inputs[to], self._tail_of(to)
        new = layer.qkv((self.resids[to] + sent).flatten(0, 1))
        new_q, new_k, new_v = (tensor.unflatten(0, sent.shape[:2]) for tensor in new)
        return {
            "q": layer.attend(new_q[..., -tail:, :], k.expand_as(new_k), v.expand_as(new_v)),
            "k": layer.attend(q.expand_as(new_q)[..., -tail:, :], new_k, v.expand_as(new_v)),
            "v": layer.mixed(self.patterns[to][..., -tail:, :], new_v),
        }

    def _tail_of(self, layer: int) -> int:
        """How many of the last positions of a layer are needed."""
        return self.tail if layer == len(self.layers) - 1 else self.pos

    @property
    def _order(self) -> range:
        return range(len(self.layers))

    def _through(self, inputs: Inputs) -> tuple[list[Tensor], Tensor, list[Tensor], list[QKVInputs]]:
        """Every layer's z, the last residual stream where it is read, and every layer's input and q, k, v."""
        resid = self.model(argument_of(self.model, inputs), stop_at_layer=0)
        zs, resids, qkvs = [], [], []
        for layer in self.layers:
            resids.append(resid)
            qkvs.append(layer.qkv(resid))
            zs.append(layer.attend(*qkvs[-1]))
            resid = layer.after(resid, layer.written(zs[-1]))
        return zs, resid[:, -self.tail :], resids, qkvs

    @torch.no_grad()
    def agree(self) -> bool:
        """Whether the layers as understood here give the model's own predictions, clean and corrupted."""
        for inputs, last in ((self.case.clean, self.last), (self.case.corrupted, self.corrupted_last)):
            expected = self.case.subject.decode(self.case.subject.output(inputs), inputs)
            recomputed = self._decoded(last)
            # Rounding differs by the order of sums, a few hundred times the type's precision in deep models.
            bound = 1e4 * torch.finfo(expected.dtype).eps * max(1.0, float(expected.abs().max()))
            if not float((recomputed - expected[:, -recomputed.shape[1] :]).abs().max()) <= bound:
                return False
        return True

    def _writes(self, layer: int, z: Tensor) -> Float[Tensor, "head batch pos d_model"]:
        """By how much each head's own write changes when its z is exchanged."""
        return torch.einsum("bphe,hem->hbpm", z - self.clean_z[layer], self.layers[layer].W_O)

    def _shifts(self, layer: int, z: Tensor) -> Float[Tensor, "head batch pos qkv"] | None:
        """By how much each head's exchange changes the next layer's q, k and v, where these are linear in its write.

        W_O times the next layer's weights is d_head wide: d_model / d_head times less work than through the stream.
        """
        wide = 2 * self.heads > self.model.cfg.d_model
        if wide or layer + 1 == len(self.layers) or not (self.layers[layer].bare and self.layers[layer + 1].bare):
            return None
        folded = self.layers[layer].W_O @ torch.cat(self.layers[layer + 1].weights).T
        return torch.einsum("bphe,hem->hbpm", z - self.clean_z[layer], folded)

    def _after(
        self,
        layer: int,
        moved: Tensor,
        heads: Tensor | None = None,
        z: Sequence[Tensor] = (),
        hold_patterns: bool = False,
        shift: Tensor | None = None,
    ) -> Float[Tensor, "variant batch"]:
        """Read-outs of variants whose residual stream is moved (variant batch pos d_model) by a layer's heads."""
        count, final = moved.shape[0], len(self.layers) - 1
        if layer == final or (layer == final - 1 and shift is not None):
            moved = moved[:, :, -self.tail :]
        resid = self._moved(layer, moved, moved.shape[2]).flatten(0, 1)
        for later in range(layer + 1, len(self.layers)):
            step, tail = self.layers[later], self.tail if later == final else self.pos
            pattern = self.patterns[later] if hold_patterns else None
            if later == layer + 1 and shift is not None:
                new = step.z_of(step.shifted(self.inputs[later], shift), tail, pattern)
            else:
                new = step.z(resid, tail, pattern)
            if heads is not None and bool(heads[:, later].any()):
                stacked = new.unflatten(0, (count, self.batch))
                new = torch.where(heads[:, later, None, None, :, None], z[later][:, -tail:], stacked).flatten(0, 1)
            resid = step.after(resid[:, -tail:], step.written(new))
        return self._read(resid[:, -self.tail :], count)

    def _moved(self, layer: int, moved: Tensor, tail: int) -> Tensor:
        """The residual stream after a layer whose attention writes this much more; its MLP sees it."""
        step = self.layers[layer]
        written = step.written(self.clean_z[layer][:, -tail:])
        return step.after(self.resids[layer][:, -tail:], written + moved)

    def _decoded(self, resid: Tensor) -> Tensor:
        if self.model.cfg.normalization_type is not None:
            resid = self.model.ln_final(resid)
        inputs = Inputs(self.case.clean.values[:, -self.tail :], self.case.clean.queries)
        return self.case.subject.decode(self.model.unembed(resid), inputs)

    def _read(self, resid: Tensor, count: int) -> Tensor:
        return self.case.read(self._decoded(resid), count)


def layered(case: Case) -> bool:
    """Whether a subject is made of plain layers and read by a reader that looks only at the last positions."""
    model = case.subject.model
    reader = case.subject.reader
    if not isinstance(model, HookedTransformer) or type(reader) not in (
        PairedReader,
        InterleavedReader,
        NextTokenReader,
    ):
        return False
    return plain(model) and not any(point.fwd_hooks for point in model.hook_dict.values())
