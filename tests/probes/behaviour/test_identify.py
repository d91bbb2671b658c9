"""identify names what was planted, says none where nothing on its list fits, and sees no head's basis."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from mesa import LanguageConfig
from mesa.construction import gradient_step_model, newton_model
from mesa.learners import GradientDescent, KernelRidge, Ridge
from mesa.learners.descent.steps import typical_norm
from mesa.models.language import TokenTransformer
from mesa.registry import LEARNERS, CandidateSpace, learner_of
from probes import probe_subjects
from probes.behaviour.identification.candidates import Candidate, candidates
from probes.behaviour.identification.shares import Shares
from probes.behaviour.identification.turns import SignedPermutation
from probes.behaviour.identification.verdict import Answer, decide, identify
from probes.behaviour.identify import Identify
from probes.controls.planted import Planted, last_step, noisy, rotate_queries
from probes.subject import RegressionSubject
from tasks import LinearRegression, PairedReader
from tasks.regression.shifts import InputScale

TASK = LinearRegression(d_in=5, context=8)
PROBE = Identify(prompts=400, max_steps=2)
PROBE_OF_FIVE = Identify(prompts=400, max_steps=5)


def subject(model) -> RegressionSubject:
    return RegressionSubject(model, PairedReader(), TASK)


def unit(seeded) -> float:
    return 1.0 / typical_norm(TASK.sample(500, seeded(0)))


def named(table, metric="identified") -> tuple[str, Any]:
    (row,) = [row for _, row in table[table["metric"] == metric].iterrows()]
    return row["learner"], None if row.isna()["learner_step"] else int(row["learner_step"])


def answered(model, seeded, task=TASK, **settings) -> str:
    """All answers, as words."""
    evidence = replace(PROBE, **settings).evidence(RegressionSubject(model, PairedReader(), task), seeded(2))
    return " or ".join(str(answer) for answer in evidence.identity(50, seeded(3)).answers)


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
    evidence = PROBE.evidence(subject(model), seeded(2))
    identity = evidence.identity(50, seeded(3))
    assert [str(answer) for answer in identity.answers] == [f"{expected[0]} {expected[1]}"]
    assert identity.answers[0].everywhere and identity.certainty >= 0.95
    # Without all candidates that explain it, none does; the margin is how much worse the best of the others is.
    rest = evidence.without(evidence.explaining()).identity(0, seeded(3))
    assert rest.answers == (Answer(None),) and rest.margin > 0


def test_explicit_learners_are_named(seeded):
    for learner, name in ((Ridge.least_squares(), "least_squares"), (Ridge(penalty=0.3), "ridge")):
        assert named(PROBE(subject(learner), seeded(2)).table) == (name, None)


@pytest.mark.parametrize("impostor", ["turned", "mixture"])
def test_impostors_are_none_of_these(seeded, impostor):
    if impostor == "turned":
        model = rotate_queries(PLANTS["gd++ 2"][1](unit(seeded)), seeded(3))
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

    def value(rows, metric):
        (row,) = rows[(rows["metric"] == metric) & (rows["condition"] == "in_distribution")]["value"]
        return row

    total, systematic = (value(chosen, f"unexplained_{part}") for part in ("variance", "systematic"))
    assert total > 0.005 and abs(systematic) < 0.15 * total
    # An identity in expectation; the estimates share their prompts.
    assert abs(value(table, "asymmetry") + systematic - total) < 0.02 * total


def shares(rows: dict[Candidate, list[tuple[float, float]]], asymmetry: float = 0.2) -> Shares:
    """Shares of candidates in distribution and, where there is a second pair, beyond: (total, systematic) each."""
    values = torch.tensor(list(rows.values()), dtype=torch.float64)
    beyond = torch.arange(values.shape[1]) > 0
    total, systematic = values.unbind(dim=-1)
    noise = torch.full_like(total, asymmetry)
    return Shares(tuple(rows), beyond, beyond, total, systematic, torch.zeros_like(total), noise, asymmetry)


ONE, SAME, TWO, RIDGE = (
    Candidate(*row) for row in (("gd", 1, 1), ("gd", 2, 1), ("gd_per_step", 2, 2), ("ridge", 0, 1))
)
UNEVEN = Candidate("preconditioned_gd", 1, 6, equivariant=False)


def test_the_simplest_that_suffices_is_the_answer():
    rows = {ONE: [(0.1, 0.001)], RIDGE: [(0.9, 0.8)], TWO: [(0.1, 0.0)]}
    identity = identify(shares(rows), [])
    assert identity.answers == (Answer(ONE),) and identity.agreeing == (ONE, TWO) and identity.runner_up == RIDGE
    assert identity.margin == pytest.approx(0.799)
    assert decide(shares({ONE: [(0.5, 0.001)]})) == Answer(None)
    assert decide(shares({ONE: [(math.nan, math.nan)]})) == Answer(None)


def test_of_equally_simple_candidates_the_smallest_error_wins():
    assert decide(shares({ONE: [(0.1, 0.002)], SAME: [(0.1, 0.001)]})) == Answer(SAME)
    # Below rounding they are equal, and the order of the rows decides.
    assert decide(shares({ONE: [(0.1, 2e-12)], SAME: [(0.1, 1e-12)]})) == Answer(ONE)


def test_a_deterministic_defect_is_no_noise():
    # Asymmetry that an asymmetric candidate explains, where it is more than five per cent.
    assert decide(shares({ONE: [(0.09, 0.0)], UNEVEN: [(0.008, 0.008)]})) == Answer(UNEVEN)
    assert decide(shares({ONE: [(0.09, 0.0)], UNEVEN: [(0.0091, 0.0091)]})) == Answer(ONE)
    assert decide(shares({ONE: [(0.04, 0.0)], UNEVEN: [(0.001, 0.001)]})) == Answer(ONE)
    # A systematic part where there is no noise to excuse it.
    rows = {ONE: [(0.004, 0.004)], TWO: [(1e-6, 1e-6)]}
    assert decide(shares(rows, asymmetry=0.0)) == Answer(TWO) and decide(shares(rows, asymmetry=0.2)) == Answer(ONE)


def test_a_model_without_asymmetry_has_no_noise_that_excuses_a_misfit():
    assert decide(shares({ONE: [(0.004, 0.004)]}, asymmetry=1e-12)) == Answer(None)
    assert decide(shares({ONE: [(0.004, 0.004)]}, asymmetry=0.01)) == Answer(ONE)
    # A candidate that may be asymmetric is not excused by it.
    assert decide(shares({UNEVEN: [(0.02, 0.02)]}, asymmetry=1e-12)) == Answer(None)
    assert decide(shares({UNEVEN: [(0.02, 0.02)]}, asymmetry=0.1)) == Answer(UNEVEN)
    # Noise of a tenth leaves a twentieth: more than twice that is another algorithm.
    assert decide(shares({ONE: [(0.13, 0.0)]})) == Answer(None)


def test_jumps_of_a_nearest_neighbour_are_no_kernel():
    near, kernel = (
        Candidate("nearest_neighbours", 0, 1, continuous=False),
        Candidate("kernel_regression", 0, 1, limit="nearest_neighbours"),
    )
    assert decide(shares({near: [(0.1, 0.01)], kernel: [(0.09, 0.001)]}, asymmetry=0.02)) == Answer(near)
    # Without noise the kernel is one.
    assert decide(shares({near: [(0.004, 0.004)], kernel: [(1e-9, 1e-9)]}, asymmetry=1e-9)) == Answer(kernel)


def test_two_names_of_one_algorithm_are_one_answer(seeded):
    """In two dimensions two steps of conjugate gradients are least squares: the simpler name is the answer."""
    task = LinearRegression(d_in=2, context=8)
    evidence = PROBE.evidence(RegressionSubject(Ridge.least_squares(), PairedReader(), task), seeded(2))
    shares = evidence.shares
    copies = {str(shares.candidates[index]) for index in shares.copies}
    assert "conjugate_gradients 2" in copies and "least_squares" not in copies
    assert evidence.identity(50, seeded(3)).answers == (Answer(Candidate("least_squares", 0, 0)),)


def test_what_fails_beyond_training_holds_in_distribution_only():
    rows = {ONE: [(0.1, 0.001), (0.5, 0.4)], TWO: [(0.1, 0.0), (0.5, 0.4)]}
    assert decide(shares(rows)) == Answer(ONE, everywhere=False)
    # A wider candidate that holds everywhere is preferred.
    assert decide(shares({**rows, TWO: [(0.1, 0.0), (0.1, 0.01)]})) == Answer(TWO)


def test_answers_that_resamples_do_not_share_are_two():
    first, second = (
        shares({ONE: [(0.1, 0.001)], RIDGE: [(0.1, 0.002)]}),
        shares({ONE: [(0.1, 0.2)], RIDGE: [(0.1, 0.0)]}),
    )
    identity = identify(first, [first] * 90 + [second] * 10)
    assert identity.answers == (Answer(ONE), Answer(RIDGE)) and identity.certainty == pytest.approx(0.9)
    assert identify(first, [first] * 96 + [second] * 4).answers == (Answer(ONE),)


def test_candidates_come_simplest_first():
    listed = candidates(CandidateSpace(d_in=3, max_steps=3, max_costly_steps=2))
    assert [(candidate.free, candidate.steps) for candidate in listed] == sorted(
        (candidate.free, candidate.steps) for candidate in listed
    )
    names = [str(candidate) for candidate in listed]
    assert len(set(names)) == len(names)
    assert {"mean_label", "newton_fitted_scale 2", "heavy_ball 3", "nesterov 3", "weight_decay 2"} <= set(names)
    # Two steps with momentum are two plain steps of a size each, and one step of any method is gradient descent's.
    assert not {"heavy_ball 2", "weight_decay 1", "gd_plus_plus 1", "gd_per_step 1"} & set(names)
    uneven = {candidate.name for candidate in listed if not candidate.equivariant}
    assert uneven == {"preconditioned_gd", "general_preconditioned_gd", "coordinate_descent"}
    assert "teacher_pool" in {each.name for each in candidates(CandidateSpace(3, 3, 2), teachers=True)}


def test_an_uneven_preconditioner_is_named(seeded):
    """Its mean over turned prompts is gradient descent's: what it leaves of it is asymmetry, and no noise."""
    P = 0.9 * unit(seeded) * torch.diag(torch.linspace(0.1, 1.9, 5, dtype=torch.float64))
    for prompts in (400, 800):
        model = gradient_step_model(1.0, d_in=5, preconditioner=P)
        assert answered(model, seeded, prompts=prompts) == "preconditioned_gd 1"
    model = rotate_queries(PLANTS["gd 1"][1](unit(seeded)), seeded(3))
    assert answered(model, seeded) == "general_preconditioned_gd 1"


def test_a_small_step_is_no_ridge(seeded):
    assert answered(gradient_step_model(0.03 * unit(seeded), d_in=5), seeded) == "gd 1"


def test_newtons_iteration_with_one_scale_is_named(seeded):
    model = newton_model(0.5 * unit(seeded) ** 2, d_in=5, steps=2)
    assert answered(model, seeded) == "newton_fitted_scale 2"


@pytest.mark.parametrize("name", ["mean_label", "least_mean_squares", "kernel_regression", "softmax_regression"])
def test_learners_of_other_families_are_named(seeded, name):
    tuning = TASK.sample(400, seeded(7)).to(dtype=torch.float64)
    assert answered(learner_of(name).fit(tuning), seeded) == name


@pytest.mark.parametrize("name", ["heavy_ball", "nesterov", "weight_decay"])
def test_descent_with_memory_is_named(seeded, name):
    size = unit(seeded)
    second = {"penalty": 0.3 / size} if name == "weight_decay" else {"momentum": 0.7}
    model = LEARNERS[name].predictor(3, step_size=0.6 * size, **second)
    assert answered(model, seeded, max_steps=4) == f"{name} 3"


def test_kernel_ridge_is_named(seeded):
    task = LinearRegression(d_in=2, context=8, input_scale=1.0)
    assert answered(KernelRidge(bandwidth=0.5, penalty=0.05), seeded, task=task) == "kernel_ridge"


@pytest.mark.parametrize("defect", ["saturating predictions", "saturating labels"])
def test_what_saturates_is_not_named_without_restriction(seeded, defect):
    """It leaves a thousandth in distribution, for which there is no noise, and far more where labels are doubled."""
    step = last_step(GradientDescent(0.9 * unit(seeded)))

    def saturating(values, bound):
        return bound * torch.tanh(values / bound)

    def predictions(prompt):
        return saturating(step(prompt), 2.0)

    def labels(prompt):
        return step(replace(prompt, y=saturating(prompt.y, 3.0)))

    model = Planted(predictions if defect == "saturating predictions" else labels)
    assert answered(model, seeded) in ("none", "gd 1, in distribution only")


def test_a_posterior_over_a_pool_of_teachers_is_named(seeded):
    task = LinearRegression(d_in=5, context=4, label_noise=0.4, teachers=5)
    assert answered(task.bayes_predictor(), seeded, task=task) == "teacher_pool"


def test_a_model_that_agrees_in_training_only_says_so(seeded):
    step = last_step(GradientDescent(0.9 * unit(seeded)))
    first_examples = Planted(lambda prompt: step(prompt.prefix(min(8, prompt.x.shape[1]))))
    reading = PROBE(subject(first_examples), seeded(2))
    assert named(reading.table, "identified_in_distribution") == ("gd", 1)
    assert not (reading.table["metric"] == "identified").any()


def test_sums_over_examples_may_be_means(seeded):
    """A step on the mean loss has eta, and a step on its sum eta / N, as the same number for other contexts."""
    size = unit(seeded)
    mean = Planted(lambda prompt: GradientDescent(0.9 * size * 8 / prompt.x.shape[1]).predict(prompt)[-1])
    for model, per_example in ((mean, 1.0), (GradientDescent(0.9 * size), 0.0)):
        table = PROBE(subject(model), seeded(2)).table
        assert named(table) == ("gd", 1)
        assert table[table["metric"] == "per_example"]["value"].tolist() == [per_example]


def test_noise_of_the_output_is_judged_at_its_own_scale(seeded):
    step = last_step(GradientDescent(0.9 * unit(seeded)))

    def noisy_step(prompt):
        answer = step(prompt)
        # Different for every prompt: as good as random.
        phase = 1e5 * (prompt.x.sum(dim=(1, 2)) + prompt.y.sum(dim=(1, 2)))[:, None, None]
        return answer + 0.14 * 0.5 * torch.sin(phase)

    assert answered(Planted(noisy_step), seeded) == "gd 1"


def test_the_answer_says_what_it_was_fitted_to(seeded):
    table = PROBE(subject(PLANTS["gd++ 2"][1](unit(seeded))), seeded(2)).table
    values = table[table["metric"] == "parameter"].set_index("readout")["value"]
    assert values["gamma"] == pytest.approx(0.4 * unit(seeded), rel=1e-4)
    assert values["step_size"] == pytest.approx(1.3 * unit(seeded), rel=1e-4)
    assert table[table["metric"] == "r_squared"]["value"].item() == pytest.approx(1.0, abs=1e-6)
    assert table[table["metric"] == "certainty"]["value"].item() == 1.0


@pytest.mark.parametrize("sizes", [(1, 8), (5, 1), (1, 1), (2, 3)])
def test_tasks_of_one_input_or_one_example_are_answered(seeded, sizes):
    task = LinearRegression(d_in=sizes[0], context=sizes[1])
    words = answered(gradient_step_model(0.4, d_in=sizes[0]), seeded, task=task, prompts=200)
    assert "gd 1" in words


def test_a_shifted_task_and_predictions_that_are_not_finite_are_one_line(seeded):
    for subject_, line in (
        (RegressionSubject(GradientDescent(0.5), PairedReader(), InputScale(TASK, 2.0)), "no other or shifted task"),
        (subject(Planted(lambda prompt: prompt.target * math.nan)), "not finite"),
    ):
        reading, (skipped,) = probe_subjects([PROBE], [subject_], ())
        assert reading.table.empty and line in skipped.reason and "\n" not in skipped.reason


def test_a_model_of_one_number_of_examples_is_not_tried_with_others(seeded):
    class Fixed(nn.Module):
        def forward(self, tokens):
            if tokens.shape[1] != 9:
                raise RuntimeError("shape mismatch: 9 tokens are needed")
            return OneStep().forward(tokens)

    table = PROBE(subject(Fixed().double()), seeded(2)).table
    assert named(table) == ("gd", 1)
    dropped = table[table["metric"] == "not_compared"]
    assert dropped[["condition", "condition_value", "value"]].values.tolist() == [
        ["context", 16, 1.0],
        ["context", 4, 1.0],
    ]
    assert set(table[table["condition"] == "context"]["metric"]) == {"not_compared"}


def test_a_module_without_layers_is_tried_with_four_steps(seeded):
    model = Planted(last_step(GradientDescent(0.7 * unit(seeded), 4)))
    assert answered(model, seeded, max_steps=None) == "gd 4"


def test_a_model_that_predicts_no_number_beyond_training_holds_in_distribution_only(seeded):
    # Inputs lie in the unit cube around 0, and in twice that.
    limit = 0.8

    def breaks(prompt):
        step = last_step(GradientDescent(0.9 * unit(seeded)))(prompt)
        return torch.where(prompt.query.abs().amax(dim=-1, keepdim=True) > limit, math.nan, step)

    small = subject(Planted(breaks))
    inside = small.prompts(4000, seeded(2)).query.abs().max()
    assert inside < limit < 2 * inside
    table = PROBE(small, seeded(2)).table
    assert named(table, "identified_in_distribution") == ("gd", 1)
    shares = table[table["metric"] == "not_compared"].set_index(["condition", "condition_value"])["value"]
    assert 0 < shares["input_scale", 2.0] <= 1


def test_a_model_that_overflows_as_its_algorithm_diverges_holds_everywhere(seeded):
    """Each corrected step multiplies exponents by three: single precision overflows where double precision does not."""
    u = unit(seeded)
    model = gradient_step_model(1.3 * u, d_in=5, steps=5, gamma=0.5 * u, tied=True).float()
    small = subject(model)
    table = PROBE_OF_FIVE(small, seeded(2)).table
    assert named(table) == ("gd_plus_plus", 5)
    overflowing = table[table["metric"] == "not_compared"]
    assert set(overflowing["condition"]) and (overflowing["value"] < 1).all()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"turns": 1}, "turns: 1 must be at least 2"),
        ({"prompts": 1}, "prompts: 1 must be at least 2"),
        ({"max_steps": -1}, "max_steps: -1 must be at least 1"),
        ({"max_steps": 0}, "max_steps: 0 must be at least 1"),
        ({"resamples": -1}, "resamples: -1 must be at least 0"),
        ({"label_scales": (math.nan,)}, "label_scales: nan must be positive"),
        ({"input_scales": (0.5, -1.0)}, "input_scales: -1.0 must be positive"),
    ],
)
def test_settings_that_cannot_be_measured_are_refused(settings, line):
    with pytest.raises(ValueError, match=line):
        Identify(**settings)


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
