"""Layers beside steps: the diagonal for a model that performs the learner, nothing for one that does not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import gradient_step_model
from mesa.learners import ConjugateGradients, GradientDescent, NearestNeighbours, Newton, Ridge
from probes import LayerMatching, RegressionSubject
from tasks import LinearRegression, PairedReader, SineRegression
from tests.helpers.subjects import TASK, rotated_basis

PROMPTS = 60
SMALL = LinearRegression(d_in=4, context=6)


def ask(subject: RegressionSubject, **fields: Any) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    probe = LayerMatching(**{"prompts": PROMPTS, **fields})
    assert probe.applies(subject) is None
    reading = probe(subject, generator(0, "tests/probe"))
    return reading.table, reading.named_arrays()


def tuned_subject(learner: GradientDescent, task: LinearRegression, clip: float | None = None) -> RegressionSubject:
    """A model that performs a learner as the probe will tune it."""
    prompt = task.sample(PROMPTS, generator(0, "tests/probe")).to(dtype=torch.float64)
    fitted = learner.fit(prompt)
    gamma = fitted.gammas
    model = gradient_step_model(fitted.step_sizes, d_in=task.d_in, steps=fitted.steps, gamma=gamma, clip=clip)
    return RegressionSubject(model, PairedReader(), task)


def untrained(task: LinearRegression = SMALL, steps: int = 3) -> RegressionSubject:
    model = InContextTransformer(InContextConfig(n_layers=steps), task.d_in + 1, seed=1, dtype=torch.float64)
    return RegressionSubject(model, PairedReader(), task)


def series(table: pd.DataFrame, metric: str, learner: str) -> list[float]:
    rows = table[(table["metric"] == metric) & (table["learner"] == learner)]
    return rows.sort_values("layer")["value"].tolist()


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("gamma", [None, 0.0])
def test_layers_that_perform_a_learner_are_its_steps(gamma: float | None, clip: float | None) -> None:
    learner = GradientDescent(steps=3, clip=clip, gamma=gamma)
    table, arrays = ask(tuned_subject(learner, SMALL, clip), learners=(learner,))
    name = learner.name
    ends = {"spd": 0, "relative_distance": 0, "sim_e": 1}
    # Where both are clipped neither reacts to its query.
    ends |= {"sensitivity_cosine": 1} if clip is None else {}
    for metric, end in ends.items():
        # Layer k is step k + 1; with step 0 in front.
        assert arrays[f"{name}_{metric}"].shape == (3, 7)
        np.testing.assert_allclose(arrays[f"{name}_{metric}"].diagonal(1), end, atol=1e-10)
    off = arrays[f"{name}_spd"].copy()
    np.fill_diagonal(off[:, 1:], np.inf)
    assert off.min() > 1e-5
    for criterion in ("", "_sim_e"):
        assert series(table, f"best_step{criterion}", name) == [1, 2, 3]
        assert series(table, f"best_step_slope{criterion}", name)[0] == pytest.approx(1)
    implied = arrays[f"{name}_ilwd"]
    if clip is None:
        np.testing.assert_allclose(implied.diagonal(1), 0, atol=1e-10)
        np.testing.assert_allclose(table[table["metric"] == "implied_r_squared"]["value"], 1, rtol=1e-10)
    else:
        # A clipped learner has no weights, and a clipped model is not linear in its query.
        assert np.isnan(implied).all()
        assert table[table["metric"] == "implied_r_squared"]["value"].iloc[-1] < 1 - 1e-6


def test_an_untrained_model_stays_at_no_step_at_all() -> None:
    table, arrays = ask(untrained())
    for name in ("gd", "gd_plus_plus", "newton", "conjugate_gradients"):
        assert series(table, "best_step", name) == series(table, "best_step_sim_e", name) == [0, 0, 0]
        assert series(table, "best_step_slope", name)[0] == pytest.approx(0)
        assert np.nanmin(arrays[f"{name}_relative_distance"]) > 0.9
        assert np.nanmax(np.abs(arrays[f"{name}_sensitivity_cosine"])) < 0.7


def test_the_other_learners_are_further_than_the_one_performed() -> None:
    table, _ = ask(tuned_subject(GradientDescent(steps=3), TASK))
    assert set(table["learner"].dropna()) == {
        "gd",
        "gd_plus_plus",
        "newton",
        "conjugate_gradients",
        "least_squares",
        "ridge",
    }
    last = table[(table["metric"] == "spd") & (table["layer"] == 2)]
    nearest = last.groupby("learner")["value"].min()
    assert nearest.pop("gd") < 1e-20 < 1e-6 < nearest.drop("gd_plus_plus").min()


def test_metrics_are_what_they_are_called() -> None:
    """Two learners' own weights give every number without a model."""
    size = 0.4
    subject = RegressionSubject(gradient_step_model(size, d_in=4), PairedReader(), SMALL)
    rival, queries = Newton(steps=2), 10
    _, arrays = ask(subject, learners=(rival,), queries=queries)
    source = generator(0, "tests/probe")
    subject.prompts(PROMPTS, source)
    prompt = SMALL.sample(PROMPTS, source, queries).to(dtype=torch.float64)
    ours, theirs = size * prompt.x.mT @ prompt.y, rival.weights(prompt)[1]
    f, g = prompt.query @ ours, prompt.query @ theirs
    expected = {
        "spd": (f - g).square().mean() / 4,
        "ilwd": (ours - theirs).square().sum(dim=(1, 2)).mean() / 4,
        "relative_distance": (f - g).norm() / g.norm(),
        "sim_e": torch.cosine_similarity((f - prompt.target)[..., 0], (g - prompt.target)[..., 0]).mean(),
        "sensitivity_cosine": torch.cosine_similarity(ours[..., 0], theirs[..., 0]).mean(),
    }
    for metric, value in expected.items():
        assert arrays[f"newton_{metric}"][0, 2] == pytest.approx(float(value), rel=1e-10), metric
    zero = torch.cosine_similarity((f - prompt.target)[..., 0], -prompt.target[..., 0]).mean()
    assert arrays["newton_sim_e"][0, 0] == pytest.approx(float(zero), rel=1e-10)
    assert arrays["newton_spd"][0, 0] == pytest.approx(float(f.square().mean() / 4), rel=1e-10)


def test_a_learner_without_weights_or_without_steps_is_compared_too() -> None:
    # With noise least squares has errors, and they a direction.
    subject = tuned_subject(GradientDescent(steps=2), LinearRegression(d_in=4, context=6, label_noise=0.2))
    table, arrays = ask(subject, learners=(NearestNeighbours(), Ridge.least_squares(), ConjugateGradients(steps=5)))
    assert np.isnan(arrays["nearest_neighbours_ilwd"]).all()
    assert not np.isnan(arrays["nearest_neighbours_sensitivity_cosine"][:, 1:]).any()
    assert series(table, "best_step", "least_squares") == []
    assert len(series(table, "best_step", "conjugate_gradients")) == 2
    # The least-squares answer is where conjugate gradients end, after as many steps as there are inputs.
    for metric in ("spd", "ilwd", "sim_e"):
        last, end = arrays[f"conjugate_gradients_{metric}"][:, 4], arrays[f"least_squares_{metric}"][:, 1]
        np.testing.assert_allclose(last, end, rtol=1e-6)


def test_who_makes_no_errors_has_no_direction_of_them() -> None:
    # Without noise least squares is right, but for a nearly singular context here or there.
    _, arrays = ask(tuned_subject(GradientDescent(steps=2), LinearRegression(d_in=4, context=12)))
    assert np.isnan(arrays["least_squares_sim_e"][:, 1]).all()
    assert not np.isnan(arrays["gd_sim_e"]).any()


def test_a_heads_basis_changes_nothing() -> None:
    plain = tuned_subject(GradientDescent(gamma=0.0, steps=2), SMALL)
    first, other = ask(plain)[0], ask(rotated_basis(plain))[0]
    np.testing.assert_allclose(first["value"], other["value"], rtol=1e-7, atol=1e-9)


def test_what_has_no_layers_or_no_linear_learners_says_why() -> None:
    assert "HookedTransformer" in (
        LayerMatching().applies(RegressionSubject(torch.nn.Linear(5, 5), PairedReader(), SMALL)) or ""
    )
    sine = RegressionSubject(InContextTransformer(InContextConfig(), 2), PairedReader(), SineRegression())
    assert "linear regression" in (LayerMatching().applies(sine) or "")
