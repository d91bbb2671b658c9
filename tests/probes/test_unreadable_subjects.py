"""A subject that cannot answer its task's prompts is refused in one line, whatever probe is put to it."""

from typing import Any

import pytest
import torch
from torch import nn

from mesa import generator
from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent
from mesa.models.language import TokenTransformer
from probes import GDAlignment, Identify, InductionScores, LanguageSubject, RegressionSubject, probe_subjects
from probes.measure import measure, why_not_readable
from probes.probe import Skipped
from tasks import LinearRegression, NextTokenReader, PairedReader
from tests.helpers import token_subjects

TASK = LinearRegression(d_in=3)


class NoParameters(nn.Module):
    """One gradient step of size 0.6, without anything to train."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        context, query = tokens[:, :-1], tokens[:, -1:]
        prediction = 0.6 * (query[..., :-1] @ context[..., :-1].mT) @ context[..., -1:]
        return torch.cat([context, torch.cat([query[..., :-1], query[..., -1:] - prediction], dim=-1)], dim=1)


def reason(probe: Any, subject: Any) -> str:
    skipped = measure(probe, subject)
    assert isinstance(skipped, Skipped) and "\n" not in skipped.reason
    return skipped.reason


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(bad: float) -> None:
    model = gradient_step_model(0.6, d_in=3)
    with torch.no_grad():
        model.blocks[0].attn.W_V[0, 0, 0] = bad
    for probe in (Identify(prompts=50), GDAlignment(prompts=50)):
        line = reason(probe, RegressionSubject(model, PairedReader(), TASK))
        assert line == "weights: blocks.0.attn.W_V holds a number that is not finite"


def test_a_module_without_parameters_is_probed_in_single_precision() -> None:
    subject = RegressionSubject(NoParameters(), PairedReader(), TASK)
    assert (subject.dtype, subject.device) == (torch.float32, torch.device("cpu"))
    table, _ = probe_subjects([Identify(prompts=200, max_steps=1)], [subject], ())
    (identified,) = table.table[table.table["metric"] == "identified"][["learner", "learner_step"]].values.tolist()
    assert identified == ["gd", 1]


def test_a_language_model_on_a_regression_task_is_refused() -> None:
    model = token_subjects.untrained().model
    assert isinstance(model, TokenTransformer)
    assert "LinearRegression draws a RegressionPrompt" in reason(
        InductionScores(prompts=5),
        LanguageSubject(model, NextTokenReader(), TASK),  # pyright: ignore[reportArgumentType]
    )
    line = reason(Identify(prompts=50), RegressionSubject(model, PairedReader(), TASK))
    assert line.startswith("model: it cannot read a prompt of its task")


def test_a_check_moves_no_random_state() -> None:
    model = nn.Sequential(nn.Dropout(0.5), NoParameters())
    state = torch.get_rng_state()
    assert why_not_readable(RegressionSubject(model, PairedReader(), TASK)) is None
    assert torch.equal(torch.get_rng_state(), state)


def test_a_learner_is_a_subject_and_a_control_changes_what_it_sees() -> None:
    task = LinearRegression()
    learner = GradientDescent().fit(task.sample(2000, generator(0, "tests/tuning")).to(dtype=torch.float64))
    subject = RegressionSubject(learner, PairedReader(), task)
    reading, skipped = probe_subjects([GDAlignment(prompts=500, learners=(), rivals=(learner,))], [subject])
    table = reading.table.set_index(["metric", "control"])["value"]
    # The explicit learner is itself, to rounding; with shuffled labels it is not.
    assert table["relative_distance", "none"] < 1e-12 < 0.5 < table["relative_distance", "shuffled_labels"]
    assert table["sensitivity_cosine", "none"] == pytest.approx(1, abs=1e-12)
    assert {item.subject for item in skipped} == {"untrained", "constructed"}
