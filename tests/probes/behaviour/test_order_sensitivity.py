"""Nothing for models of sets; causal masks, positions and recency are seen, at the size that they have."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import from_products, gradient_step_model, weight_products
from probes import CONTROLS, OrderSensitivity, RegressionSubject
from tasks import Inputs, LinearRegression, PairedReader, RegressionPrompt
from tests.helpers.subjects import TASK, constructed, untrained


def ask(subject: RegressionSubject, **fields: Any) -> dict[str, float]:
    probe = OrderSensitivity(**{"prompts": 400, **fields})
    assert probe.applies(subject) is None
    table = probe(subject, generator(0, "tests/probe")).table
    return dict(zip(table["metric"], table["value"], strict=True))


@pytest.mark.parametrize(
    "config",
    [
        InContextConfig(n_layers=2),
        InContextConfig(n_heads=2, kernel="softmax"),
        InContextConfig(n_layers=2, normalization="LN", d_mlp=8, d_model=20, input_mlp=8),
    ],
    ids=["linear", "softmax", "everything"],
)
def test_models_of_sets_do_not_look_at_the_order(config: InContextConfig) -> None:
    model = InContextTransformer(config.model_copy(update={"init_variance": 0.5}), 11, dtype=torch.float64)
    assert ask(RegressionSubject(model, PairedReader(), TASK))["order_sensitivity"] < 1e-12


def test_neither_does_gradient_descent() -> None:
    measured = ask(constructed())
    assert measured["order_sensitivity"] < 1e-12
    # E (c x_q^T X^T y)^2 = 2 (zero's loss - its own), for the tuned step: 2 (.4167 - .2062).
    assert measured["prompt_spread"] == pytest.approx(math.sqrt(0.421), rel=0.15)


def causal(subject: RegressionSubject) -> RegressionSubject:
    """The same weights under a causal mask."""
    model = subject.model
    assert isinstance(model, InContextTransformer)
    config = model.config.model_copy(update={"causal": True})
    twin = InContextTransformer(config, 11, dtype=torch.float64)
    return replace(subject, model=from_products(twin, *weight_products(model)))


def test_a_causal_mask_makes_order_count_from_the_second_layer_on() -> None:
    # One layer's query sees the whole context whatever the mask; what it sees in the second depends on the order.
    one, two = (RegressionSubject(gradient_step_model(0.6, d_in=10, steps=k), PairedReader(), TASK) for k in (1, 2))
    assert ask(causal(one))["order_sensitivity"] < 1e-12
    assert ask(two)["order_sensitivity"] < 1e-12
    assert ask(causal(two))["order_sensitivity"] > 0.05


class Weighted(PairedReader):
    """A reader that shows only some examples: which they are depends on the order."""

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Keep the first example only."""
        return super().encode(prompt.prefix(1))


def test_who_looks_at_the_first_example_only_is_as_sensitive_as_can_be() -> None:
    """Another order is then another example, and nearly all that a prediction varies with."""
    subject = replace(constructed(LinearRegression(context=40)), reader=Weighted())
    measured = ask(subject, permutations=60)
    # f = (x_q.x)(x.w): its variance over x given w and x_q, E [|x_q|^2 |w|^2 + (x_q.w)^2] v^2, is nearly all there is.
    assert 0.7 < measured["order_sensitivity"] < 1.1


def test_a_part_that_counts_is_measured_at_its_size() -> None:
    """Standing out of 2 % of the examples costs 2 % of a step."""
    small, large = (_positional(size) for size in (0.01, 0.1))
    ratio = ask(large)["order_spread"] / ask(small)["order_spread"]
    assert ratio == pytest.approx(10, rel=1e-6)
    assert 0 < ask(small)["order_sensitivity"] < 0.02


def _positional(size: float) -> RegressionSubject:
    return replace(constructed(), reader=Tilted(size))


class Tilted(PairedReader):
    """A reader that shows the first label a little larger."""

    def __init__(self, size: float) -> None:
        super().__init__()
        object.__setattr__(self, "size", size)

    def encode(self, prompt: RegressionPrompt) -> Inputs:
        """Stretch the first label."""
        y = torch.cat([prompt.y[:, :1] * (1 + getattr(self, "size")), prompt.y[:, 1:]], dim=1)  # noqa: B009
        return super().encode(replace(prompt, y=y))


def test_who_always_says_the_same_has_no_spread_to_compare_with() -> None:
    subject = RegressionSubject(gradient_step_model(0.0, d_in=10), PairedReader(), TASK)
    assert math.isnan(ask(subject)["order_sensitivity"])


def test_shuffled_labels_are_another_prompt_and_not_another_order() -> None:
    control = CONTROLS["shuffled_labels"](constructed())
    assert isinstance(control, RegressionSubject)
    # Examples are shuffled after they are ordered: every order pairs inputs with other labels.
    assert ask(control)["order_sensitivity"] > 0.5


def test_less_than_two_orders_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^permutations: 1"):
        OrderSensitivity(permutations=1)
    assert ask(untrained(), permutations=2)["order_sensitivity"] < 1e-10
