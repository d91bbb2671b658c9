"""Near misses are what they say: near what is claimed, by an amount that is known, and not it."""

import math

import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import from_products, gradient_step_model, softmax_step_model, weight_products
from probes import CONTROLS, Curvature, GDAlignment, HeadSum, RegressionSubject
from probes.controls.near_misses import SMALL
from tasks import LinearRegression, PairedReader, half_squared_error
from tests.helpers.subjects import constructed


def control(name: str, subject: RegressionSubject) -> RegressionSubject:
    made = CONTROLS[name](subject)
    assert isinstance(made, RegressionSubject), made
    return made


def subject_of(model: InContextTransformer) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(), LinearRegression())


def softmax_step() -> RegressionSubject:
    return subject_of(softmax_step_model(0.6, d_in=10, context=10))


def value(table: pd.DataFrame, metric: str, **where: object) -> float:
    rows = table[table["metric"] == metric]
    for column, wanted in where.items():
        rows = rows[rows[column] == wanted]
    return float(rows["value"].iloc[0])


def test_a_gradient_step_on_turned_queries_has_a_cosine_of_one_half() -> None:
    table = GDAlignment(prompts=500)(control("turned_queries", constructed()), generator(0, "tests/turned")).table
    assert value(table, "sensitivity_cosine", learner="gd") == pytest.approx(0.5, abs=1e-6)
    # Learners see the query as it is.
    plain = GDAlignment(prompts=500)(constructed(), generator(0, "tests/turned")).table
    assert value(table, "learner_loss", learner="gd") == value(plain, "learner_loss", learner="gd")


def head_sum(name: str, subject: RegressionSubject) -> pd.DataFrame:
    return HeadSum()(control(name, subject), generator(0, "tests/heads")).table


def test_entries_off_the_diagonal_cancel_or_add_up() -> None:
    shared, skewed = (head_sum(f"constructed_softmax_{kind}", softmax_step()) for kind in ("shared", "skewed"))
    assert value(shared, "off_diagonal_left") == pytest.approx(0, abs=1e-12)
    assert value(shared, "off_diagonal_mass") == pytest.approx(0, abs=1e-12)
    assert value(skewed, "off_diagonal_left") == pytest.approx(1)
    assert value(skewed, "off_diagonal_mass") == pytest.approx(1)
    # Seen one at a time, the heads of the two are alike.
    assert value(shared, "sharpness", head=1) == pytest.approx(value(skewed, "sharpness", head=1))


def test_what_cancels_is_a_gradient_step_and_what_adds_up_is_none() -> None:
    losses = {}
    for kind in ("softmax", "softmax_shared", "softmax_skewed"):
        made = control(f"constructed_{kind}", softmax_step())
        losses[kind] = value(GDAlignment(prompts=3000)(made, generator(0, "tests/heads")).table, "loss")
    assert losses["softmax_shared"] == pytest.approx(losses["softmax"], rel=0.02)
    assert losses["softmax_skewed"] > 1.3 * losses["softmax"]


def test_what_is_left_off_the_diagonal_is_missing_where_there_was_nothing_and_one_for_a_single_head() -> None:
    assert math.isnan(value(head_sum("constructed_softmax", softmax_step()), "off_diagonal_left"))
    single = subject_of(InContextTransformer(InContextConfig(kernel="softmax"), 11, dtype=torch.float64))
    assert value(HeadSum()(single, generator(0, "tests/heads")).table, "off_diagonal_left") == pytest.approx(1)


def test_mismatched_heads_keep_their_norms_and_no_longer_cancel() -> None:
    # Symmetric noise of many entries: a shift of the coordinates makes the two heads' noise unrelated.
    model = softmax_step_model(0.6, d_in=10, context=10)
    A, V = weight_products(model)
    noise = torch.randn(10, 10, generator=generator(0, "tests/noise"), dtype=torch.float64)
    A[:, :, :10, :10] += 0.02 * noise
    subject = subject_of(from_products(model, A, V))
    assert value(HeadSum()(subject, generator(0, "tests/heads")).table, "off_diagonal_left") < 1e-12
    table = head_sum("mismatched_heads", subject)
    # Two unrelated matrices of equal norm: 1 / sqrt 2.
    assert value(table, "off_diagonal_left") == pytest.approx(math.sqrt(0.5), abs=0.12)
    for head in (0, 1):
        plain = HeadSum()(subject, generator(0, "tests/heads")).table
        assert value(table, "sharpness", head=head) == pytest.approx(value(plain, "sharpness", head=head))


@pytest.fixture(scope="module")
def two_tied() -> RegressionSubject:
    model = gradient_step_model(0.35, d_in=10, steps=2, gamma=0.18, tied=True)
    return RegressionSubject(model, PairedReader(), LinearRegression())


def curvature(name: str, subject: RegressionSubject) -> pd.DataFrame:
    return Curvature(prompts=300)(control(name, subject), generator(0, "tests/curvature")).table


def test_gammas_near_tuned_gd_plus_plus(two_tied: RegressionSubject) -> None:
    tuned, small, uneven = (curvature(name, two_tied) for name in ("constructed", *_GAMMAS))
    gamma = value(tuned, "gamma", source="weights")
    assert value(small, "gamma", source="weights") == pytest.approx(SMALL * gamma)
    assert value(small, "r_squared", source="residual") == pytest.approx(1)
    assert value(uneven, "gamma", source="weights") == pytest.approx(gamma)
    assert value(uneven, "r_squared", source="residual") == pytest.approx(0.6, abs=0.03)


_GAMMAS = ("constructed_small_gamma", "constructed_uneven_gamma")


@pytest.mark.parametrize(
    ("name", "subject", "word"),
    [
        ("constructed_small_gamma", constructed(), "single layer"),
        ("constructed_uneven_gamma", softmax_step(), "softmax"),
        ("mismatched_heads", constructed(), "several heads"),
        ("mismatched_heads", subject_of(InContextTransformer(InContextConfig(normalization="LN"), 11)), "norm"),
        (
            "turned_queries",
            RegressionSubject(gradient_step_model(0.6, d_in=1), PairedReader(), LinearRegression(d_in=1)),
            "one entry",
        ),
    ],
)
def test_a_near_miss_that_cannot_be_made_says_why(name: str, subject: RegressionSubject, word: str) -> None:
    reason = CONTROLS[name](subject)
    assert isinstance(reason, str) and word in reason


def test_two_normed_steps_have_the_step_size_of_least_loss() -> None:
    config = InContextConfig(n_layers=2, tied=True, normalization="LN")
    subject = subject_of(InContextTransformer(config, 11, dtype=torch.float64))
    prompt = subject.prompts(2000, generator(0, "tests/normed"))

    def loss(factor: float) -> float:
        built = control("constructed_normed", subject)
        assert isinstance(built.model, InContextTransformer)
        with torch.no_grad():
            built.model.blocks[0].attn.W_V.mul_(factor)
        return float((built.predict(prompt) - prompt.target).square().mean())

    assert loss(1.0) < min(loss(0.85), loss(1.15), loss(0.0))


def test_one_step_fewer_and_newton_of_equal_loss_are_close_and_are_not_it() -> None:
    # 0.1 and 1 are near the best numbers of these two steps.
    subject = subject_of(gradient_step_model(1.0, d_in=10, steps=2, gamma=0.1, tied=True))
    prompt = subject.prompts(2000, generator(0, "tests/other"))

    def loss(of: RegressionSubject) -> float:
        return half_squared_error(of.predict(prompt), prompt.target).item()

    fewer, newton = control("one_step_fewer", subject), control("newton_of_equal_loss", subject)
    # One step of GD++ is gradient descent's: its loss is known.
    assert loss(fewer) == pytest.approx(0.206, abs=0.01)
    assert loss(newton) == pytest.approx(loss(subject), rel=0.25)
    difference = newton.predict(prompt) - subject.predict(prompt)
    assert difference.norm() > 0.05 * subject.predict(prompt).norm()


def test_short_steps_have_a_loss_of_nine_percent_above_the_tuned_one() -> None:
    subject = subject_of(gradient_step_model(0.6, d_in=10))
    prompt = subject.prompts(5000, generator(0, "tests/short"))
    tuned, short = (
        half_squared_error(control(name, subject).predict(prompt), prompt.target).item()
        for name in ("as_many_gd_steps", "short_steps")
    )
    assert short / tuned == pytest.approx(1.09, abs=0.015)
