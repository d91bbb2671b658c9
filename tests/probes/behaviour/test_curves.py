"""Curves through a context, and the right answer by least squares: what they hold, and where they apply."""

from typing import Any

import numpy as np
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, TrainedModel
from probes import CONTROLS, Curves, GDAlignment, RegressionSubject
from probes.controls.reference_models import SineFit
from tasks import LinearRegression, PairedReader, SineRegression
from tests.helpers.subjects import rotated_basis


class Fixed(GradientDescent):
    """Gradient descent of a size that is given."""

    def fit(self, prompt: Any) -> "Fixed":
        return self


LINE = RegressionSubject(gradient_step_model(0.6, d_in=1), PairedReader(), LinearRegression(d_in=1))


def sine_subject() -> RegressionSubject:
    model = InContextTransformer(InContextConfig(d_model=6, input_mlp=8, init_variance=2.0), 2, dtype=torch.float64)
    return RegressionSubject(model, PairedReader(), SineRegression())


def test_the_construction_draws_the_learners_lines_and_another_model_does_not() -> None:
    probe = Curves(prompts=3, queries=40, learners=(Fixed(step_size=0.6),))
    reading = probe(LINE, generator(0, "tests/probe"))
    np.testing.assert_allclose(reading.array("model"), reading.array("gd"), atol=1e-12)
    assert reading.table["value"].item() < 1e-12
    other = RegressionSubject(gradient_step_model(0.3, d_in=1), PairedReader(), LinearRegression(d_in=1))
    assert probe(other, generator(0, "tests/probe")).table["value"].item() == pytest.approx(0.5)


def test_arrays_are_one_row_a_prompt_from_left_to_right() -> None:
    subject = sine_subject()
    rival = TrainedModel(subject.model, PairedReader())  # pyright: ignore[reportArgumentType]
    probe = Curves(prompts=3, queries=40, learners=(), rivals=(rival,))
    arrays = probe(subject, generator(0, "tests/probe")).named_arrays()
    assert set(arrays) == {"context_x", "context_y", "query", "target", "model", "meta_learned"}
    assert arrays["context_x"].shape == arrays["context_y"].shape == (3, 10)
    assert all(arrays[name].shape == (3, 40) for name in ("query", "target", "model", "meta_learned"))
    assert (np.diff(arrays["query"], axis=1) >= 0).all()
    # Targets moved with their queries: each row is one curve A sin x + B cos x.
    for x, y in zip(arrays["query"], arrays["target"], strict=True):
        waves = np.stack([np.sin(x), np.cos(x)], axis=1)
        # Labels are float32.
        np.testing.assert_allclose(waves @ np.linalg.lstsq(waves, y, rcond=None)[0], y, atol=1e-6)


def test_a_heads_basis_changes_no_curve() -> None:
    probe = Curves(prompts=2, queries=30, learners=(Fixed(step_size=0.6),))
    first, other = (probe(subject, generator(0, "tests/basis")) for subject in (LINE, rotated_basis(LINE)))
    # Two bases multiply out to the same products up to the condition of the rotation times 1e-16.
    np.testing.assert_allclose(first.array("model"), other.array("model"), atol=1e-10)


def test_only_tasks_of_one_number_can_be_drawn() -> None:
    assert Curves().applies(LINE) is None and Curves().applies(sine_subject()) is None
    wide = RegressionSubject(InContextTransformer(InContextConfig(), 11), PairedReader(), LinearRegression())
    assert "one number" in (Curves().applies(wide) or "")


def test_drawing_leaves_everything_as_it_was() -> None:
    subject, state = sine_subject(), torch.get_rng_state()
    weights = {name: weight.detach().clone() for name, weight in subject.model.named_parameters()}
    Curves(prompts=2, queries=10)(subject, generator(0, "tests/probe"))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, weights[name]) for name, weight in subject.model.named_parameters())
    assert all(weight.grad is None for weight in subject.model.parameters())


def test_the_sine_fit_is_right_and_no_other_models_equal(seeded: Any) -> None:
    prompt = SineRegression(context=4).sample(50, seeded(0), queries=3).to(dtype=torch.float64)
    (prediction,) = SineFit().predict(prompt)
    for b in range(50):
        x, y = prompt.x[b, :, 0].numpy(), prompt.y[b, :, 0].numpy()
        fit = np.linalg.lstsq(np.stack([np.sin(x), np.cos(x)], axis=1), y, rcond=None)[0]
        q = prompt.query[b, :, 0].numpy()
        # Normal equations against a factorisation: the condition of four random points, squared.
        np.testing.assert_allclose(prediction[b, :, 0].numpy(), fit[0] * np.sin(q) + fit[1] * np.cos(q), atol=1e-6)
    control = CONTROLS["sine_fit"](sine_subject())
    assert isinstance(control, RegressionSubject) and control.control == "sine_fit"
    table = GDAlignment(prompts=200, learners=(Fixed(step_size=0.1),))(control, generator(0, "tests/probe")).table
    # Float32 labels in float64 arithmetic.
    assert table[table["metric"] == "loss"]["value"].item() < 1e-10
    assert table[table["metric"] == "relative_distance"]["value"].item() > 0.3


def test_a_sine_is_fitted_to_sine_curves_only() -> None:
    assert CONTROLS["sine_fit"](LINE) == "only sine curves can be fitted by a sine"
