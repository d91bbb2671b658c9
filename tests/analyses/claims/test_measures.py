"""Numbers made of several rows: rises and falls, places between two learners, learners of several steps."""

import math

import pandas as pd
import pytest

from analyses.claims.measures.regression import (
    cosine_lead,
    distance_ratio,
    identity,
    interpolated_gap,
    log_distance,
    log_position,
    nearest_ratio,
    shift_distance,
    shift_log_ratio,
    shift_ratio,
)
from analyses.claims.tables import losses
from analyses.evidence import Evidence
from analyses.experiments.curvature.analysis import CurvatureByContext
from analyses.experiments.curvature.measures import PUBLISHED, RUNS
from analyses.experiments.one_step.claims import rollout_log_ratio
from analyses.experiments.two_step.rise_and_fall import rise_and_fall_rows, rise_or_fall
from probes.readings.reading import Reading


def table(*rows: dict) -> pd.DataFrame:
    return Reading.of({"run": "a", "seed": 0, "step": 1, "control": "none", **row} for row in rows).table


def evidence(rows: pd.DataFrame) -> Evidence:
    return Evidence({}, rows, {}, pd.DataFrame())


def over_training(values: list[float]) -> pd.DataFrame:
    aligned = {"probe": "gd_alignment", "metric": "sensitivity_cosine", "learner": "gd"}
    rows = []
    for step, value in enumerate(values):
        # The first step of the learner is no part of the question, nor is what is decoded after a layer.
        rows += [{**aligned, "step": step, "learner_step": 1, "value": 5.0 - step}]
        rows += [{**aligned, "step": step, "learner_step": 2, "value": value}]
        rows += [{**aligned, "step": step, "learner_step": 2, "layer": 1, "value": 7.0}]
    return table(*rows[::-1])


@pytest.mark.parametrize(
    ("values", "rise", "fall"), [([0.0, 1.0, 0.6], 1.0, 0.4), ([0.0, 0.5, 0.9], 0.9, 0.0), ([0.9, 0.5], 0.0, 0.4)]
)
def test_a_turn_is_the_peak_above_both_ends(values: list[float], rise: float, fall: float) -> None:
    rows = rise_and_fall_rows(evidence(over_training(values)), "sensitivity_cosine", "gd")
    assert rise_or_fall("rise")(rows) == pytest.approx(rise)
    assert rise_or_fall("fall")(rows) == pytest.approx(fall)


def test_a_loss_has_a_place_between_two_learners() -> None:
    def aligned(loss: float) -> pd.DataFrame:
        learners = [("far", 0.8), ("near", 0.05)]
        rows = [
            {"metric": "learner_loss", "learner": name, "learner_step": step, "value": value * (3 - step)}
            for name, value in learners
            for step in (1, 2)
        ]
        return table(*({"probe": "gd_alignment", **row} for row in [*rows, {"metric": "loss", "value": loss}]))

    for loss, place in ((0.05, 0.0), (0.2, 0.5), (0.8, 1.0)):
        assert log_position("near", "far")(aligned(loss)) == pytest.approx(place)


def test_cosines_are_compared_at_last_steps() -> None:
    cosine = {"probe": "gd_alignment", "metric": "sensitivity_cosine"}
    rows = table(
        {**cosine, "learner": "gd_plus_plus", "learner_step": 1, "value": 0.1},
        {**cosine, "learner": "gd_plus_plus", "learner_step": 2, "value": 0.9},
        {**cosine, "learner": "gd", "learner_step": 2, "value": 0.7},
    )
    assert cosine_lead("gd_plus_plus", "gd")(rows) == pytest.approx(0.2)


def test_shifted_losses_are_those_of_the_last_step() -> None:
    shift = {"probe": "out_of_distribution", "condition": "noisy_labels", "condition_value": 10.0}
    rows = table(
        {**shift, "metric": "loss", "value": 3.0},
        {**shift, "metric": "learner_loss", "learner": "gd", "learner_step": 2, "value": 2.0},
        {**shift, "metric": "learner_loss", "learner": "gd", "learner_step": 1, "value": 9.0},
        {**shift, "metric": "learner_loss", "learner": "zero", "value": 4.0},
    )
    assert losses(rows, "out_of_distribution", "condition_value")["gd"].tolist() == [2.0]
    assert shift_ratio("noisy_labels", 10.0, "gd")(rows) == pytest.approx(1.5)
    assert math.isnan(shift_ratio("noisy_labels", 3.0, "gd")(rows))


def shifted_rows(model: float, gd: float, distance: float) -> pd.DataFrame:
    """Scale 1, where model and learner agree, and scale 2, where predicting zero has a loss of 4."""
    rows = []
    for scale, losses_there, away in ((1.0, (0.2, 0.2), 0.0), (2.0, (model, gd), distance)):
        shift = {"probe": "out_of_distribution", "condition": "input_scale", "condition_value": scale}
        learner = {**shift, "learner": "gd", "learner_step": 1}
        rows += [
            {**shift, "metric": "loss", "value": losses_there[0]},
            {**learner, "metric": "learner_loss", "value": losses_there[1]},
            {**learner, "metric": "relative_distance", "value": away},
            {**shift, "metric": "learner_loss", "learner": "zero", "value": 4.0},
        ]
    return table(*rows)


def test_a_condition_counts_where_the_learner_does_worse_than_predicting_zero() -> None:
    shifts = ("input_scale",)
    # The model predicts zero where gradient descent diverges: it does not fail as gradient descent fails.
    rows = shifted_rows(model=4.0, gd=20.0, distance=1.0)
    assert shift_distance(shifts)(rows) == pytest.approx(1.0)
    assert shift_log_ratio(shifts)(rows) == pytest.approx(math.log(5.0))
    same = shifted_rows(model=20.0, gd=20.0, distance=0.0)
    assert shift_distance(shifts)(same) == 0.0 and shift_log_ratio(shifts)(same) == 0.0


def test_a_shifted_number_that_is_not_defined_is_not_a_large_one() -> None:
    rows = shifted_rows(model=math.nan, gd=20.0, distance=math.nan)
    assert math.isnan(shift_distance(("input_scale",))(rows)) and math.isnan(shift_log_ratio(("input_scale",))(rows))
    assert math.isnan(shift_distance(("noisy_labels",))(rows))


def test_a_roll_out_is_judged_at_every_damping() -> None:
    rows = []
    for damping, model_loss in ((0.75, 0.1), (0.875, 0.1), (1.0, 0.4)):
        where = {"probe": "rollout", "damping": damping, "applications": 9}
        rows += [{**where, "metric": "loss", "value": model_loss}]
        rows += [{**where, "metric": "learner_loss", "learner": "gd", "learner_step": 9, "value": 0.1}]
    rows = table(*rows)
    assert rollout_log_ratio(0.75)(rows) == 0.0
    assert rollout_log_ratio(0.875, 1.0)(rows) == pytest.approx(math.log(4.0))
    assert math.isnan(rollout_log_ratio(0.75)(table({"probe": "interpolation", "metric": "loss", "value": 1.0})))


def test_the_averaged_weights_are_measured_against_the_construction() -> None:
    values = {"interpolated_loss": 0.22, "loss": 0.5, "learner_loss": 0.2}
    rows = table(*({"probe": "interpolation", "metric": name, "value": value} for name, value in values.items()))
    assert interpolated_gap(rows) == pytest.approx(0.1)


def curved(gammas: dict[int, float], control: str = "none") -> pd.DataFrame:
    rows = []
    for count, gamma in gammas.items():
        where = {"probe": "curvature", "layer": 0, "run": RUNS[count], "control": control}
        rows += [{**where, "metric": "gamma", "source": source, "value": gamma} for source in ("residual", "weights")]
        numbers = {
            "r_squared": 0.99,
            "spectrum_distance": 0.01,
            "condition_number_before": 10.0,
            "condition_number_after": 4.0,
        }
        rows += [{**where, "source": "residual", "metric": name, "value": value} for name, value in numbers.items()]
    return table(*rows)


def met(gammas: dict[int, float]) -> dict[str, bool]:
    rows = pd.concat([curved(gammas), curved(dict(PUBLISHED), "constructed")], ignore_index=True)
    compared_rows = CurvatureByContext().compared(evidence(rows))
    mine = compared_rows[compared_rows["control"] == "none"]
    return {
        claim.id: all(measure.met(measure.of(mine)) for measure in claim.measures)
        for claim in CurvatureByContext().claims()
        # The claim on three tied layers is not about the lengths of contexts.
        if claim.subject.run in RUNS.values()
    }


def test_the_published_gammas_meet_every_rule_and_others_do_not() -> None:
    assert all(met(dict(PUBLISHED)).values())
    off = met({**PUBLISHED, 50: 0.066})
    assert not off["published"] and not off["tuned"] and off["falls"]
    flat = met(dict.fromkeys(PUBLISHED, 0.1))
    assert not flat["falls"] and not flat["published"]
    for nothing in (0.0, -0.1, math.nan):
        none = met(dict.fromkeys(PUBLISHED, nothing))
        assert not (none["falls"] or none["published"] or none["tuned"])


def test_the_distance_to_the_nearest_rival_is_over_all_its_steps() -> None:
    def distance(learner: str, step: int, value: float, **where: int) -> dict:
        of_learner = {"probe": "gd_alignment", "metric": "relative_distance", "learner": learner}
        return {**of_learner, "learner_step": step, "value": value, **where}

    rows = table(
        distance("gd_plus_plus", 1, 0.9),
        distance("gd_plus_plus", 2, 0.1),
        distance("newton", 1, 0.8),
        distance("newton", 2, 0.4),
        distance("newton", 3, 0.5),
        distance("newton", 1, 0.01, layer=0),
        distance("ridge", 1, 0.6),
    )
    ratio = distance_ratio("gd_plus_plus", ("newton", "ridge"))
    assert ratio(rows) == pytest.approx(0.1 / 0.4)
    assert math.isnan(distance_ratio("gd_plus_plus", ("newton", "conjugate_gradients"))(rows))
    # Of several learners the nearest counts, after its nearest step.
    rows = pd.concat([rows, table(distance("fewer", 1, 0.05), distance("fewer", 2, 0.7))], ignore_index=True)
    either = nearest_ratio(("gd_plus_plus", "fewer"), ("newton", "ridge"))
    assert either(rows) == pytest.approx(0.05 / 0.4)
    assert math.isnan(nearest_ratio(("gd_plus_plus", "other"), ("newton", "ridge"))(rows))
    rows.loc[rows["learner"] == "ridge", "value"] = 0.0
    assert ratio(rows) == math.inf == either(rows)


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        ([("identified", "gd_plus_plus", 2)], 0.98),
        ([("identified_either", "gd_plus_plus", 2), ("identified_either", "gd", 2)], 0.98),
        ([("identified_either", "gd", 2), ("identified_either", "gd_plus_plus", 2)], 0.0),
        ([("identified_in_distribution", "gd_plus_plus", 2)], 0.0),
        ([("identified", "gd_plus_plus", 3)], 0.0),
        ([("identified", "none", None)], 0.0),
    ],
)
def test_an_identity_is_the_share_of_resamples_that_give_exactly_it(
    answers: list[tuple[str, str, int | None]], share: float
) -> None:
    rows = [
        {"probe": "identify", "metric": metric, "learner": learner, "learner_step": steps, "value": 0.01}
        for metric, learner, steps in answers
    ]
    certainty = {"probe": "identify", "metric": "certainty", "learner": answers[0][1], "value": 0.98}
    assert identity("gd_plus_plus", 2)(table(*rows, certainty)) == share
    assert math.isnan(identity("gd_plus_plus", 2)(table({"probe": "other", "metric": "loss", "value": 1.0})))


def test_a_loss_far_below_the_learners_is_no_match() -> None:
    losses_of = {"gd_plus_plus": 1.0, "gd": 4.0}
    rows = [
        {"probe": "gd_alignment", "metric": "learner_loss", "learner": name, "learner_step": 1, "value": value}
        for name, value in losses_of.items()
    ]
    for model, expected in ((2.0, 0.5), (0.5, 0.5), (1.0, 0.0)):
        of_model = table({"probe": "gd_alignment", "metric": "loss", "value": model}, *rows)
        assert log_distance("gd_plus_plus", "gd")(of_model) == pytest.approx(expected)
