"""The positive controls of `fixed-tasks`: numbers that fit a set of prompts best, and a curve that falls late."""

import pandas as pd
import pytest

from analyses.claims.measures.regression import loss_ratio
from analyses.experiments.fixed_tasks.measures import FITTED, FITTED_FRESH, HOW_LATE, delay, late
from mesa import InContextConfig, InContextTransformer, generator
from mesa.learners import GradientDescent
from probes import CONTROLS, GDAlignment, RegressionSubject
from tasks import LinearRegression, PairedReader


def loss_in_units_of_gd(name: str, prompts: int) -> float:
    model = InContextTransformer(InContextConfig(), 11)
    subject = CONTROLS[name](RegressionSubject(model, PairedReader(), LinearRegression(prompts=prompts)))
    assert isinstance(subject, RegressionSubject), subject
    table = GDAlignment(prompts=2000, learners=(GradientDescent(),))(subject, generator(0, "tests/sets")).table
    return loss_ratio("gd")(table.assign(probe="gd_alignment"))


def test_numbers_fitted_to_few_prompts_fit_these_and_fail_on_others() -> None:
    # 100 numbers: about 1 - 100/128 on the prompts themselves.
    assert loss_in_units_of_gd(FITTED, 128) == pytest.approx(0.24, abs=0.05)
    assert loss_in_units_of_gd(FITTED_FRESH, 128) > 3
    # With 64 times as many prompts the two agree.
    assert loss_in_units_of_gd(FITTED_FRESH, 8192) == pytest.approx(loss_in_units_of_gd(FITTED, 8192), rel=0.15)


def test_fresh_prompts_differ_only_where_a_set_is_fixed() -> None:
    subject = RegressionSubject(InContextTransformer(InContextConfig(), 11), PairedReader(), LinearRegression())
    assert CONTROLS[FITTED_FRESH](subject) == "its teachers are fresh already"


def test_a_late_curve_has_its_delay_whatever_the_held_out_loss_does() -> None:
    steps = range(0, 2001, 50)
    falling = [0.1 + 0.3 * 0.5 ** (step / 200) for step in steps]
    curve = pd.DataFrame({"step": steps, "train_loss": [None, *falling[1:]], "held_out_loss": falling})
    curve = curve.astype({"train_loss": float})
    assert delay(curve) == pytest.approx(1.0)
    assert delay(late(curve)) == pytest.approx(HOW_LATE, rel=0.1)
