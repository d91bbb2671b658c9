"""Which heads carry a behaviour, through which other heads, and which few of them are enough?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from mesa.errors import unknown
from probes.attribution.circuit import smallest_circuit
from probes.attribution.corruption import canonical_order, select
from probes.attribution.edits import QKV
from probes.attribution.layered_edits import LayeredEdits
from probes.attribution.readouts import Readout, readout_of
from probes.attribution.registry import READOUTS
from probes.attribution.runs import LEAST_T, HeadRuns
from probes.hooks import check_hooks, hook_name, hooked_run
from probes.readings.reading import Reading
from probes.subject import Subject
from tasks.readers.reader import Inputs

ABLATIONS = ("zero", "mean", "resampled")
Row = dict[str, object]


@dataclass(frozen=True)
class HeadAttribution:
    """Direct writes, ablations, paths, pairs and the smallest circuit of the heads behind one scalar read-out.

    The read-out R (`probes.attribution.readouts`; by default `prediction` for regression, `logit_minus_mean` at the
    last token for symbols) is averaged over prompts, clean and corrupted (`probes.attribution.corruption`). Activations
    of the corrupted run, or of an ablation, are put into the clean run, and what remains is
    (R - R_corrupted) / (R_clean - R_corrupted): 1 means no effect, 0 that the behaviour is gone, above 1 that the head
    worked against it. Where clean and corrupted differ by less than three standard errors there is nothing to
    attribute: NaN. Metrics of the model:

    - `clean`, `corrupted`: R on clean and on corrupted prompts, in the read-out's unit.
    - `behaviour_t`: their difference in standard errors over prompts.

    Metrics of every head:

    - `ablated`: what remains without one head. Its output is replaced by zero, by its mean over prompts at each
      position, or by that of the corrupted run (`ablation` zero, mean, resampled).
    - `ablated_patterns_held`: the same while all attention patterns stay those of the clean run.
    - `agreement`: 1 - E (R - R_clean)^2 / E (R_corrupted - R_clean)^2 over prompts, with the head at its mean. 1 where
      no prompt changes, 0 where prompts change as much as corrupted ones. It shows changes that cancel in the mean of
      R.
    - `direct`: the share lost when only the head's write to the output is the corrupted run's.
    - `path`: the share lost when only its write to one input (`to_input` q, k, v) of one later head is the corrupted
      run's. Everything after the receiver is recomputed. `to_input` resid is the output, as in `direct`.
    - `joint_path`: the same with the writes of all heads of earlier layers, to one input of all heads of `to_layer`.
      Paths are not additive: their sum may be more or less than this.
    - `pair`: what remains with two heads at their means; for models of at most `pairs` heads.
    - `circuit`: 1 for the heads of the smallest circuit, 0 for the others. With all others at their means, what remains
      is within 1 - `share` of 1 and `agreement` is at least `share`. It is searched on half of the prompts.

    Metrics of the circuit, on fresh prompts, with the means of the first prompts:

    - `faithfulness`: what remains with the circuit alone.
    - `circuit_agreement`: the agreement with the circuit alone.
    - `completeness`: what remains without the circuit.

    Arrays: `attention` of the first prompt (layer head pos pos); by (layer head) `direct`, `ablated_<ablation>`,
    `held_<ablation>`, `circuit`; `path` (layer head layer head input) and
    `joint_path` (layer input). Paths are measured for models of at most `paths`
    heads. Raises DeadHook where edits do not reach the output.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> from probes import RegressionSubject
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10, n_heads=2), PairedReader(), LinearRegression())
    >>> table = HeadAttribution(prompts=400)(subject, torch.Generator().manual_seed(0)).table
    >>> table[table.metric == "direct"].value.round(6).tolist()
    [1.0, 0.0]
    """

    prompts: int = 1000
    readout: str | Readout | None = None
    ablations: tuple[str, ...] = ABLATIONS
    share: float = 0.9
    pairs: int = 16
    paths: int = 48
    name: str = "head_attribution"

    def __post_init__(self) -> None:
        if self.prompts < 4:
            raise ValueError(f"prompts: {self.prompts} must be at least 4: two halves, each with another's context")
        if not 0 < self.share <= 1:
            raise ValueError(f"share: {self.share} must be above 0 and at most 1")
        for ablation in self.ablations:
            if ablation not in ABLATIONS:
                raise unknown("ablation", ablation, ABLATIONS)
        if isinstance(self.readout, str) and self.readout not in READOUTS:
            raise unknown("readout", self.readout, READOUTS)

    def applies(self, subject: Subject) -> str | None:
        """Models with TransformerLens's hook points on their heads, and a read-out of their kind of prompts."""
        if subject.hooked is None or hook_name(0, "z") not in subject.hooked.hook_dict:
            return "only a model with TransformerLens's hook points has heads to edit"
        return readout_of(self.readout, subject).applies(subject)

    def __call__(self, subject: Subject, generator: torch.Generator) -> Reading:
        """Measure."""
        readout = readout_of(self.readout, subject)
        prompt, fresh = (canonical_order(subject.prompts(self.prompts, generator)) for _ in range(2))
        check_hooks(subject.with_hooks(), subject.encode(prompt.batch(0, 2)))
        arrays: dict[str, np.ndarray] = {"attention": _attention(subject, subject.encode(prompt.batch(0, 1)))}
        runs = HeadRuns(subject, prompt, readout)
        runs = HeadRuns(subject, prompt, readout, hooks=not _understood(runs))
        rows: list[Row] = [{"metric": name, "value": value} for name, value in zip(("clean", "corrupted"), runs.raw)]
        rows.append({"metric": "behaviour_t", "value": runs.behaviour_t})
        arrays["direct"] = (1 - runs.direct()).numpy()
        rows += _by_head("direct", arrays["direct"])
        for hold_patterns, metric in ((False, "ablated"), (True, "ablated_patterns_held")):
            for ablation in self.ablations:
                z = self._z(runs, ablation)
                remains = (
                    runs.ablated(_single_heads(runs), z, hold_patterns).unflatten(0, (runs.layers, runs.heads)).numpy()
                )
                arrays[f"{'held' if hold_patterns else 'ablated'}_{ablation}"] = remains
                rows += _by_head(metric, remains, ablation=ablation)
        agreement = runs.compared(_single_heads(runs), runs.means)[1].unflatten(0, (runs.layers, runs.heads))
        rows += _by_head("agreement", agreement.numpy(), ablation="mean")
        shape, count = (runs.layers, runs.heads), runs.layers * runs.heads
        if count <= self.paths:
            arrays["path"] = (1 - runs.paths()).numpy()
            rows += _paths(arrays["path"], arrays["direct"])
            arrays["joint_path"] = (1 - runs.joint_paths()).numpy()
            rows += _joint_paths(arrays["joint_path"])
        if count <= self.pairs:
            rows += _pairs(runs)
        circuit = self._circuit(runs)
        arrays["circuit"] = np.full(shape, np.nan) if circuit is None else circuit.double().numpy()
        rows += _by_head("circuit", arrays["circuit"], ablation="mean", share=self.share)
        if circuit is not None:
            rows += self._checked(runs, HeadRuns(subject, fresh, readout, runs.hooks), circuit)
        return Reading.of([{"readout": readout.name, **row} for row in rows], arrays)

    def _z(self, runs: HeadRuns, ablation: str) -> Sequence[Tensor] | None:
        if ablation == "resampled":
            return None
        return runs.means if ablation == "mean" else [torch.zeros_like(mean) for mean in runs.means]

    def _circuit(self, runs: HeadRuns) -> Tensor | None:
        """The smallest circuit, found on every second prompt; None where these, or all, show no behaviour."""
        rows = torch.arange(0, len(runs.prompt), 2, device=runs.means[0].device)
        half = HeadRuns(runs.subject, select(runs.prompt, rows), runs.readout, runs.hooks)
        shape = (runs.layers, runs.heads)
        if not min(abs(runs.behaviour_t), abs(half.behaviour_t)) >= LEAST_T:
            return None

        def remaining(sets: Tensor) -> Tensor:
            remains, agreement = half.compared(~sets.unflatten(1, shape), half.means)
            # Heads that cancel each other on average are not spared for that: every prompt is looked at.
            return remains.where(agreement >= self.share, torch.nan)

        return smallest_circuit(remaining, runs.layers * runs.heads, self.share).unflatten(0, shape)

    def _checked(self, runs: HeadRuns, fresh: HeadRuns, circuit: Tensor) -> Iterator[Row]:
        remains, agreement = fresh.compared(torch.stack([circuit, ~circuit]), runs.means)
        metrics = {"faithfulness": remains[1], "completeness": remains[0], "circuit_agreement": agreement[1]}
        for metric, value in metrics.items():
            yield {"metric": metric, "ablation": "mean", "share": self.share, "value": float(value)}


def _attention(subject: Subject, inputs: Inputs) -> np.ndarray:
    names = [hook_name(layer, "pattern") for layer in range(subject.n_layers)]
    _, patterns = hooked_run(subject.with_hooks(), inputs, keep=names)
    return torch.stack([patterns[name][0] for name in names]).cpu().numpy()


def _understood(runs: HeadRuns) -> bool:
    """Whether the layers, recomputed as plain matrix products, give the model's own predictions."""
    edits = next(runs.edits())
    return isinstance(edits, LayeredEdits) and edits.agree()


def _single_heads(runs: HeadRuns) -> Tensor:
    count = runs.layers * runs.heads
    return torch.eye(count, dtype=torch.bool, device=runs.means[0].device).unflatten(1, (runs.layers, runs.heads))


def _by_head(metric: str, values: np.ndarray, **columns: str | float) -> Iterator[Row]:
    for (layer, head), value in np.ndenumerate(values):
        yield {"metric": metric, "layer": layer, "head": head, **columns, "value": float(value)}


def _paths(lost: np.ndarray, direct: np.ndarray) -> Iterator[Row]:
    for (layer, head, to_layer, to_head, point), value in np.ndenumerate(lost):
        # Grouped keys and values belong to no one head: there is no such path.
        if to_layer > layer and not np.isnan(lost[:to_layer, :, to_layer, :, point]).all():
            to = {"to_layer": to_layer, "to_head": to_head, "to_input": QKV[point]}
            yield {"metric": "path", "layer": layer, "head": head, **to, "value": float(value)}
    yield from _by_head("path", direct, to_input="resid")


def _joint_paths(lost: np.ndarray) -> Iterator[Row]:
    for (to_layer, point), value in np.ndenumerate(lost[1:]):
        yield {"metric": "joint_path", "to_layer": to_layer + 1, "to_input": QKV[point], "value": float(value)}


def _pairs(runs: HeadRuns) -> Iterator[Row]:
    heads = [divmod(index, runs.heads) for index in range(runs.layers * runs.heads)]
    pairs = list(combinations(range(len(heads)), 2))
    if not pairs:
        return
    single_heads = _single_heads(runs)
    remains = runs.ablated(
        torch.stack([single_heads[first] | single_heads[second] for first, second in pairs]), runs.means
    )
    for (first, second), value in zip(pairs, remains.tolist()):
        columns: Mapping[str, int] = dict(
            zip(("layer", "head", "to_layer", "to_head"), (*heads[first], *heads[second]))
        )
        yield {"metric": "pair", "ablation": "mean", **columns, "value": value}
