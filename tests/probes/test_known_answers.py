"""Each probe on a model whose answer is known, and on one for which it must say the opposite."""

import math
from typing import Any

import pandas as pd
import pytest

from mesa import generator
from probes import GDAlignment, Interpolation, OutOfDistribution, RegressionSubject, Rollout, WeightProducts
from probes.probe import ProbeOf
from tests.helpers.subjects import ANISOTROPIC, constructed, preconditioned, untrained


def ask(probe: ProbeOf[RegressionSubject], subject: RegressionSubject) -> pd.DataFrame:
    assert probe.applies(subject) is None
    return probe(subject, generator(0, "tests/probe")).table


def value(table: pd.DataFrame, **where: Any) -> float:
    for name, wanted in where.items():
        table = table[table[name] == wanted]
    assert len(table) == 1, f"{len(table)} rows for {where}"
    return float(table["value"].iloc[0])


def ratios(table: pd.DataFrame, by: list[str]) -> pd.Series:
    model = table[table["metric"] == "loss"].set_index(by)["value"]
    learner = table[(table["metric"] == "learner_loss") & (table["learner"] == "gd")].set_index(by)["value"]
    return model / learner


def test_alignment_is_perfect_for_the_construction() -> None:
    table = ask(GDAlignment(prompts=4000), constructed())
    assert value(table, metric="sensitivity_cosine", learner="gd") == pytest.approx(1, abs=1e-12)
    # Two tunings on 4,000 and 20,000 other prompts differ by about 1 %: only the scale can be off.
    assert value(table, metric="relative_distance", learner="gd") < 0.03
    assert value(table, metric="loss") == pytest.approx(value(table, metric="learner_loss", learner="gd"), rel=1e-3)


def test_alignment_is_absent_without_training() -> None:
    table = ask(GDAlignment(prompts=4000), untrained())
    assert abs(value(table, metric="sensitivity_cosine", learner="gd")) < 0.3
    assert value(table, metric="relative_distance", learner="gd") == pytest.approx(1, abs=0.01)


def test_alignment_tells_preconditioned_from_plain_gradient_descent() -> None:
    table = ask(GDAlignment(prompts=8000), preconditioned())
    assert value(table, metric="sensitivity_cosine", learner="gd") < 0.8
    # Both preconditioners are fitted, with 100 entries each, to different prompts.
    assert value(table, metric="sensitivity_cosine", learner="preconditioned_gd") > 0.98
    plain = ask(GDAlignment(prompts=8000), constructed(ANISOTROPIC))
    assert value(plain, metric="sensitivity_cosine", learner="gd") == pytest.approx(1, abs=1e-12)
    assert value(plain, metric="sensitivity_cosine", learner="preconditioned_gd") < 0.8


def test_alignment_numbers_equal_their_definitions() -> None:
    """On a model with half of the construction's output: cosine 1, relative distance and loss by hand."""
    from dataclasses import replace

    from mesa.construction import gradient_step_model
    from mesa.learners import GradientDescent

    learner = GradientDescent(step_size=0.6)

    class Fixed(GradientDescent):
        def fit(self, prompt: Any) -> "Fixed":
            return self

    half = replace(constructed(), model=gradient_step_model(0.3, d_in=10))
    table = ask(GDAlignment(prompts=1000, learners=(Fixed(step_size=0.6),)), half)
    assert value(table, metric="sensitivity_cosine") == pytest.approx(1, abs=1e-12)
    assert value(table, metric="relative_distance") == pytest.approx(0.5, abs=1e-12)
    source = generator(0, "tests/probe")
    half.prompts(1000, source)
    prompt = half.prompts(1000, source)
    g = learner.predict(prompt)[0]
    assert value(table, metric="prediction_difference") == pytest.approx(float((g / 2).abs().mean()), rel=1e-12)
    weights = learner.weights(prompt)
    assert weights is not None
    expected = float((weights[0] / 2).flatten(1).norm(dim=1).mean())
    assert value(table, metric="sensitivity_difference") == pytest.approx(expected, rel=1e-12)


def test_weight_products_recognise_the_construction_and_nothing_else() -> None:
    table = ask(WeightProducts(prompts=4000), constructed())
    assert value(table, metric="relative_distance", product="A") == 0
    assert value(table, metric="diagonal_spread", product="A") == 0
    assert value(table, metric="off_diagonal_mass", product="V") == 0
    assert value(table, metric="relative_distance", product="V") < 0.03
    table = ask(WeightProducts(prompts=4000), preconditioned())
    assert value(table, metric="relative_distance", product="A") > 0.5
    assert value(table, metric="diagonal_spread", product="A") > 0.5
    table = ask(WeightProducts(prompts=4000), untrained())
    assert math.isnan(value(table, metric="relative_distance", product="A"))


def test_unidentified_entries_are_not_scored() -> None:
    from dataclasses import replace

    import torch

    from mesa import InContextTransformer
    from mesa.construction import from_products, weight_products

    subject = constructed()
    assert isinstance(subject.model, InContextTransformer)
    A, V = weight_products(subject.model)
    A[0, 0, 10, :] = 5.0
    V[0, 0, :, :10] = 5.0
    hidden = replace(subject, model=from_products(subject.model, A, V))
    prompt = subject.prompts(100, generator(0, "tests/hidden"))
    assert torch.equal(hidden.predict(prompt), subject.predict(prompt))
    table = ask(WeightProducts(prompts=1000), hidden)
    assert value(table, metric="relative_distance", product="A") == 0
    # An entry that the loss can see is scored.
    A[0, 0, 3, 4] = 1.0
    seen = replace(subject, model=from_products(subject.model, A, V))
    assert value(ask(WeightProducts(prompts=1000), seen), metric="relative_distance", product="A") > 0.2


def test_interpolation_joins_the_construction_and_parts_from_the_negative() -> None:
    same = ask(Interpolation(prompts=4000), constructed())
    losses = [value(same, metric=name) for name in ("interpolated_loss", "loss", "learner_loss")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) == pytest.approx(losses[2], rel=1e-3)
    other = ask(Interpolation(prompts=4000), preconditioned())
    assert value(other, metric="interpolated_loss") > value(other, metric="learner_loss") + 0.003
    assert math.isnan(value(ask(Interpolation(prompts=500), untrained()), metric="interpolated_loss"))


@pytest.fixture(scope="module")
def shifted() -> pd.DataFrame:
    """The construction on every shift of the distribution."""
    return ask(OutOfDistribution(prompts=4000), constructed())


def test_shifts_leave_the_construction_on_gradient_descent_and_not_the_untrained(shifted: pd.DataFrame) -> None:
    keys = ["condition", "condition_value"]
    # The construction and the learner are tuned on different prompts: their step sizes differ by about a per cent,
    # which far outside the training distribution, where both diverge, doubles and doubles again.
    assert ratios(shifted, keys).sub(1).abs().max() < 0.15
    assert set(shifted["condition"]) == {
        *("input_scale", "teacher_scale", "query_scale", "noisy_labels"),
        *("normal", "exponential", "laplace"),
    }
    assert ratios(ask(OutOfDistribution(prompts=1000), untrained()), keys).sub(1).abs().max() > 1


def test_every_shift_is_the_one_that_it_is_called(shifted: pd.DataFrame) -> None:
    """Predicting zero costs E (w.x)^2 / 2 = 5 * teacher^2 * E x^2: it tells which prompts were drawn."""
    zero = shifted[shifted["learner"] == "zero"].set_index(["condition", "condition_value"])["value"].to_dict()
    base = 10 * 0.25 / 6
    expected = {
        **{("input_scale", factor): base * factor**2 for factor in (0.25, 1.0, 2.0)},
        **{("teacher_scale", factor): base * factor**2 for factor in (0.25, 1.0, 4.0)},
        **{("query_scale", factor): base * factor**2 for factor in (0.5, 4.0)},
        **{("noisy_labels", count): base for count in (0.0, 10.0)},
        # A context of Frobenius norm a has a^2/100 per entry, and so has its query, up to the scaling's own spread.
        **{("normal", norm): 5 * norm**2 / 100 for norm in (1.0, 5.0)},
    }
    for shift, expected_loss in expected.items():
        # 4,000 squared products of normals have a standard error of about 3 %.
        assert zero[shift] == pytest.approx(expected_loss, rel=0.12), shift
    losses = shifted[shifted["metric"] == "loss"].set_index(["condition", "condition_value"])["value"].to_dict()
    assert losses["noisy_labels", 10.0] > 1.2 * base > base > 1.5 * losses["noisy_labels", 0.0]


def test_rollout_follows_gradient_descent_for_the_construction_only() -> None:
    probe = Rollout(prompts=500, dampings=(0.75,))
    assert ratios(ask(probe, constructed()), ["applications"]).sub(1).abs().max() < 0.05
    assert ratios(ask(probe, untrained()), ["applications"]).sub(1).abs().max() > 1
