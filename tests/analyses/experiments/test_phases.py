"""Phases and orders on planted curves: what was put in comes out, and flat curves have neither."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyses.claims.measures.language import best_head, head_score, token_gap
from analyses.evidence import Evidence
from analyses.experiments.induction.measures import order_rows
from analyses.experiments.markov.measures import phase_rows
from probes.readings.reading import Reading

STEPS = [0, 10, 20, 40, 80, 160, 320, 640, 1280]


def evidence(rows: list[dict[str, Any]]) -> Evidence:
    return Evidence({}, Reading.of(rows).table, {}, pd.DataFrame())


def kl(nearest: dict[int, str]) -> list[dict[str, Any]]:
    """At each step one predictor is at distance .1 and the others at 1."""
    place = {"run": "r", "seed": 0, "control": "none", "probe": "token_alignment", "metric": "kl"}
    return [
        {**place, "step": step, "learner": name, "value": 0.1 if name == near else 1.0}
        for step, near in nearest.items()
        for name in ("uniform", "unigram", "bigram")
    ]


def phases(nearest: dict[int, str]) -> dict[str, float]:
    table = phase_rows(evidence(kl(nearest)))
    return dict(zip(table["metric"], table["value"], strict=True))


def test_phases_begin_where_they_were_planted():
    phase_steps = phases({0: "uniform", 10: "uniform", 20: "unigram", 40: "unigram", 80: "bigram", 160: "bigram"})
    assert phase_steps == {"unigram": 20, "bigram": 80, "ratio": 4}


def test_without_a_uniform_phase_there_is_no_order():
    assert phases({0: "unigram", 10: "unigram", 20: "bigram"})["ratio"] == -math.inf
    assert phases({0: "uniform", 10: "bigram", 20: "unigram", 40: "bigram"})["ratio"] == -math.inf


@pytest.mark.parametrize(
    "nearest",
    [
        {0: "uniform", 10: "uniform", 20: "uniform"},
        {0: "uniform", 10: "unigram", 20: "unigram"},
        {0: "uniform", 10: "bigram", 20: "unigram"},
        {0: "uniform", 10: "bigram", 20: "bigram"},
    ],
    ids=["never leaves uniform", "never reaches bigram", "in the other order", "skips unigram"],
)
def test_phases_in_another_order_break_the_rule(nearest):
    assert phases(nearest)["ratio"] == -math.inf
    assert phases({0: "uniform", 10: "uniform"})["unigram"] == math.inf


def test_without_training_there_is_no_order():
    assert math.isnan(phases({0: "bigram"})["ratio"])


def scores(previous: int, prefix: int, context: int) -> list[dict[str, Any]]:
    """Two heads a layer, of which the second rises at a step; the loss falls at one."""
    place = {"run": "r", "seed": 0, "control": "none", "probe": "induction_scores"}
    rows = []
    for step in STEPS:
        for (metric, layer), at in zip(
            (("previous_token", 0), ("prefix_matching", 1)), (previous, prefix), strict=True
        ):
            high = float(step > at)
            head = {**place, "metric": metric, "layer": layer, "step": step}
            rows += [{**head, "head": 0, "value": 0.1 * high}, {**head, "head": 1, "value": high}]
        score = {"metric": "loss", "prompts": "task", "step": step}
        rows.append({**place, **score, "value": -2.0 * (step > context)})
    return rows


def orders(previous: int, prefix: int, context: int, control: str = "none") -> dict[str, float]:
    table = order_rows(evidence(scores(previous, prefix, context)))
    rows = table[(table["metric"] == "order") & (table["control"] == control)]
    return dict(zip(rows["series"] + " before " + rows["before"], rows["value"], strict=True))


def test_the_order_of_planted_steps_is_found():
    order_by_pair = orders(previous=40, prefix=160, context=160)
    assert order_by_pair["previous_token before prefix_matching"] == pytest.approx(math.log(4))
    assert order_by_pair["loss before prefix_matching"] == pytest.approx(0)
    # The control: the previous token's rise in the place of prefix matching.
    assert orders(40, 160, 160, "previous_token")["loss before prefix_matching"] == pytest.approx(-math.log(4))
    assert orders(160, 40, 40)["previous_token before prefix_matching"] == pytest.approx(-math.log(4))


def test_what_does_not_change_has_no_order():
    assert all(math.isnan(value) for value in orders(10**6, 10**6, 10**6).values())


def test_the_best_head_of_a_layer_is_scored():
    table = Reading.of([row for row in scores(40, 160, 160) if row["step"] == 1280]).table
    assert best_head("prefix_matching", 1)(table) == 1.0
    assert math.isnan(best_head("prefix_matching", 0)(table))
    more = [
        {"probe": "induction_scores", "metric": "copied_share", "layer": 1, "head": h, "value": v}
        for h, v in ((0, 0.9), (1, 0.2))
    ]
    both = pd.concat([table, Reading.of(more).table])
    # Head 1 matches prefixes best: its copying counts, not the layer's largest.
    assert head_score("copied_share", "prefix_matching", 1)(both) == 0.2


def test_the_share_of_a_gap():
    place = {"probe": "token_alignment"}
    rows = [{**place, "metric": "loss", "value": 1.1}]
    rows += [
        {**place, "metric": "learner_loss", "learner": name, "value": value}
        for name, value in (("uniform", 1.4), ("unigram", 1.3), ("best", 1.0))
    ]
    table = Reading.of(rows).table
    np.testing.assert_allclose(token_gap("uniform", "best")(table), 0.75)
    np.testing.assert_allclose(token_gap("unigram", "best")(table), 2 / 3)
    assert math.isnan(token_gap("bigram", "best")(table))
