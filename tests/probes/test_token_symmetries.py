"""What must change nothing for probes of language models: a head's basis, the order of prompts, and probing itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesa import generator
from mesa.models.language import TokenTransformer
from probes import Composition, InductionAsGradientStep, InductionScores, LanguageSubject
from probes.probe import ProbeOf
from tests.helpers.reordered import ReorderedTokens
from tests.helpers.token_subjects import CHAIN, REPEATED, induction, pair_step, rotated_basis, untrained

PROBES = [InductionScores(prompts=12), Composition(), InductionAsGradientStep(prompts=12)]
probes = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
SUBJECTS = {
    "untrained": untrained(),
    "everything": untrained(n_heads=2, d_mlp=8, normalization="LN", final_norm=True, kernel=["softmax", "linear"]),
    "rms": untrained(CHAIN, n_heads=2, normalization="RMS", final_norm=True),
    "induction": induction(),
    "pair step": pair_step(),
}
subjects = pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())


@probes
@subjects
def test_a_heads_basis_changes_nothing(probe: ProbeOf[LanguageSubject], subject: LanguageSubject) -> None:
    first = probe(subject, generator(0, "tests/basis"))
    other = probe(rotated_basis(subject), generator(0, "tests/basis"))
    keys = ["metric", "learner", "scope", "prompts", "ablation", "layer", "head", "position", "to_layer", "to_head"]
    keys.append("to_input")
    assert first.table[keys].equals(other.table[keys])
    # A head that writes nothing but rounding has a scale and an agreement of rounding.
    silent = _silent(probe, first.table) | _silent(probe, other.table)
    # Rotations of condition about 10 leave 1e-13 of scores near 110, which softmax takes to the exponential.
    np.testing.assert_allclose(first.table["value"][~silent], other.table["value"][~silent], rtol=1e-7, atol=1e-7)


def _silent(probe: ProbeOf[LanguageSubject], table: Any) -> Any:
    if probe.name != "induction_as_gradient_step":
        return np.zeros(len(table), dtype=bool)
    norms = table[table["metric"] == "norm"].set_index(["scope", "layer", "head"])["value"]
    return np.array([norms[key] < 1e-9 for key in zip(table["scope"], table["layer"], table["head"], strict=True)])


@probes
@subjects
def test_the_order_of_a_batch_changes_nothing(probe: ProbeOf[LanguageSubject], subject: LanguageSubject) -> None:
    first = probe(subject, generator(0, "tests/order")).table["value"]
    other = probe(replace(subject, task=ReorderedTokens(subject.task)), generator(0, "tests/order")).table["value"]
    # Sums over a batch in another order differ by rounding; an exact agreement is a rounding error.
    np.testing.assert_allclose(first, other, rtol=1e-9, atol=1e-12)


@probes
@pytest.mark.parametrize("training", [True, False])
def test_a_probe_leaves_everything_as_it_was(probe: ProbeOf[LanguageSubject], training: bool) -> None:
    subject = untrained()
    model = subject.model
    assert isinstance(model, TokenTransformer)
    model.train(training)
    seen: list[str | None] = []
    model.blocks[0].hook_resid_post.add_hook(lambda tensor, hook: seen.append(hook.name))
    model.blocks[0].attn.W_Q.grad = torch.ones_like(model.blocks[0].attn.W_Q)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_state = str(np.random.get_state())  # noqa: NPY002
    probe(subject, generator(0, "tests/untouched"))
    assert torch.equal(torch.get_rng_state(), state)
    assert str(np.random.get_state()) == numpy_state  # noqa: NPY002
    assert torch.get_num_threads() == threads
    assert model.training is training
    assert sum(len(point.fwd_hooks) for point in model.hook_dict.values()) == 1
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    assert torch.equal(model.blocks[0].attn.W_Q.grad, torch.ones_like(model.blocks[0].attn.W_Q))
    assert all(weight.requires_grad for name, weight in model.named_parameters() if ".W_" in name)


@probes
def test_the_same_generator_gives_the_same_reading(probe: ProbeOf[LanguageSubject]) -> None:
    first, again = (probe(untrained(REPEATED), generator(3, "tests/pure")).table for _ in range(2))
    assert first.equals(again)
    other = probe(untrained(REPEATED), generator(4, "tests/pure")).table
    assert first.equals(other) is (probe.name == "composition")
