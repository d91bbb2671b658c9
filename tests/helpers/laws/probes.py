"""The laws of probes and controls, on the small subjects that their rows name."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformer_lens import HookedTransformer

from mesa.registry import LEARNERS
from mesa.rng import generator
from probes.controls.registry import ControlRow
from probes.probe import ProbeOf
from probes.readings.reading import Reading
from probes.registry import ProbeRow
from probes.subject import Subject
from tasks.registry import Row
from tests.helpers.reordered import ReorderedRegression, ReorderedTokens


def example_subject(row: ProbeRow) -> Subject:
    """The small subject that a probe's row names."""
    return cast("Callable[[], Subject]", Row(target=row.example_subject, about="").load())()


def example_probe(row: ProbeRow) -> ProbeOf[Subject]:
    """The probe of a row with the row's small settings."""
    return cast("Callable[..., ProbeOf[Subject]]", row.load())(**row.example)


def check_answers(name: str, row: ProbeRow) -> None:
    """A probe applies to its example and gives numbers there, the same for the same generator."""
    probe, subject = example_probe(row), example_subject(row)
    assert probe.name == name
    assert subject.kind in row.subjects
    assert probe.applies(subject) is None
    first, again = (probe(subject, generator(3, "laws")) for _ in range(2))
    assert len(first.table) > 0
    assert first.table["metric"].notna().all()
    # A probe knows nothing of runs and controls; the runner fills these columns in.
    assert (first.table["control"] == "none").all() or first.table["control"].isna().all()
    _equal(first, again, rtol=0, atol=0)


def check_leaves_no_trace(row: ProbeRow, training: bool) -> None:
    """Hooks, weights, gradients, training mode, threads and the global random states are as before the call."""
    probe, subject = example_probe(row), example_subject(row)
    model = subject.module
    assert isinstance(model, HookedTransformer)
    model.train(training)
    model.blocks[0].hook_resid_post.add_hook(lambda tensor, hook: None)
    # A weight that is never trained is a buffer or needs no gradient.
    trained = {name: weight.requires_grad for name, weight in model.named_parameters()}
    gradients = {name: torch.ones_like(weight) for name, weight in model.named_parameters() if trained[name]}
    for name, gradient in gradients.items():
        model.get_parameter(name).grad = gradient.clone()
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with _states_kept():
        probe(subject, generator(0, "laws"))
    assert model.training is training
    assert sum(len(point.fwd_hooks) + len(point.bwd_hooks) for point in model.hook_dict.values()) == 1
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == trained
    for name, gradient in gradients.items():
        after = model.get_parameter(name).grad
        assert after is not None and torch.equal(after, gradient), name


@contextmanager
def _states_kept() -> Iterator[None]:
    def states() -> tuple[object, ...]:
        return torch.get_rng_state().tolist(), str(np.random.get_state()), torch.get_num_threads()  # noqa: NPY002

    before = states()
    yield
    assert states() == before


def check_order_of_batch(row: ProbeRow) -> None:
    """The order of prompts in a batch changes no number."""
    probe, subject = example_probe(row), example_subject(row)
    reorder = ReorderedRegression if subject.kind == "regression" else ReorderedTokens
    reordered = replace(subject, task=cast("Any", reorder(subject.task)))
    if probe.applies(reordered) is not None:
        # The probe needs a task whose distribution it can shift; a reordered task is none.
        return
    in_order, in_reverse = (probe(tested, generator(0, "laws")) for tested in (subject, reordered))
    # Sums over a batch in another order differ by rounding; an exact agreement is a rounding error. A fit of several
    # parameters together is a search, which amplifies rounding up to its own tolerance. Arrays may hold the first
    # prompts of a batch, so they are not compared.
    searched = in_order.table["learner"].map(_is_searched).to_numpy()
    _equal_tables(in_order, in_reverse, rtol=np.where(searched, 1e-7, 1e-9), atol=1e-12)


def _is_fitted(learner: object) -> bool:
    return learner in LEARNERS and LEARNERS[str(learner)].free_parameters(2, 3) > 0


def _is_searched(learner: object) -> bool:
    return learner in LEARNERS and LEARNERS[str(learner)].free_parameters(2, 3) > 1


def check_basis_of_heads(row: ProbeRow) -> None:
    """A head's basis changes no number: W_Q R and W_K R^-T, W_V S and S^-1 W_O are the same function."""
    probe, subject = example_probe(row), example_subject(row)
    assert subject.module is not None
    rotated = replace(subject, model=cast("Any", with_rotated_heads(subject.module)))
    original, in_other_basis = (probe(tested, generator(0, "laws")) for tested in (subject, rotated))
    # Two bases multiply out to the same products up to the condition of the rotation, at most 1e3, times 1e-16. Where a
    # loss is least it is flat, so that a search knows a parameter to the root of that, and numbers that are not the
    # loss it minimised move as the parameter does.
    fitted = original.table["learner"].map(_is_fitted).to_numpy()
    _equal(original, in_other_basis, rtol=np.where(fitted, 1e-6, 1e-8), atol=1e-10)


def with_rotated_heads(model: nn.Module) -> nn.Module:
    """A copy of a model with every head in another basis of queries and keys, and of values."""
    rotated = copy.deepcopy(model)
    assert isinstance(rotated, HookedTransformer)
    draws = generator(0, "laws/basis")
    for attention in (block.attn for block in rotated.blocks):
        width = attention.W_Q.shape[-1]
        draw = torch.randn(2, width, width, generator=draws, dtype=attention.W_Q.dtype)
        R, S = draw + 3 * width**0.5 * torch.eye(width, dtype=attention.W_Q.dtype)
        with torch.no_grad():
            attention.W_Q.copy_(attention.W_Q @ R)
            attention.W_K.copy_(attention.W_K @ torch.linalg.inv(R).T)
            attention.W_V.copy_(attention.W_V @ S)
            attention.W_O.copy_(torch.linalg.inv(S) @ attention.W_O)
    return rotated


def _equal(first: Reading, other: Reading, rtol: float | np.ndarray, atol: float) -> None:
    _equal_tables(first, other, rtol, atol)
    assert first.arrays.keys() == other.arrays.keys()
    for key, array in first.arrays.items():
        np.testing.assert_allclose(array, other.arrays[key], rtol=float(np.min(rtol)), atol=10 * atol, err_msg=str(key))


def _equal_tables(first: Reading, other: Reading, rtol: float | np.ndarray, atol: float) -> None:
    assert len(first.table) == len(other.table)
    labels = [column for column in first.table.columns if column != "value"]
    assert first.table[labels].equals(other.table[labels])
    values, other_values = (reading.table["value"].to_numpy() for reading in (first, other))
    close = np.isclose(values, other_values, rtol=rtol, atol=atol, equal_nan=True)
    assert close.all(), f"{first.table[~close]}\nis now {other_values[~close]}"


def check_control(name: str, row: ControlRow, subject: Subject) -> None:
    """A control is stamped and answers prompts, or says in one line why there is none; the subject stays as it is."""
    prompt = subject.prompts(4, generator(0, "laws"))
    before = cast("Any", subject).predict(prompt)
    with _states_kept():
        control = row(subject)
    if isinstance(control, str):
        assert control and "\n" not in control
    else:
        assert control.control == name
        assert (control.run, control.seed, control.kind) == (subject.run, subject.seed, subject.kind)
        answers = cast("Any", control).predict(control.prompts(4, generator(0, "laws")))
        assert answers.shape == before.shape and answers.isfinite().all()
    assert torch.equal(cast("Any", subject).predict(prompt), before)
