"""Claims about language models, copying and attribution: their near misses, and what breaks their rules."""

import math

import pandas as pd
import pytest

from analyses.claims.analysis import Size
from analyses.claims.measures.attribution import joint_share, key_lead
from analyses.claims.outcome import apply
from analyses.evidence import Evidence
from analyses.experiments.copying.measures import formation_rows, order
from analyses.experiments.induction.claims import CLAIMS, REPEATED
from analyses.registry import ANALYSES
from probes.readings.reading import Reading

NAMES = ("induction", "induction-step", "attribution", "copying", "markov")
# What takes the data or the training away leaves nothing that is near.
FAR = {"untrained", "shuffled_tokens", "shuffled_labels"}


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_has_a_near_miss_that_is_trained_or_constructed(name: str) -> None:
    analysis = ANALYSES[name].analysis()
    runs = analysis.runs(Size())
    for claim in analysis.claims():
        assert claim.near_miss, claim.id
        for source in claim.near_miss.values():
            assert source.control not in FAR and source.run in runs, claim.id


def attributed(**lost: float) -> pd.DataFrame:
    place = {"run": REPEATED, "seed": 0, "control": "none", "probe": "head_attribution", "to_layer": 1}
    joint = [{**place, "metric": "joint_path", "to_input": name, "value": value} for name, value in lost.items()]
    # Single paths, which are not additive, and do not count.
    single = [{**place, "metric": "path", "layer": 0, "head": h, "to_input": "v", "value": 0.9} for h in (0, 1)]
    return Reading.of([*joint, *single]).table


def test_paths_through_keys_are_taken_all_at_once() -> None:
    rows = attributed(q=0.1, k=0.7, v=-0.2)
    assert key_lead(rows) == pytest.approx(0.6) and joint_share("k")(rows) == 0.7
    assert math.isnan(key_lead(rows.iloc[:0]))


def test_a_model_without_induction_heads_has_none_that_come_late() -> None:
    """Its previous-token score rises, and its prefix matching does so much later, to a tenth."""
    (claim,) = (claim for claim in CLAIMS if claim.id == "previous-first")
    place = {"run": REPEATED, "seed": 0, "control": "none", "step": 100}
    order_row = {"probe": "formation", "metric": "order", "series": "previous_token", "before": "prefix_matching"}
    for last, met in ((0.9, True), (0.1, False)):
        rows = [{**place, **order_row, "share": 0.5, "value": 1.0}]
        rows.append({**place, "probe": "best_head", "metric": "prefix_matching", "value": last})
        assert apply(claim, Reading.of(rows).table, claim.subject).met == {0: met}


def test_keys_that_match_what_is_no_previous_token_head_are_not_composed() -> None:
    """The head with the largest trace counts only where it is the one that attends to the token before."""
    (claim,) = (claim for claim in CLAIMS if claim.id == "composed")
    place = {"run": REPEATED, "seed": 0, "control": "none", "step": 100, "layer": 0}
    cases = [((0.1, 0.6), True), ((0.6, 0.1), False), ((0.05, 0.08), False)]
    for previous, met in cases:
        rows = [
            {**place, "probe": "induction_scores", "metric": "previous_token", "head": head, "value": value}
            for head, value in enumerate(previous)
        ]
        rows += [
            {
                **place,
                "probe": "composition",
                "metric": "qk_trace",
                "head": head,
                "to_layer": 1,
                "to_head": to,
                "value": v,
            }
            for head, v in enumerate((0.0, 0.98))
            for to in (0, 1)
        ]
        assert apply(claim, Reading.of(rows).table, claim.subject).met == {0: met}, previous


def test_copying_by_contrast_and_by_size_have_orders_of_their_own() -> None:
    steps = [0, *range(100, 2000, 100)]
    place = {"run": "r", "seed": 0, "control": "none"}

    def rows(probe: str, metric: str, rises_at: int, low: float, high: float, **more: object):
        columns = {**place, "probe": probe, "metric": metric, **more}
        return [{**columns, "step": step, "value": high if step > rises_at else low} for step in steps]

    even: dict[str, object] = {"parity": "even"}
    table = Reading.of(
        [
            *rows("copying_sensitivity", "contrast", 400, 0.0, 0.9, **even),
            *rows("copying_sensitivity", "next", 1200, 0.1, 2.0, **even),
            *rows("copying_sensitivity", "previous_contrast", 0, -0.1, -0.1, **even),
            *rows("copying_sensitivity", "previous", 0, 0.1, 0.1, **even),
            *rows("gd_alignment", "loss", 800, 0.4, 0.2),
            *rows("gd_alignment", "learner_loss", 0, 0.4, 0.4, learner="zero"),
            *rows("gd_alignment", "learner_loss", 0, 0.2, 0.2, learner="gd"),
        ]
    ).table
    measured = formation_rows(Evidence({}, table, {}, pd.DataFrame()))
    of = {control: measured[measured["control"] == control] for control in ("none", "wrong_neighbour")}
    assert order("copying")(of["none"]) > 0.5 and order("size")(of["none"]) < -0.3
    # Nothing of the token before ever forms: it comes infinitely late, and is not undefined.
    assert order("copying")(of["wrong_neighbour"]) == order("size")(of["wrong_neighbour"]) == -math.inf
