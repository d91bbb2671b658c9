"""gamma and step size: exact on GD++ layers, absent from plain descent, unsaid where nothing reads them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import from_products, gradient_step_model, weight_products
from probes import Curvature, RegressionSubject
from tasks import LinearRegression, PairedReader
from tests.helpers.subjects import rotated_basis

TASK = LinearRegression()
PROBE = Curvature(prompts=60)
GAMMAS, SIZES = (0.15, 0.2, 0.3), (0.2, 0.5, 0.1)


def subject_of(model: InContextTransformer, task: LinearRegression = TASK) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(task.d_out), task)


def ask(subject: RegressionSubject, probe: Curvature = PROBE) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    assert probe.applies(subject) is None
    reading = probe(subject, generator(0, "tests/probe"))
    return reading.table, reading.named_arrays()


def values(table: pd.DataFrame, metric: str, source: str = "residual") -> list[float]:
    rows = table[(table["metric"] == metric) & (table["source"] == source)]
    return rows.sort_values("layer")["value"].tolist()


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize(
    ("settings", "task"),
    [
        ({"gamma": GAMMAS, "step_size": SIZES}, TASK),
        ({"gamma": GAMMAS, "step_size": SIZES}, LinearRegression(context=4, d_out=2)),
        ({"gamma": 0.25, "step_size": 0.4}, LinearRegression(context=30)),
        ({"gamma": 0.2, "step_size": 0.4, "tied": True}, TASK),
        # Most tokens of inputs this large are clipped: what a layer wrote is seen before that.
        ({"gamma": GAMMAS, "step_size": SIZES, "clip": 0.7}, LinearRegression(input_scale=1.0)),
    ],
    ids=["untied", "short contexts, two outputs", "long contexts", "tied", "clipped"],
)
def test_both_sources_find_what_was_built_in(settings: dict[str, Any], task: LinearRegression, rotated: bool) -> None:
    model = gradient_step_model(d_in=10, d_out=task.d_out, steps=3, **settings)
    plain = subject_of(model, task)
    table, _ = ask(RegressionSubject(rotated_basis(plain).model, plain.reader, task) if rotated else plain)
    tied = settings.get("tied", False)
    gammas = list(np.broadcast_to(settings["gamma"], 3))
    sizes = list(np.broadcast_to(settings["step_size"], 3))
    wanted = gammas if tied else [*gammas[:2], math.nan]
    for source in ("residual", "weights"):
        np.testing.assert_allclose(values(table, "gamma", source), wanted, rtol=1e-8)
        np.testing.assert_allclose(values(table, "step_size", source), sizes, rtol=1e-8)
    np.testing.assert_allclose(values(table, "gamma_median"), wanted, rtol=1e-8)
    for source in ("residual", "weights"):
        assert values(table, "identified", source) == [1, 1, float(tied)]
    for metric in ("r_squared", "cosine"):
        np.testing.assert_allclose(values(table, metric)[:2], 1, rtol=1e-10)
        np.testing.assert_allclose(values(table, f"step_{metric}"), 1, rtol=1e-10)


def test_the_spectrum_left_is_the_one_that_theory_gives() -> None:
    table, arrays = ask(subject_of(gradient_step_model(SIZES, d_in=10, steps=3, gamma=GAMMAS)))
    before, after, predicted = (arrays[f"eigenvalues_{name}"] for name in ("before", "after", "predicted"))
    assert before.shape == (3, 60, 10)
    np.testing.assert_allclose(after[:2], predicted[:2], atol=1e-10)
    expected = before[0] * (1 - GAMMAS[0] * before[0]) ** 2
    np.testing.assert_allclose(predicted[0], expected, rtol=1e-8)
    assert np.isnan(predicted[2]).all()
    np.testing.assert_allclose(values(table, "spectrum_distance")[:2], 0, atol=1e-10)
    condition = {name: values(table, f"condition_number_{name}") for name in ("before", "after", "predicted")}
    np.testing.assert_allclose(condition["after"][:2], condition["predicted"][:2], rtol=1e-5)
    # What one layer leaves is what the next one gets, and the correction makes it better conditioned.
    np.testing.assert_allclose(condition["after"][:2], condition["before"][1:], rtol=1e-12)
    assert condition["before"][0] > condition["before"][1] > condition["before"][2]
    np.testing.assert_allclose(arrays["spectrum"][:3], np.sort(before)[..., ::-1].mean(axis=1), atol=1e-12)


def test_a_short_context_is_measured_within_its_span() -> None:
    table, _ = ask(subject_of(gradient_step_model(0.5, d_in=10, steps=2, gamma=0.2), LinearRegression(context=4)))
    assert 1 < values(table, "condition_number_before")[0] < 1e3


@pytest.mark.parametrize("steps", [1, 2])
def test_plain_descent_corrects_nothing(steps: int) -> None:
    plain = subject_of(gradient_step_model(0.6, d_in=10, steps=steps))
    for subject in (plain, rotated_basis(plain)):
        table, _ = ask(subject)
        wanted = [0.0] * (steps - 1) + [math.nan]
        for source in ("residual", "weights"):
            np.testing.assert_allclose(values(table, "gamma", source), wanted, atol=1e-12)
            np.testing.assert_allclose(values(table, "step_size", source), 0.6, rtol=1e-10)
        # No change has no direction, rounding's neither.
        assert all(math.isnan(value) for metric in ("r_squared", "cosine") for value in values(table, metric))


@pytest.mark.parametrize("kernel", ["linear", "softmax"])
def test_an_untrained_model_does_nothing_of_the_kind(kernel: Any) -> None:
    config = InContextConfig(n_layers=2, kernel=kernel, init_variance=2.0)
    table, _ = ask(subject_of(InContextTransformer(config, 11, seed=1, dtype=torch.float64)))
    assert abs(values(table, "r_squared")[0]) < 0.2
    assert max(values(table, "step_r_squared")) < 0.5
    assert abs(values(table, "cosine")[0]) < 0.4
    assert values(table, "spectrum_distance")[0] > 0.1


def test_the_weights_of_several_heads_are_added_up() -> None:
    one = gradient_step_model(SIZES, d_in=10, steps=3, gamma=GAMMAS, n_heads=2)
    A, V = weight_products(one)
    # Three fifths and two fifths of the step, at scales of the heads' own.
    A[:, 1], V[:, 1] = -2.0 * A[:, 0], V[:, 0] * -0.2
    A[:, 0], V[:, 0] = 3.0 * A[:, 0], V[:, 0] * 0.2
    table, _ = ask(subject_of(from_products(one, A, V)))
    for source in ("residual", "weights"):
        np.testing.assert_allclose(values(table, "gamma", source)[:2], GAMMAS[:2], rtol=1e-8)
        np.testing.assert_allclose(values(table, "step_size", source), SIZES, rtol=1e-8)


def embedded(width: int = 20) -> RegressionSubject:
    """GD++ layers in another basis of a wider residual stream."""
    plain = gradient_step_model(SIZES, d_in=10, steps=3, gamma=GAMMAS)
    model = InContextTransformer(InContextConfig(n_layers=3, d_model=width), 11, dtype=torch.float64)
    E = torch.randn(11, width, generator=generator(0, "tests/embedding"), dtype=torch.float64)
    back = torch.linalg.pinv(E)
    with torch.no_grad():
        model.embed.W_E.copy_(E)
    A, V = weight_products(plain)
    return subject_of(from_products(model, back @ A @ back.mT, back @ V @ E))


def decoded(table: pd.DataFrame, target: str) -> float:
    rows = table[(table["metric"] == "decoding_r_squared") & (table["target"] == target)]
    return rows["value"].item()


def test_embedded_tokens_are_decoded_first() -> None:
    table, _ = ask(embedded())
    assert [decoded(table, target) for target in "xy"] == pytest.approx([1, 1], abs=1e-10)
    np.testing.assert_allclose(values(table, "gamma")[:2], GAMMAS[:2], rtol=1e-8)
    np.testing.assert_allclose(values(table, "step_size"), SIZES, rtol=1e-8)
    assert values(table, "gamma", "weights") == []


def test_what_an_embedding_lost_is_said() -> None:
    subject = subject_of(InContextTransformer(InContextConfig(n_layers=2, d_model=5), 11, dtype=torch.float64))
    table, _ = ask(subject)
    assert decoded(table, "x") < 0.7


def test_tokens_as_they_are_need_no_decoding() -> None:
    table, _ = ask(subject_of(gradient_step_model(0.5, d_in=10)))
    assert "decoding_r_squared" not in set(table["metric"])


@pytest.mark.parametrize(
    "config",
    [
        InContextConfig(kernel="softmax"),
        InContextConfig(normalization="LN"),
        InContextConfig(d_mlp=8),
        InContextConfig(bias=True),
    ],
    ids=["softmax", "norm", "MLP", "bias"],
)
def test_weights_are_read_of_plain_linear_attention_only(config: InContextConfig) -> None:
    table, _ = ask(subject_of(InContextTransformer(config, 11, dtype=torch.float64)))
    assert set(table["source"]) == {"residual"}


def test_what_has_no_answer_says_why() -> None:
    causal = subject_of(InContextTransformer(InContextConfig(causal=True), 11))
    assert "causal" in (PROBE.applies(causal) or "")
    started = RegressionSubject(gradient_step_model(0.5, d_in=10), PairedReader(start=torch.zeros(10, 1)), TASK)
    assert "start" in (PROBE.applies(started) or "")
    foreign = RegressionSubject(torch.nn.Linear(11, 11), PairedReader(), TASK)
    assert "HookedTransformer" in (PROBE.applies(foreign) or "")
