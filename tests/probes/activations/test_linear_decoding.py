"""Weights are decodable after the layer that makes them, and not where nothing of the context is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import gradient_step_model
from mesa.learners import Averaging, GradientDescent, NearestNeighbours, Ridge
from probes import CONTROLS, LinearDecoding, RegressionSubject
from tasks import LinearRegression, PairedReader, SineRegression
from tests.helpers.subjects import rotated_basis

TASK = LinearRegression(d_in=4, context=5)
PROMPTS = 400
# Large ones, so that the second step is far from the first.
SIZES = (2.0, 1.8)


def subject_of(model: InContextTransformer, task: LinearRegression = TASK) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(task.d_out), task)


def descending(task: LinearRegression = TASK) -> RegressionSubject:
    return subject_of(gradient_step_model(SIZES, d_in=4, d_out=task.d_out, steps=2), task)


def untrained() -> RegressionSubject:
    return subject_of(InContextTransformer(InContextConfig(n_layers=2), 5, seed=1, dtype=torch.float64))


class Steps(GradientDescent):
    """The steps that `descending` takes, which no tuning moves."""

    def fit(self, prompt: Any) -> "Steps":
        """Itself."""
        return self


LEARNERS = (Averaging(), Ridge.least_squares(), Steps(step_size=SIZES, steps=2, shared=False))


def ask(subject: RegressionSubject, **fields: Any) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    probe = LinearDecoding(**{"prompts": PROMPTS, "learners": LEARNERS, **fields})
    assert probe.applies(subject) is None
    reading = probe(subject, generator(0, "tests/probe"))
    return reading.table, reading.named_arrays()


@pytest.mark.parametrize("task", [TASK, replace(TASK, d_out=2)], ids=["one output", "two outputs"])
def test_each_step_is_decoded_after_its_layer_and_best_there(task: LinearRegression) -> None:
    _, arrays = ask(descending(task))
    for source in ("query_stream", "prediction"):
        steps = arrays[f"{source}_gd_per_step"]
        assert steps.shape == (3, 2)
        # A little of a ridge is left, in units of the features' mean variance.
        np.testing.assert_allclose(steps[1:].diagonal(), 1, atol=1e-6)
        assert max(steps[1, 1], steps[2, 0]) < 0.95
        # The first step is X^T y.
        np.testing.assert_allclose(arrays[f"{source}_averaging"][:, 0], steps[:, 0], atol=1e-10)
        least = arrays[f"{source}_least_squares"][:, 0]
        assert least[0] == 0 < 0.2 < min(least[1:]) <= max(least[1:]) < 0.95


def test_nothing_is_there_before_the_first_layer_nor_in_the_mean_of_the_context() -> None:
    for subject in (descending(), untrained()):
        table, arrays = ask(subject)
        for name in ("averaging", "least_squares", "gd_per_step"):
            # All prompts are asked the same, so that the queries are constants: exactly.
            assert not arrays[f"query_stream_{name}"][0].any()
            assert not arrays[f"prediction_{name}"][0].any()
            assert arrays[f"context_mean_{name}"].max() < 0.1
        assert sorted(set(table["layer"])) == [-1, 0, 1]


def test_random_weights_spread_the_moments_but_do_not_read_them_out() -> None:
    _, arrays = ask(untrained())
    assert arrays["query_stream_averaging"][1, 0] > 0.9
    assert arrays["prediction_averaging"][1:, 0].max() < 0.8
    assert arrays["query_stream_gd_per_step"][1:, 1].max() < 0.95


def test_unrelated_weights_are_not_decoded() -> None:
    table, _ = ask(descending())
    random = table[table["metric"] == "random_r_squared"]["value"]
    # A map without a relation to find loses about its number of features in prompts, 40 of 400, of the variance.
    assert random.max() < 0.02 and random.min() > -0.3
    wide = table.set_index(["source", "learner", "learner_step", "layer"])
    parts = {metric: wide[wide["metric"] == metric]["value"] for metric in set(table["metric"])}
    difference = parts["r_squared"] - parts["random_r_squared"]
    np.testing.assert_allclose(parts["selectivity"], difference.loc[parts["selectivity"].index])


def test_a_model_that_does_not_look_at_the_context_holds_nothing_of_it() -> None:
    """What one fixed teacher teaches: an answer that no label changes."""
    deaf = subject_of(gradient_step_model(0.0, d_in=4, steps=2))
    _, arrays = ask(deaf)
    for source in ("query_stream", "prediction"):
        assert not arrays[f"{source}_averaging"].any()


def test_one_fixed_teacher_leaves_nothing_to_decode_but_the_inputs() -> None:
    fixed = replace(TASK, teachers=1)
    _, arrays = ask(descending(fixed))
    assert np.isnan(arrays["prediction_least_squares"]).all()
    # X^T y = S w still varies with the inputs.
    assert arrays["prediction_averaging"][1, 0] == pytest.approx(1, abs=1e-6)
    fresh = CONTROLS["fresh_teachers"](descending(fixed))
    assert isinstance(fresh, RegressionSubject)
    assert not np.isnan(ask(fresh)[1]["prediction_least_squares"]).any()


def test_shuffled_labels_hide_the_weights() -> None:
    shuffled = CONTROLS["shuffled_labels"](descending())
    assert isinstance(shuffled, RegressionSubject)
    _, arrays = ask(shuffled)
    assert arrays["prediction_gd_per_step"].max() < 0.1


def test_a_heads_basis_changes_nothing() -> None:
    plain = descending()
    first, other = (
        ask(each)[1] for each in (plain, RegressionSubject(rotated_basis(plain).model, plain.reader, plain.task))
    )
    for name, values in first.items():
        # Rounding of 1e-13 in the features, beside the smallest penalty.
        np.testing.assert_allclose(other[name], values, atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        InContextConfig(kernel="softmax", n_heads=2),
        InContextConfig(d_model=12, d_mlp=8, normalization="LN", causal=True),
    ],
    ids=["softmax", "everything"],
)
def test_any_model_with_a_residual_stream_can_be_asked(config: InContextConfig) -> None:
    model = InContextTransformer(config.model_copy(update={"init_variance": 0.5}), 5)
    _, arrays = ask(subject_of(model), prompts=100, learners=None)
    assert {name.partition("_least")[0] for name in arrays if "least" in name} == {
        "query_stream",
        "prediction",
        "context_mean",
    }
    assert all(np.isfinite(values).all() for values in arrays.values())


def test_learners_without_weights_are_left_out() -> None:
    _, arrays = ask(descending(), prompts=50, learners=(NearestNeighbours(), Averaging()))
    assert {name.rpartition("_")[2] for name in arrays} == {"averaging"}


def test_what_has_no_stream_or_no_weights_says_why() -> None:
    assert "HookedTransformer" in (
        LinearDecoding().applies(RegressionSubject(torch.nn.Linear(5, 5), PairedReader(), TASK)) or ""
    )
    sine = RegressionSubject(InContextTransformer(InContextConfig(), 2), PairedReader(), SineRegression())
    assert "sine" in (LinearDecoding().applies(sine) or "")
