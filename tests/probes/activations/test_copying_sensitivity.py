"""What the first layer copies: known on the construction, nothing where nothing is copied, and found by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import interleaved_step_model
from mesa.learners import GradientDescent
from probes import CONTROLS, CopyingSensitivity, GDAlignment, RegressionSubject, probe_subjects
from tasks import InterleavedReader, LinearRegression
from tests.helpers.reordered import ReorderedRegression
from tests.helpers.subjects import constructed, rotated_basis

TASK = LinearRegression(d_in=4, context=3)
PROBE = CopyingSensitivity(prompts=30)


def built() -> RegressionSubject:
    return RegressionSubject(interleaved_step_model(0.6, d_in=4, context=3), InterleavedReader(one_hot=True), TASK)


def drawn(scale: float = 1.0, **fields: Any) -> RegressionSubject:
    """A model with random weights, in float64."""
    config = InContextConfig(n_layers=2, kernel=["softmax", "linear"], init_variance=scale, **fields)
    return RegressionSubject(InContextTransformer(config, 14, seed=2, dtype=torch.float64), InterleavedReader(), TASK)


def read(subject: RegressionSubject) -> dict[tuple[str, str], float]:
    table = PROBE(subject, generator(0, "tests/copying")).table
    return {(row["parity"], row["metric"]): row["value"] for row in table.to_dict("records")}


def of(name: str, subject: RegressionSubject) -> RegressionSubject:
    control = CONTROLS[name](subject)
    assert isinstance(control, RegressionSubject)
    assert control.control == name
    return control


def test_the_construction_copies_to_the_token_before_and_to_itself() -> None:
    scores = read(built())
    assert scores["even", "contrast"] == pytest.approx(1.0) and abs(scores["odd", "contrast"]) <= 1.0
    # The residual alone gives |(1, 1, 1, 1)|; an odd token's label is copied once more: |(1, 1, 1, 2)|.
    expected = {"own": 2.0, "next": 1.0, "previous": 0.0, "other": 0.0}
    assert {metric: scores["even", metric] for metric in expected} == pytest.approx(expected, abs=1e-12)
    expected = {"own": 7**0.5, "next": 0.0, "previous": 0.0, "other": 0.0}
    assert {metric: scores["odd", metric] for metric in expected} == pytest.approx(expected, abs=1e-12)


def test_weights_that_attend_alike_to_all_copy_from_none() -> None:
    scores = read(drawn(1e-4))
    for parity in ("even", "odd"):
        # Scores of 1e-4 tell no token from another.
        assert scores[parity, "next"] == pytest.approx(scores[parity, "other"], rel=1e-3)
        assert scores[parity, "own"] == pytest.approx(2.0, rel=1e-3)


def test_reversed_places_take_the_copying_away() -> None:
    scores = read(of("reversed_positions", built()))
    # An even token takes its place for an odd one, which copies from itself; an odd one copies from what came before.
    assert scores["even", "next"] == pytest.approx(0.0, abs=1e-12)
    assert scores["odd", "previous"] == pytest.approx(1.0, abs=1e-12)


def test_shuffled_labels_are_copied_like_others() -> None:
    assert read(of("shuffled_labels", built())) == pytest.approx(read(built()), abs=1e-12)


def test_every_entry_is_the_gradient_found_one_by_one() -> None:
    subject = drawn(30.0)
    array = PROBE(subject, generator(0, "tests/copying")).array("sensitivity")
    inputs = subject.encode(subject.prompts(30, generator(0, "tests/copying")))
    values = inputs.values.clone().requires_grad_()
    seen: dict[str, torch.Tensor] = {}

    def keep(resid: torch.Tensor, hook: Any) -> None:
        seen["resid"] = resid

    assert isinstance(subject.model, InContextTransformer)
    with subject.model.hooks([("blocks.0.hook_resid_post", keep)]):
        subject.model(replace(inputs, values=values))
    for k in range(6):
        (slope,) = torch.autograd.grad(seen["resid"][:, k].sum(), values, retain_graph=True)
        expected = slope[:, :6, :4].mean(0).norm(dim=-1)
        # Float64, another order of the same sums.
        np.testing.assert_allclose(array[k], expected.detach(), rtol=1e-10, atol=1e-12)
    assert array.std() > 0.1


def test_means_are_over_the_tokens_that_they_name() -> None:
    subject = drawn(30.0)
    reading = PROBE(subject, generator(0, "tests/copying"))
    array, found = reading.array("sensitivity"), read(subject)
    assert found["even", "next"] == pytest.approx(np.mean([array[k, k + 1] for k in (0, 2, 4)]))
    assert found["odd", "next"] == pytest.approx(np.mean([array[k, k + 1] for k in (1, 3)]))
    assert found["even", "previous"] == pytest.approx(np.mean([array[k, k - 1] for k in (2, 4)]))
    near, far = found["even", "next"], found["even", "other"]
    assert found["even", "contrast"] == pytest.approx((near - far) / (near + far))
    rest = [array[k, m] for k in (1, 3, 5) for m in range(6) if m not in (k, k + 1)]
    # The last token has one more of the others than the rest, and each k counts by its entries.
    assert found["odd", "other"] == pytest.approx(np.mean(rest))


def test_bases_and_batch_order_change_nothing() -> None:
    subject = drawn(30.0)
    reordered = RegressionSubject(subject.model, subject.reader, ReorderedRegression(TASK))
    for other in (rotated_basis(subject), reordered):
        first, second = PROBE(subject, generator(0, "tests/copying")), PROBE(other, generator(0, "tests/copying"))
        # Two bases multiply out to the same products up to the condition of the rotation, about 1e3, times 1e-16.
        np.testing.assert_allclose(first.table["value"], second.table["value"], rtol=1e-8)
        np.testing.assert_allclose(first.array("sensitivity"), second.array("sensitivity"), rtol=1e-8)


@pytest.mark.parametrize("training", [True, False])
def test_the_probe_leaves_everything_as_it_was(training: bool) -> None:
    subject = drawn()
    model = subject.model
    assert isinstance(model, InContextTransformer)
    model.train(training)
    model.blocks[0].hook_resid_post.add_hook(lambda tensor, hook: None)
    model.blocks[0].attn.W_Q.grad = torch.ones_like(model.blocks[0].attn.W_Q)
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    state = torch.get_rng_state()
    PROBE(subject, generator(0, "tests/untouched"))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training is training
    assert len(model.blocks[0].hook_resid_post.fwd_hooks) == 1
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())
    assert torch.equal(model.blocks[0].attn.W_Q.grad, torch.ones_like(model.blocks[0].attn.W_Q))
    assert model.blocks[0].attn.W_V.grad is None


def test_it_says_where_it_does_not_apply() -> None:
    assert PROBE.applies(built()) is None
    assert "interleaved tokens" in str(PROBE.applies(constructed()))
    one_layer = InContextTransformer(InContextConfig(), 14)
    assert "one layer" in str(PROBE.applies(RegressionSubject(one_layer, InterleavedReader(), TASK)))
    assert "HookedTransformer" in str(PROBE.applies(RegressionSubject(torch.nn.Identity(), InterleavedReader(), TASK)))


def test_by_default_it_is_asked_beside_controls_that_can_contradict_it() -> None:
    subject = RegressionSubject(drawn().model, InterleavedReader(), TASK)
    reading, skipped = probe_subjects([PROBE], [subject])
    assert not skipped
    expected = ["none", "untrained", "reversed_positions", "constructed_interleaved"]
    assert reading.table["control"].unique().tolist() == expected


def test_the_constructed_control_is_the_tuned_step_and_others_are_not() -> None:
    subject = RegressionSubject(drawn().model, InterleavedReader(), TASK)
    tables, probe = {}, GDAlignment(prompts=1000, learners=(GradientDescent(),), by_layer=False)
    for name in ("constructed_interleaved", "shuffled_labels", "reversed_positions", "untrained"):
        table = probe(of(name, subject), generator(0, "tests/alignment")).table
        tables[name] = table[table["learner"] == "gd"].set_index("metric")["value"]
    assert float(tables["constructed_interleaved"]["sensitivity_cosine"]) > 0.999999
    # Tuned on other prompts than the learner here: the two step sizes differ by a few per cent.
    assert float(tables["constructed_interleaved"]["relative_distance"]) < 0.1
    for name in ("shuffled_labels", "reversed_positions", "untrained"):
        assert abs(float(tables[name]["sensitivity_cosine"])) < 0.5


def test_controls_say_in_one_line_why_not() -> None:
    for name in ("constructed_interleaved", "reversed_positions"):
        assert "interleaved tokens" in str(CONTROLS[name](constructed()))
    assert "\n" not in str(CONTROLS["constructed"](built()))
    assert "paired tokens" in str(
        CONTROLS["constructed"](RegressionSubject(constructed().model, InterleavedReader(), TASK))
    )
    two = LinearRegression(d_in=4, d_out=2, context=3)
    assert "several" in str(
        CONTROLS["constructed_interleaved"](RegressionSubject(drawn().model, InterleavedReader(2), two))
    )
