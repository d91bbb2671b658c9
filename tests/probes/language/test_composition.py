"""The induction head reads the previous-token head through its keys alone; random heads compose at chance."""

from typing import Any

import numpy as np
import pytest
import torch

from mesa import generator
from probes import Composition, LanguageSubject
from tests.helpers.token_subjects import CHAIN, induction, pair_step, untrained

PROBE = Composition()


def arrays(subject: LanguageSubject) -> dict[str, np.ndarray]:
    return PROBE(subject, generator(0, "tests/composition")).named_arrays()


@pytest.mark.parametrize("subject", [induction(), pair_step()], ids=["induction", "pair step"])
def test_the_constructed_heads_compose_through_keys(subject):
    compositions = arrays(subject)
    assert compositions["k"][0, 0, 1, 0] > 0.1
    assert max(compositions["q"][0, 0, 1, 0], compositions["v"][0, 0, 1, 0]) < 1e-12
    # Every symbol but the first token matches itself; that one is its own eigenvector too.
    assert compositions["qk_trace"][0, 0, 1, 0] == pytest.approx(1, abs=1e-9)
    # Zero heads have nothing to compose.
    assert np.isnan(compositions["k"][0, 1, 1, 0]) and compositions["qk_trace"][0, 1, 1, 0] == 0


def test_without_the_previous_token_head_nothing_is_read():
    subject = induction()
    model: Any = subject.model
    attn = model.blocks[0].attn
    with torch.no_grad():
        attn.W_O.copy_(attn.W_O.roll(7, dims=-1))
    assert arrays(subject)["qk_trace"][0, 0, 1, 0] < 0.5


def test_untrained_heads_compose_at_chance():
    compositions = arrays(untrained())
    for name in ("q", "k", "v"):
        # About 1/sqrt(d_model) = 0.18 for weights of 32 channels.
        assert np.nanmin(compositions[name]) > 0.1 and np.nanmax(compositions[name]) < 0.3
    assert abs(np.nanmean(compositions["qk_trace"])) < 0.2


@pytest.mark.parametrize("norm", [None, "LN"])
def test_scores_and_traces_are_those_of_the_whole_matrices(norm):
    subject = untrained(CHAIN, n_layers=3, n_heads=2, normalization=norm)
    model: Any = subject.model
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".w"):
                weight.copy_(1 + 0.3 * torch.randn(weight.shape, generator=generator(0, name), dtype=weight.dtype))
    compositions = arrays(subject)

    def read(weight: torch.Tensor, layer: int) -> torch.Tensor:
        if norm is None:
            return weight
        weight = model.blocks[layer].ln1.w[:, None] * weight
        return weight - weight.mean(dim=0)

    for layer in range(3):
        for later in range(3):
            for h in range(2):
                for g in range(2):
                    cells = {name: compositions[name][layer, h, later, g] for name in compositions}
                    if later <= layer:
                        assert all(np.isnan(value) for value in cells.values())
                        continue
                    OV, OV2 = (read(model.W_V[at, i], at) @ model.W_O[at, i] for at, i in ((layer, h), (later, g)))
                    QK = read(model.W_Q[later, g], later) @ read(model.W_K[later, g], later).mT
                    for name, right in (("q", QK), ("k", QK.mT), ("v", OV2)):
                        wanted = (OV @ right).norm() / OV.norm() / right.norm()
                        assert cells[name] == pytest.approx(float(wanted.detach()), rel=1e-9)
                    query, key = (read(getattr(model, name)[later, g], later) for name in ("W_Q", "W_K"))
                    moved = read(model.W_V[layer, h], layer) @ model.W_O[layer, h]
                    T = model.W_E @ query @ key.mT @ moved.mT @ model.W_E.mT
                    values = torch.linalg.eigvals(T.detach())
                    wanted = float(values.sum().real / values.abs().sum())
                    assert cells["qk_trace"] == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("norm", ["LN", "RMS"])
def test_the_gains_of_the_norms_count_in_every_score(norm: str) -> None:
    subject = untrained(CHAIN, n_heads=2, normalization=norm)
    model: Any = subject.model
    plain = arrays(subject)
    with torch.no_grad():
        model.blocks[1].ln1.w.copy_(torch.linspace(0.1, 3.0, len(model.blocks[1].ln1.w)))
    scaled = arrays(subject)
    for name in ("q", "k", "v", "qk_trace"):
        assert np.nanmax(np.abs(scaled[name] - plain[name])) > 1e-2, name


def test_without_a_norm_the_scores_are_the_librarys() -> None:
    subject = untrained(CHAIN, n_layers=3)
    model: Any = subject.model
    scores = arrays(subject)
    for name in ("q", "k", "v"):
        wanted = model.all_composition_scores(name.upper()).detach().numpy()
        np.testing.assert_array_equal(np.nan_to_num(scores[name]), wanted)


def test_rows_name_both_heads_and_the_input():
    table = PROBE(untrained(), generator(0, "tests/rows")).table
    assert len(table) == 4 * 4 * 4
    assert set(zip(table["metric"], table["to_input"], strict=True)) == {
        ("composition", "q"),
        ("composition", "k"),
        ("composition", "v"),
        ("qk_trace", "k"),
    }
    assert (table["to_layer"] > table["layer"]).all()


def test_one_layer_has_nothing_to_compose_with():
    assert PROBE.applies(untrained(n_layers=1)) == "one layer has no later one to compose with"
    assert PROBE.applies(untrained()) is None
