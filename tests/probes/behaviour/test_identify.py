"""identify names what was planted, says none where nothing on its list fits, and sees no head's basis."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from mesa import LanguageConfig
from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, Ridge
from mesa.learners.descent.steps import typical_norm
from mesa.models.language import TokenTransformer
from mesa.registry import CandidateSpace
from probes import probe_subjects
from probes.behaviour.candidates import Candidate, SignedPermutation, candidates
from probes.behaviour.identify import Identify, Score, decide
from probes.controls.planted import Planted, last_step, noisy, rotate_queries
from probes.subject import RegressionSubject
from tasks import LinearRegression, PairedReader

TASK = LinearRegression(d_in=5, context=8)
PROBE = Identify(prompts=400, max_steps=2)


def subject(model) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(), TASK)


def unit(seeded) -> float:
    return 1.0 / typical_norm(TASK.sample(500, seeded(0)))


def named(table) -> tuple[str, Any]:
    row = table[table["metric"] == "identified"].iloc[0]
    return row["learner"], None if row.isna()["learner_step"] else int(row["learner_step"])


PLANTS = {
    "gd 1": (("gd", 1), lambda u: gradient_step_model(0.9 * u, d_in=5)),
    "gd 2": (("gd", 2), lambda u: gradient_step_model(0.8 * u, d_in=5, steps=2, tied=True)),
    "gd++ 2": (("gd_plus_plus", 2), lambda u: gradient_step_model(1.3 * u, d_in=5, steps=2, gamma=0.4 * u, tied=True)),
}


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("plant", PLANTS)
def test_plants_are_named_and_nothing_else_is(seeded, plant, noise):
    expected, build = PLANTS[plant]
    model = noisy(build(unit(seeded)), noise, seeded(1))
    reading = PROBE(subject(model), seeded(2))
    assert named(reading.table) == expected
    scores, _ = PROBE.scores(subject(model), seeded(2))
    agreeing = set(decide(scores).agreeing)
    # What contains the answer explains as much; without all of them nothing does.
    assert any(other.name != expected[0] for other in agreeing)
    rest = decide([score for score in scores if score.candidate not in agreeing])
    assert rest.answer is None and rest.margin > 0
    # The margin is how much worse the best of the others is.
    assert decide(scores).margin == pytest.approx(rest.margin, abs=0.01)


def test_explicit_learners_are_named(seeded):
    for learner, name in ((Ridge.least_squares(), "least_squares"), (Ridge(penalty=0.3), "ridge")):
        assert named(PROBE(subject(learner), seeded(2)).table) == (name, None)


@pytest.mark.parametrize("impostor", ["turned", "mixture"])
def test_impostors_are_none_of_these(seeded, impostor):
    if impostor == "turned":
        model = rotate_queries(PLANTS["gd 2"][1](unit(seeded)), seeded(3))
    else:
        step, fit = last_step(GradientDescent(0.9 * unit(seeded))), last_step(Ridge.least_squares())
        model = Planted(lambda prompt: (step(prompt) + fit(prompt)) / 2)
    reading = PROBE(subject(model), seeded(2))
    assert named(reading.table) == ("none", None)
    assert not (reading.table["metric"] == "agrees").any()


def test_a_basis_of_the_heads_changes_nothing(seeded):
    model = PLANTS["gd++ 2"][1](unit(seeded))
    plain, turned_heads = (PROBE(subject(m), seeded(2)).table for m in (model, noisy(model, 0.0, seeded(4))))
    assert plain["learner"].equals(turned_heads["learner"])
    torch.testing.assert_close(
        torch.tensor(plain["value"].to_numpy()), torch.tensor(turned_heads["value"].to_numpy()), rtol=1e-4, atol=1e-6
    )


def test_turned_prompts_get_the_same_answer_from_equivariant_learners(seeded):
    prompt = TASK.sample(6, seeded(0), queries=2).to(dtype=torch.float64)
    turns = SignedPermutation.draw(6, 5, True, seeded(1))
    for learner in (GradientDescent(0.4, 2), Ridge.least_squares()):
        again = learner.predict(turns(prompt))[-1] * turns.label.double()
        torch.testing.assert_close(again, learner.predict(prompt)[-1], rtol=1e-9, atol=1e-9)
    # A model with a preference among coordinates does not give it.
    uneven = gradient_step_model(1.0, d_in=5, preconditioner=torch.diag(torch.arange(1.0, 6.0)))
    answers = subject(uneven).predict(turns(prompt)) * turns.label.double()
    assert not torch.allclose(answers, subject(uneven).predict(prompt), atol=1e-3)
    kept = SignedPermutation.draw(6, 5, False, seeded(1))
    assert torch.equal(kept(prompt).x.abs(), prompt.x.abs())


def test_unexplained_variance_is_asymmetry_and_a_systematic_part(seeded):
    """Noise of 10 % in one layer is asymmetry alone: what is left for telling learners apart is near nothing."""
    model = noisy(PLANTS["gd 1"][1](unit(seeded)), 0.1, seeded(1))
    table = replace(PROBE, prompts=2000)(subject(model), seeded(2)).table
    chosen = table[(table["learner"] == "gd") & (table["learner_step"] == 1)]

    def values(rows, metric):
        return rows[rows["metric"] == metric].set_index("condition")["value"].groupby(level=0).first()

    total, systematic = (values(chosen, f"unexplained_{part}") for part in ("variance", "systematic"))
    asymmetry = values(table, "asymmetry")
    assert (total > 0.005).all()
    assert (systematic.abs() < 0.15 * total).all()
    # An identity in expectation; the estimates share their prompts.
    assert ((asymmetry + systematic - total).abs() < 0.02 * total).all()


def test_the_simplest_that_suffices_is_the_answer():
    one, two, far = (Candidate("gd", 1, 1), Candidate("gd_per_step", 2, 2), Candidate("ridge", 0, 1))
    scores = [Score(one, 0.1, 0.001), Score(far, 0.9, 0.8), Score(two, 0.1, 0.0)]
    identity = decide(scores, bound=0.3, systematic=0.005)
    assert identity.answer == one and identity.agreeing == (one, two) and identity.runner_up == far
    assert identity.margin == pytest.approx(0.799)
    assert decide(scores, bound=0.05, systematic=0.005).answer is None
    assert decide([Score(one, math.nan, 0.0)], 0.3, 0.005).answer is None
    assert math.isnan(decide([]).margin)


def test_candidates_come_simplest_first():
    listed = candidates(CandidateSpace(d_in=3, max_steps=3, max_costly_steps=2))
    assert [(candidate.name, candidate.steps, candidate.free) for candidate in listed] == [
        ("averaging", 0, 0),
        ("least_squares", 0, 0),
        ("newton", 1, 0),
        ("conjugate_gradients", 1, 0),
        ("newton", 2, 0),
        ("conjugate_gradients", 2, 0),
        ("newton", 3, 0),
        ("conjugate_gradients", 3, 0),
        ("newton", 4, 0),
        ("newton", 5, 0),
        ("newton", 6, 0),
        ("ridge", 0, 1),
        ("nearest_neighbours", 0, 1),
        ("gd", 1, 1),
        ("gd", 2, 1),
        ("gd", 3, 1),
        ("gd_plus_plus", 2, 2),
        ("gd_per_step", 2, 2),
        ("gd_plus_plus", 3, 2),
        ("gd_plus_plus_per_step", 2, 3),
        ("gd_per_step", 3, 3),
        ("preconditioned_gd", 1, 6),
        ("preconditioned_gd", 2, 6),
    ]
    assert [candidate.name for candidate in listed if not candidate.equivariant] == ["preconditioned_gd"] * 2


def test_one_turn_is_refused():
    with pytest.raises(ValueError, match="turns: 1 must be at least 2"):
        Identify(turns=1)


class OneStep(nn.Module):
    """One gradient step on paired tokens, without any parameter."""

    def forward(self, tokens):
        x, y = tokens[..., :5], tokens[..., 5:]
        step = x[:, -1:] @ (x[:, :-1].mT @ y[:, :-1])
        return torch.cat([x, torch.cat([y[:, :-1], -0.3 * step], dim=1)], dim=-1)


def test_a_module_without_parameters_is_identified(seeded):
    assert named(PROBE(subject(OneStep().double()), seeded(2)).table) == ("gd", 1)


def test_weights_that_are_not_a_number_are_one_line():
    model = gradient_step_model(0.5, d_in=5)
    with torch.no_grad():
        model.blocks[0].attn.W_Q.fill_(math.nan)
    reading, (skipped,) = probe_subjects([PROBE], [subject(model)], ())
    assert reading.table.empty and "not finite" in skipped.reason and "\n" not in skipped.reason


def test_a_language_model_with_a_regression_task_is_one_line():
    model = TokenTransformer(LanguageConfig(d_model=8, kernel="softmax"), 5, 8)
    reading, (skipped,) = probe_subjects([PROBE], [subject(model)], ())
    assert reading.table.empty and "cannot read a prompt" in skipped.reason and "\n" not in skipped.reason


@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_a_model_that_predicts_a_constant_is_one_line(constant):
    model = Planted(lambda prompt: torch.full_like(prompt.target, constant))
    reading, (skipped,) = probe_subjects([PROBE], [subject(model)], ())
    assert reading.table.empty and "the same for every prompt" in skipped.reason and "\n" not in skipped.reason


def test_a_model_of_small_predictions_is_no_constant(seeded):
    step = last_step(GradientDescent(0.9 * unit(seeded)))
    assert PROBE.applies(subject(Planted(lambda prompt: 1e-12 * step(prompt)))) is None
