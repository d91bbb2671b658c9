"""Norms, MLPs and untrained heads: a head's basis and the order of prompts change no number of a language probe."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mesa import generator
from probes import Composition, InductionAsGradientStep, InductionScores, LanguageSubject
from probes.probe import ProbeOf
from tests.helpers.reordered import ReorderedTokens
from tests.helpers.token_subjects import CHAIN, induction, pair_step, rotated_basis, untrained

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
def test_another_generator_gives_another_reading_of_all_but_weights(probe: ProbeOf[LanguageSubject]) -> None:
    first, other = (probe(untrained(), generator(seed, "tests/pure")).table for seed in (3, 4))
    assert first.equals(other) is (probe.name == "composition")
