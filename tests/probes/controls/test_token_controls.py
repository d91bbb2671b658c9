"""Controls of language models are what they say, and probes of regression say that they are not for them."""

import pytest
import torch

from mesa import generator
from mesa.learners.token_predictors import gradient_step, normalised_bigram
from mesa.models.language import TokenTransformer
from probes import CONTROLS, LanguageSubject, probe_subjects
from probes.measure import measure
from probes.plan import probe_of
from probes.probe import Skipped
from probes.registry import OF_PREDICTIONS, PROBES
from tasks import NextTokenReader, RepeatedTokens
from tests.helpers import subjects
from tests.helpers.token_subjects import CHAIN, untrained

TOKEN_CONTROLS = OF_PREDICTIONS["tokens"]
FOR_TOKENS = ("composition", "head_attribution", "induction_as_gradient_step", "induction_scores", "token_alignment")


def control(name: str, subject: LanguageSubject) -> LanguageSubject:
    control = CONTROLS[name](subject)
    assert isinstance(control, LanguageSubject)
    assert control.control == name
    return control


def test_untrained_is_the_step_0_model_of_the_seed():
    subject = untrained()
    assert isinstance(subject.model, TokenTransformer)
    other = LanguageSubject(untrained().model, NextTokenReader(), subject.task, seed=1)
    for weight in other.model.parameters():
        weight.data.zero_()
    again = control("untrained", other).model
    assert all(torch.equal(a, b) for a, b in zip(subject.model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "rule", "scale"),
    [("constructed_induction", normalised_bigram, 10.0), ("constructed_pair_step", gradient_step, 1.0)],
)
@pytest.mark.parametrize("task", [CHAIN, RepeatedTokens(vocabulary=6, length=20, shortest=4, longest=8, bos=3)])
def test_constructed_heads_are_their_rule(name, rule, scale, task):
    subject = control(name, untrained(task))
    prompt = subject.prompts(10, generator(0, "tests/controls"))
    wanted = scale * rule(prompt, torch.arange(task.d_vocab))
    torch.testing.assert_close(subject.predict(prompt), wanted, rtol=0, atol=1e-10)


def test_shuffled_tokens_moves_what_is_read_between_the_first_and_the_last():
    subject = untrained(CHAIN)
    prompt = subject.prompts(10, generator(0, "tests/controls"))
    clean = subject.encode(prompt).values
    moved = control("shuffled_tokens", subject).encode(prompt).values
    assert torch.equal(moved[:, 0], clean[:, 0]) and torch.equal(moved[:, -1], clean[:, -1])
    assert torch.equal(moved.sort(dim=1).values, clean.sort(dim=1).values)
    assert (moved != clean).any(dim=1).all()


@pytest.mark.parametrize("name", TOKEN_CONTROLS[1:])
def test_controls_of_language_models_say_what_they_are_for(name):
    assert CONTROLS[name](subjects.untrained()) == "it is for language models of token sequences"


def test_a_large_vocabulary_has_no_construction():
    large = untrained(RepeatedTokens(vocabulary=1000))
    assert "one-hot channels for 1001 ids" in str(CONTROLS["constructed_induction"](large))


@pytest.mark.parametrize("name", [name for name in PROBES if name not in FOR_TOKENS])
def test_a_probe_of_regression_says_in_one_line_that_it_is_not_for_symbols(name):
    for task in (CHAIN, RepeatedTokens(length=24, shortest=4, longest=8)):
        outcome = measure(probe_of(name, 8), untrained(task))
        assert isinstance(outcome, Skipped)
        assert outcome.reason and "\n" not in outcome.reason


@pytest.mark.parametrize("name", [name for name in FOR_TOKENS if name != "head_attribution"])
def test_a_probe_of_symbols_says_in_one_line_that_it_is_not_for_regression(name):
    outcome = measure(probe_of(name, 8), subjects.untrained())
    assert isinstance(outcome, Skipped) and "token sequences" in outcome.reason


@pytest.mark.parametrize("name", [name for name in CONTROLS if not name.startswith("constructed_interleaved")])
def test_every_control_is_a_subject_or_one_line(name):
    control = CONTROLS[name](untrained(CHAIN))
    assert isinstance(control, LanguageSubject) or (control and "\n" not in control)


def test_a_suite_measures_token_probes_beside_their_own_controls_and_skips_the_rest_once():
    probes = [probe_of(name, 8) for name in ("induction_scores", "composition", "gd_alignment")]
    reading, skipped = probe_subjects(probes, [untrained(CHAIN)])
    seen = reading.table.groupby("probe")["control"].unique()
    assert seen["induction_scores"].tolist() == ["none", *TOKEN_CONTROLS]
    assert seen["composition"].tolist() == ["none", "untrained", "constructed_induction"]
    assert [(item.probe, item.subject) for item in skipped] == [("gd_alignment", "none")]
