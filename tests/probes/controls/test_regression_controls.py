"""Controls are what they say: the untrained model, the shuffled prompt, the exact algorithm."""

from dataclasses import replace

import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.learners import GradientDescent, PreconditionedGradientDescent
from probes import CONTROLS, GDAlignment, RegressionSubject, WeightProducts, probe_subjects
from probes.controls.shuffled import shuffled
from probes.hooks import hooked_run
from probes.measure import measure
from probes.probe import Skipped
from tasks import LinearRegression, PairedReader, SineRegression
from tests.helpers.subjects import ANISOTROPIC, constructed, rotated_basis, tuned_size, untrained


def control(name: str, subject: RegressionSubject) -> RegressionSubject:
    control = CONTROLS[name](subject)
    assert isinstance(control, RegressionSubject)
    assert control.control == name
    return control


def test_untrained_is_the_step_0_model_of_the_seed() -> None:
    model = InContextTransformer(InContextConfig(), 11, seed=7)
    trained = InContextTransformer(InContextConfig(), 11, seed=0)
    again = control("untrained", RegressionSubject(trained, PairedReader(), LinearRegression(), seed=7)).model
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert not torch.equal(trained.blocks[0].attn.W_Q, model.blocks[0].attn.W_Q)


def test_shuffled_labels_reach_the_model_and_not_the_learner() -> None:
    subject = constructed()
    seen = control("shuffled_labels", subject)
    prompt = subject.prompts(50, generator(0, "tests/shuffled"))
    assert torch.equal(seen.predict(prompt), subject.predict(shuffled(prompt)))
    assert not torch.equal(seen.predict(prompt), subject.predict(prompt))
    table = GDAlignment(prompts=2000)(seen, generator(0, "tests/probe")).table
    cosine = table[(table.metric == "sensitivity_cosine") & (table.learner == "gd")]["value"].item()
    # Where both see them shuffled the construction still agrees with gradient descent.
    both = GDAlignment(prompts=2000)(control("shuffled_labels_both", subject), generator(0, "tests/probe")).table
    agreed = both[(both.metric == "sensitivity_cosine") & (both.learner == "gd")]["value"].item()
    assert abs(cosine) < 0.1 < 0.999 < agreed


def test_shuffling_moves_every_label_and_keeps_their_set() -> None:
    prompt = LinearRegression().sample(20, generator(0, "tests/derangement"))
    moved = shuffled(prompt)
    assert not (moved.y == prompt.y).any()
    assert torch.equal(moved.y.sort(dim=1).values, prompt.y.sort(dim=1).values)
    assert torch.equal(moved.x, prompt.x) and torch.equal(moved.target, prompt.target)


def test_constructed_controls_perform_their_algorithm() -> None:
    subject = untrained(ANISOTROPIC)
    prompt = subject.prompts(100, generator(0, "tests/constructed"))
    tuning = subject.prompts(10_000, generator(0, "control/constructed"))
    for name, learner in (
        ("constructed", GradientDescent()),
        ("constructed_preconditioned", PreconditionedGradientDescent()),
    ):
        fresh_subject = control(name, subject).predict(prompt)
        torch.testing.assert_close(fresh_subject, learner.fit(tuning).predict(prompt)[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["constructed_larger_step", "constructed_uneven_step"])
def test_near_misses_of_one_step_are_a_fifth_away_from_it(name: str) -> None:
    exact, near = (control(each, untrained()) for each in ("constructed", name))
    prompt = untrained().prompts(20_000, generator(0, "tests/near"))
    f, g = near.predict(prompt), exact.predict(prompt)
    # The spread over coordinates has this relative distance in expectation only.
    assert float((f - g).norm() / g.norm()) == pytest.approx(0.2, abs=0.005)
    cosine = torch.nn.functional.cosine_similarity(near.sensitivity(prompt), exact.sensitivity(prompt), dim=-1).mean()
    assert float(cosine) == pytest.approx(1.0 if "larger" in name else 0.982, abs=0.003)
    two_layers = InContextTransformer(InContextConfig(n_layers=2, tied=True), 11, dtype=torch.float64)
    tied = RegressionSubject(two_layers, PairedReader(), near.task)
    assert not torch.allclose(control(name, tied).predict(prompt), control("constructed", tied).predict(prompt))


def test_one_coordinate_has_no_uneven_step() -> None:
    assert "one input coordinate" in str(CONTROLS["constructed_uneven_step"](untrained(LinearRegression(d_in=1))))


def test_a_larger_update_and_a_second_application_change_the_one_step() -> None:
    subject = constructed()
    prompt = subject.prompts(50, generator(0, "tests/update"))
    x, y, query = prompt.x, prompt.y, prompt.query
    step = tuned_size()
    one = step * query @ (x.mT @ y)
    torch.testing.assert_close(control("larger_update", subject).predict(prompt), 1.2 * one)
    two = one + step * query @ (x.mT @ (y - step * x @ (x.mT @ y)))
    torch.testing.assert_close(control("applied_twice", subject).predict(prompt), two)
    deep = replace(subject, model=InContextTransformer(InContextConfig(n_layers=2), 11))
    assert all("one layer" in str(CONTROLS[name](deep)) for name in ("larger_update", "applied_twice"))


def test_a_layer_is_applied_twice_behind_one_embedding() -> None:
    config = InContextConfig(d_model=6, input_mlp=8, init_variance=2.0)
    subject = RegressionSubject(InContextTransformer(config, 2, dtype=torch.float64), PairedReader(), SineRegression())
    twice = control("applied_twice", subject).with_hooks()
    prompt = subject.prompts(20, generator(0, "tests/twice"))
    inputs = subject.encode(prompt)
    first, stream = hooked_run(subject.with_hooks(), inputs, keep=["blocks.0.hook_resid_pre"])
    second, streams = hooked_run(twice, inputs, keep=["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"])
    torch.testing.assert_close(streams["blocks.0.hook_resid_pre"], stream["blocks.0.hook_resid_pre"])
    torch.testing.assert_close(streams["blocks.1.hook_resid_pre"], first)
    assert not torch.allclose(second, first)


def test_fresh_teachers_are_not_the_fixed_ones() -> None:
    fixed = LinearRegression(teachers=2)
    subject = untrained(fixed)
    fresh_subject = control("fresh_teachers", subject)
    assert fresh_subject.model is subject.model
    fresh, own = (each.prompts(50, generator(0, "tests/fresh")).teacher for each in (fresh_subject, subject))
    assert own is not None and fresh is not None
    assert len(own.unique(dim=0)) == 2 and len(fresh.unique(dim=0)) == 50
    assert "fresh" in str(CONTROLS["fresh_teachers"](untrained()))


def test_identified_only_predicts_the_same() -> None:
    subject = rotated_basis(untrained())
    prompt = subject.prompts(100, generator(0, "tests/identified"))
    kept = control("identified_only", subject)
    # Weights are multiplied out in another order: rounding only.
    torch.testing.assert_close(kept.predict(prompt), subject.predict(prompt), rtol=1e-9, atol=1e-15)
    other = kept.output(kept.encode(prompt)) - subject.output(subject.encode(prompt))
    assert other.abs().max() > 1e-12


class Foreign(torch.nn.Module):
    """A researcher's own model: tokens in, residual stream out, no TransformerLens and no configuration."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.tensor(size))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        context, query = tokens[:, :-1], tokens[:, -1:]
        change = (query[..., :-1] @ context[..., :-1].mT) @ context[..., -1:]
        return torch.cat(
            [tokens[..., :-1], tokens[..., -1:] - self.size * torch.nn.functional.pad(change, (0, 0, 10, 0))], -1
        )


def test_a_foreign_model_is_probed_and_told_what_does_not_apply() -> None:
    subject = RegressionSubject(Foreign(0.6), PairedReader(), LinearRegression())
    reading, skipped = probe_subjects([GDAlignment(prompts=2000), WeightProducts()], [subject])
    rows = reading.table[(reading.table.metric == "sensitivity_cosine") & (reading.table.learner == "gd")]
    assert rows[rows.control == "none"]["value"].item() == pytest.approx(1, abs=1e-5)
    assert abs(rows[rows.control == "shuffled_labels"]["value"].item()) < 0.1
    reasons = {(item.probe, item.subject): item.reason for item in skipped}
    assert "InContextTransformer" in reasons["weight_products", "none"]
    assert "initialised" in reasons["gd_alignment", "untrained"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (InContextConfig(kernel="softmax"), "softmax"),
        (InContextConfig(n_heads=2), "2 heads"),
        (InContextConfig(normalization="LN"), "norm"),
        (InContextConfig(d_mlp=8), "MLP"),
        (InContextConfig(d_model=20), "embedding"),
    ],
)
def test_weights_that_cannot_be_compared_say_why(config: InContextConfig, reason: str) -> None:
    subject = RegressionSubject(InContextTransformer(config, 11), PairedReader(), LinearRegression())
    outcome = measure(WeightProducts(), subject)
    assert isinstance(outcome, Skipped)
    assert reason in outcome.reason
