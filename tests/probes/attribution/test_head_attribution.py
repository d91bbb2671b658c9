"""Planted circuits among decoys: attribution finds what is there and only that."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mesa import generator
from probes import HeadAttribution, Reading, Subject
from probes.attribution.roles import ranked
from tests.helpers.planted_heads import copying, induction, regression

# Decoys write little where it is read: what remains without one of them is 1 within this.
DECOY = 0.03


def ask(subject: Subject, prompts: int = 200, **settings: Any) -> Reading:
    probe = HeadAttribution(prompts=prompts, **settings)
    assert probe.applies(subject) is None
    return probe(subject, generator(0, "tests/probe"))


def value(table: pd.DataFrame, **where: Any) -> float:
    for name, wanted in where.items():
        table = table[table[name] == wanted]
    assert len(table) == 1, f"{len(table)} rows for {where}"
    return float(table["value"].iloc[0])


def roles(reading: Reading) -> dict[tuple[int, int], str]:
    heads = ranked(reading.table)
    return {(row.layer, row.head): row.role for row in heads.itertuples() if row.role != "none"}  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("layers", [1, 2])
def test_one_head_among_decoys_is_found_and_nothing_else(layers: int) -> None:
    measured = ask(regression({2: 0.6}, layers=layers), prompts=600)
    assert roles(measured) == {(0, 2): "carries"}
    planted = np.zeros((layers, 4))
    planted[0, 2] = 1.0
    np.testing.assert_allclose(measured.array("direct"), planted, atol=DECOY)
    np.testing.assert_array_equal(measured.array("circuit"), planted)
    np.testing.assert_allclose(measured.array("ablated_resampled"), 1 - planted, atol=DECOY)
    for condition in ("zero", "mean"):
        # Without the head the prediction is zero, and so not what it is on corrupted prompts, which is zero on average
        # with a standard error of 0.04 here: 1/sqrt(600).
        np.testing.assert_allclose(measured.array(f"ablated_{condition}"), 1 - planted, atol=DECOY + 0.12)
    assert value(measured.table, metric="faithfulness") == pytest.approx(1, abs=DECOY)
    assert abs(value(measured.table, metric="completeness")) < 0.12 + DECOY
    if layers == 2:
        assert np.nanmax(np.abs(measured.array("path"))) < DECOY


def test_decoys_alone_carry_nothing() -> None:
    """The opposite answer: without the planted head there is no behaviour, and no head is blamed for it."""
    measured = ask(regression({}, decoys=0.0))
    assert value(measured.table, metric="clean") == 0
    # Where there is no behaviour, a head has not even the role of having none.
    assert set(roles(measured).values()) == {"-"}
    assert np.isnan(measured.array("circuit")).all() and np.isnan(measured.array("ablated_mean")).all()


def test_a_redundant_pair_shows_as_a_pair() -> None:
    measured = ask(copying({1: 20.0, 3: 20.0}), readout="probability")
    pairs = measured.table[measured.table["metric"] == "pair"]
    both = value(pairs, head=1, to_head=3)
    # One of twelve symbols is guessed by chance, and corrupted prompts agree by chance as often.
    assert both == pytest.approx(0, abs=0.1)
    others = pairs[(pairs["head"] != 1) | (pairs["to_head"] != 3)]
    np.testing.assert_allclose(others["value"], 1, atol=1e-3)
    for condition in ("zero", "mean"):
        np.testing.assert_allclose(measured.array(f"ablated_{condition}"), 1, atol=1e-3)
    assert roles(measured) == {}
    # Another prompt's write of the same size says something else: each alone then halves the probability.
    np.testing.assert_allclose(measured.array("ablated_resampled")[0, [1, 3]], 0.5, atol=0.05)
    # One of the two is enough, and the circuit is not complete: the other one is left.
    assert measured.array("circuit").sum() == 1 and measured.array("circuit")[0, [1, 3]].sum() == 1
    assert value(measured.table, metric="faithfulness") == pytest.approx(1, abs=1e-3)
    assert value(measured.table, metric="completeness") == pytest.approx(1, abs=1e-3)


def test_a_difference_of_logits_does_not_saturate_and_shows_the_pair_alone() -> None:
    measured = ask(copying({1: 20.0, 3: 20.0}))
    np.testing.assert_allclose(measured.array("ablated_mean")[0, [1, 3]], 0.5, atol=0.05)
    assert roles(measured) == {(0, 1): "carries", (0, 3): "carries"}
    assert measured.array("circuit")[0].tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "subject", [copying({1: 3.0, 3: -1.0}), regression({1: 0.6, 3: -0.2})], ids=["next_token", "regression"]
)
def test_a_head_that_counteracts_is_named(subject: Subject) -> None:
    measured = ask(subject, prompts=600)
    assert roles(measured) == {(0, 1): "carries", (0, 3): "counteracts"}
    assert measured.array("direct")[0, [1, 3]] == pytest.approx([1.5, -0.5], abs=DECOY)
    assert measured.array("ablated_resampled")[0, [1, 3]] == pytest.approx([-0.5, 1.5], abs=DECOY)
    # Without what works against it there would be more than the behaviour: it belongs to what is done.
    assert np.argwhere(measured.array("circuit") == 1).tolist() == [[0, 1], [0, 3]]
    assert value(measured.table, metric="faithfulness") == pytest.approx(1, abs=0.1)


def test_a_previous_token_head_reaches_the_induction_head_through_its_keys() -> None:
    measured = ask(induction({2: 10.0}), prompts=150)
    assert roles(measured) == {(0, 1): "carries", (1, 2): "carries"}
    paths = measured.table[(measured.table["metric"] == "path") & (measured.table["to_input"] != "resid")]
    planted = (paths["head"] == 1) & (paths["to_head"] == 2) & (paths["to_input"] == "k")
    assert paths["value"][planted].item() > 0.5
    # The only path that matters: what the head loses through it is all that it loses.
    lost = 1 - measured.array("ablated_resampled")[0, 1]
    assert paths["value"][planted].item() == pytest.approx(lost, abs=DECOY)
    assert paths["value"][~planted].abs().max() < DECOY
    # So do all heads of the first layer together, and they lose nothing through queries or values.
    joint = measured.array("joint_path")
    assert joint[1] == pytest.approx([0, lost, 0], abs=DECOY) and np.isnan(joint[0]).all()
    assert value(measured.table, metric="joint_path", to_input="k", to_layer=1) == joint[1, 1]
    # It writes nothing that is read, and with the patterns held it is not needed.
    assert measured.array("direct") == pytest.approx(np.array([[0, 0, 0], [0, 0, 1]]), abs=DECOY)
    assert measured.array("held_mean")[0, 1] == pytest.approx(1, abs=DECOY)
    assert measured.array("ablated_mean")[0, 1] < 0.5
    assert measured.array("circuit").tolist() == [[0, 1, 0], [0, 0, 1]]
    assert value(measured.table, metric="faithfulness") == pytest.approx(1, abs=DECOY)
    assert value(measured.table, metric="completeness") == pytest.approx(0, abs=0.1)


def test_the_path_to_the_output_is_the_direct_write() -> None:
    table = ask(regression({2: 0.6}, layers=2)).table
    output = table[table["to_input"] == "resid"].set_index(["layer", "head"])["value"]
    direct = table[table["metric"] == "direct"].set_index(["layer", "head"])["value"]
    pd.testing.assert_series_equal(output, direct)


def test_a_loss_is_attributed_too() -> None:
    measured = ask(regression({2: 0.6}), prompts=600, readout="loss")
    assert value(measured.table, metric="clean") < value(measured.table, metric="corrupted")
    assert roles(measured) == {(0, 2): "carries"}


def test_settings_that_make_no_sense_are_refused() -> None:
    for settings, name in (
        ({"prompts": 2}, "prompts"),
        ({"share": 0.0}, "share"),
        ({"ablations": ("none",)}, "ablation"),
        ({"readout": "logits"}, "readout"),
    ):
        with pytest.raises(ValueError, match=name):
            HeadAttribution(**settings)  # pyright: ignore[reportArgumentType]
    reason = HeadAttribution(readout="probability").applies(regression({2: 0.6}))
    assert reason == "the read-out probability is not for models of regression"
    with pytest.raises(ValueError, match="no rows"):
        ranked(Reading.of([]).table)
