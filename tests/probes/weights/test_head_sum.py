"""What heads add up to: exact on constructions, nothing on random weights, blind to bases and to the heads' order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import from_products, gradient_step_model, softmax_step_model, weight_products
from probes import CONTROLS, GDAlignment, HeadSum, RegressionSubject
from tasks import LinearRegression, PairedReader
from tests.helpers.subjects import rotated_basis

TASK = LinearRegression()


def subject_of(model: InContextTransformer) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(), TASK)


def softmax_step() -> RegressionSubject:
    return subject_of(softmax_step_model(0.6, d_in=10, context=10))


def untrained(heads: int = 2) -> RegressionSubject:
    return subject_of(InContextTransformer(InContextConfig(n_heads=heads, kernel="softmax"), 11, dtype=torch.float64))


def ask(subject: RegressionSubject) -> pd.DataFrame:
    assert HeadSum().applies(subject) is None
    return HeadSum()(subject, generator(0, "tests/probe")).table


def value(table: pd.DataFrame, metric: str) -> float:
    return float(table[table["metric"] == metric]["value"].item())


@pytest.mark.parametrize(
    "model",
    [
        softmax_step_model(0.6, d_in=10, context=10),
        softmax_step_model(0.6, d_in=10, context=10, sharpness=3.0),
        gradient_step_model(0.6, d_in=10),
        gradient_step_model(0.6, d_in=10, n_heads=2),
    ],
    ids=["softmax", "sharp softmax", "linear", "linear, two heads"],
)
def test_constructed_heads_add_up_to_the_gradient_step(model: InContextTransformer) -> None:
    table = ask(subject_of(model))
    assert value(table, "off_diagonal_mass") == 0
    assert value(table, "identity_distance") == pytest.approx(0, abs=1e-12)
    assert value(table, "step_size") == pytest.approx(0.6, rel=1e-12)


def test_random_heads_add_up_to_nothing() -> None:
    table = ask(untrained())
    # 90 entries off the diagonal and 10 on it, all alike.
    assert value(table, "off_diagonal_mass") == pytest.approx(3, rel=0.5)
    assert value(table, "identity_distance") > 0.9
    assert value(table, "offset") > 0.1


def test_the_offset_tells_one_softmax_head_from_two() -> None:
    two = softmax_step()
    assert value(ask(two), "offset") == pytest.approx(0, abs=1e-12)
    assert isinstance(two.model, InContextTransformer)
    A, V = weight_products(two.model)
    V[:, 1] = 0.0
    half = ask(replace(two, model=from_products(two.model, A, V)))
    assert value(half, "offset") == 1
    assert value(half, "step_size") == pytest.approx(0.3, rel=1e-12)


def test_only_the_sum_counts_not_each_head() -> None:
    two = softmax_step()
    assert isinstance(two.model, InContextTransformer)
    A, V = weight_products(two.model)
    noise = torch.randn(11, 11, generator=generator(0, "tests/noise"), dtype=torch.float64)
    # The heads' eta are opposite, so that equal noise in both cancels; in one alone it does not.
    same = ask(replace(two, model=from_products(two.model, A + noise, V)))
    assert value(same, "off_diagonal_mass") == pytest.approx(0, abs=1e-12)
    A[0, 0] += noise
    assert value(ask(replace(two, model=from_products(two.model, A, V))), "off_diagonal_mass") > 1


def test_every_layer_has_its_own_sum() -> None:
    table = ask(subject_of(gradient_step_model((0.6, 0.2), d_in=10, steps=2)))
    sizes = table[table["metric"] == "step_size"].set_index("layer")["value"]
    assert sizes.to_dict() == pytest.approx({0: 0.6, 1: 0.2}, rel=1e-12)


@pytest.mark.parametrize("make", [softmax_step, untrained])
def test_a_heads_basis_and_the_heads_order_change_nothing(make) -> None:
    plain = make()
    first = ask(plain)
    np.testing.assert_allclose(ask(rotated_basis(plain))["value"], first["value"], rtol=1e-8, atol=1e-10)
    A, V = weight_products(plain.model)
    swapped = ask(replace(plain, model=from_products(plain.model, A.flip(1), V.flip(1))))
    whole = first["head"].isna()
    np.testing.assert_allclose(swapped["value"][whole], first["value"][whole], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("config", "reason"), [(InContextConfig(normalization="LN"), "norm"), (InContextConfig(d_model=20), "embedding")]
)
def test_what_has_no_such_sum_says_why(config: InContextConfig, reason: str) -> None:
    reason_why_not = HeadSum().applies(subject_of(InContextTransformer(config, 11)))
    assert reason_why_not is not None and reason in reason_why_not
    two = RegressionSubject(
        InContextTransformer(InContextConfig(), 12), PairedReader(d_out=2), LinearRegression(d_out=2)
    )
    assert "one entry" in (HeadSum().applies(two) or "")


def test_the_constructed_softmax_control_nearly_reaches_gradient_descent() -> None:
    """5 % above: it is a step on centred inputs, which has the worth of nine examples rather than ten."""
    control = CONTROLS["constructed_softmax"](untrained())
    assert isinstance(control, RegressionSubject)
    table = GDAlignment(prompts=10_000)(control, generator(0, "tests/probe")).table
    loss = float(table[table["metric"] == "loss"]["value"].item())
    gd = float(table[(table["metric"] == "learner_loss") & (table["learner"] == "gd")]["value"].item())
    assert loss / gd == pytest.approx(0.2172 / 0.2062, abs=0.01)


def test_the_constructed_normed_control_is_the_best_step_behind_the_norm() -> None:
    model = InContextTransformer(InContextConfig(normalization="LN"), 11, dtype=torch.float64)
    with torch.no_grad():
        dict(model.named_parameters())["blocks.0.ln1.w"].fill_(7.0)
    subject = subject_of(model)
    control = CONTROLS["constructed_normed"](subject)
    assert isinstance(control, RegressionSubject)
    prompt = subject.prompts(5000, generator(0, "tests/normed"))

    def loss(size: float) -> float:
        return float((size * control.predict(prompt) - prompt.target).square().mean())

    assert loss(1.0) < min(loss(0.9), loss(1.1), loss(0.0))
    # The norm forgets how large a query is.
    twice = replace(prompt, query=2 * prompt.query)
    torch.testing.assert_close(control.predict(twice), control.predict(prompt), rtol=1e-3, atol=1e-4)
    assert isinstance(CONTROLS["constructed_normed"](softmax_step()), str)
