"""Reactions to labels: the construction's are its learner's, a control's are not, and a finite difference agrees."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import gradient_step_model
from mesa.learners import ConjugateGradients, GradientDescent, NearestNeighbours, Newton, Ridge
from probes import CONTROLS, LabelSensitivity, RegressionSubject
from probes.controls.planted import Planted
from tasks import LinearRegression, PairedReader, RegressionPrompt
from tests.helpers.reordered import ReorderedRegression
from tests.helpers.subjects import rotated_basis

TASK = LinearRegression(d_in=3, context=5)


def subject_of(model: Any, task: Any = TASK) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(), task)


def descent(steps: int = 1, d_out: int = 1) -> RegressionSubject:
    model = gradient_step_model(0.5, d_in=3, d_out=d_out, steps=steps)
    return RegressionSubject(model, PairedReader(d_out), replace(TASK, d_out=d_out))


def measured(subject: RegressionSubject, **fields: Any) -> pd.DataFrame:
    probe = LabelSensitivity(**{"prompts": 200, **fields})
    assert probe.applies(subject) is None
    return probe(subject, generator(0, "tests/probe")).table


def value(table: pd.DataFrame, metric: str, learner: str | None = None, step: int | None = None) -> float:
    rows = table[table["metric"] == metric]
    rows = rows if learner is None else rows[rows["learner"] == learner]
    return (rows if step is None else rows[rows["learner_step"] == step])["value"].item()


@pytest.mark.parametrize("d_out", [1, 2])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_construction_reacts_as_its_learner_does(steps: int, d_out: int) -> None:
    table = measured(descent(steps, d_out), learners=(), rivals=(GradientDescent(0.5, steps),))
    # Float64: other orders of the same sums.
    assert value(table, "cosine", "gd", steps) == pytest.approx(1.0, abs=1e-12)
    assert value(table, "relative_distance", "gd", steps) < 1e-12
    assert value(table, "nonlinearity") < 1e-12
    if steps > 1:
        assert value(table, "relative_distance", "gd", 1) > 0.1


def test_other_algorithms_react_otherwise() -> None:
    rivals = (Newton(4), Ridge.least_squares(), NearestNeighbours())
    table = measured(descent(), learners=(), rivals=rivals)
    for name in ("least_squares", "nearest_neighbours"):
        assert value(table, "relative_distance", name) > 0.3, name
        assert value(table, "cosine", name) < 0.95, name


def test_scale_is_seen_by_the_distance_and_not_by_the_cosine() -> None:
    table = measured(descent(), learners=(), rivals=(GradientDescent(0.25),))
    assert value(table, "cosine", "gd") == pytest.approx(1.0, abs=1e-12)
    assert value(table, "relative_distance", "gd") == pytest.approx(1.0, abs=1e-12)


def test_shuffled_labels_are_told_from_the_model() -> None:
    """The model reacts to a label as if it stood at another example."""
    control = CONTROLS["shuffled_labels"](descent())
    assert isinstance(control, RegressionSubject)
    table = measured(control, learners=(), rivals=(GradientDescent(0.5),))
    assert abs(value(table, "cosine", "gd")) < 0.2
    assert value(table, "relative_distance", "gd") > 1.0


def test_a_least_squares_predictor_as_subject_is_least_squares() -> None:
    table = measured(subject_of(Ridge.least_squares()), learners=(Ridge.least_squares(), GradientDescent()))
    assert value(table, "relative_distance", "least_squares") < 1e-12
    assert value(table, "nonlinearity") < 1e-8
    assert value(table, "relative_distance", "gd") > 0.1


def softmax(heads: int = 2) -> RegressionSubject:
    config = InContextConfig(n_layers=2, n_heads=heads, kernel="softmax", init_variance=0.5)
    return subject_of(InContextTransformer(config, 4, seed=3, dtype=torch.float64))


def test_the_jacobian_is_a_finite_difference() -> None:
    subject = softmax()
    prompt = subject.prompts(4, generator(1, "tests/difference"))
    jacobian = subject.label_sensitivity(prompt)
    assert jacobian.shape == (4, 1, 1, 5, 1)
    by = 1e-6
    for example in range(5):
        step = torch.zeros_like(prompt.y)
        step[:, example] = by
        ahead, behind = (subject.predict(replace(prompt, y=prompt.y + sign * step)) for sign in (1, -1))
        # A central difference: its error is of order by^2, its rounding 1e-16 / by.
        expected = (ahead - behind)[..., 0] / (2 * by)
        torch.testing.assert_close(jacobian[:, :, 0, example, 0], expected, rtol=1e-6, atol=1e-8)


def test_a_model_whose_attention_looks_at_labels_is_not_linear_in_them() -> None:
    assert value(measured(softmax(), learners=(), rivals=(GradientDescent(0.5),)), "nonlinearity") > 1e-3


def _moduli(prompt: RegressionPrompt) -> torch.Tensor:
    return prompt.query @ (prompt.x.mT @ prompt.y.abs())


@pytest.mark.parametrize("model", [ConjugateGradients(2), Planted(_moduli)], ids=["conjugate_gradients", "moduli"])
def test_what_doubles_with_its_labels_need_not_be_linear_in_them(model: Any) -> None:
    # At the labels themselves sum_i J_i y_i equals these predictions exactly, by Euler's theorem.
    assert value(measured(subject_of(model), learners=(), rivals=(GradientDescent(0.5),)), "nonlinearity") > 0.1


def test_a_heads_basis_and_the_order_of_prompts_change_nothing() -> None:
    subject = descent(2)
    first = measured(subject)
    for other in (rotated_basis(subject), replace(subject, task=ReorderedRegression(TASK))):
        again = measured(other)
        # Fits and norms are sums in another order; the basis multiplies out to rounding.
        assert again["value"].to_numpy() == pytest.approx(first["value"].to_numpy(), rel=1e-6, abs=1e-9)


def test_several_queries_of_one_context_are_told_apart() -> None:
    subject = descent()
    prompt = TASK.sample(3, generator(0, "tests/queries"), queries=2).to(dtype=torch.float64)
    one = replace(prompt, query=prompt.query[:, 1:], target=prompt.target[:, 1:])
    whole, part = subject.label_sensitivity(prompt), subject.label_sensitivity(one)
    torch.testing.assert_close(whole[:, 1:], part, rtol=0, atol=1e-14)


def test_a_predictor_that_ignores_its_labels_has_no_reaction() -> None:
    subject = subject_of(Planted(lambda prompt: prompt.query.sum(dim=-1, keepdim=True)))
    table = measured(subject, learners=(), rivals=(GradientDescent(0.5),))
    assert value(table, "relative_distance", "gd") == value(table, "nonlinearity") == 1.0
    assert value(table, "cosine", "gd") == 0.0


def test_a_predictor_that_ignores_its_query_has_no_sensitivity() -> None:
    subject = subject_of(Planted(lambda prompt: prompt.y.mean(dim=1, keepdim=True)))
    assert not subject.sensitivity(subject.prompts(4, generator(1, "tests/constant"))).any()
