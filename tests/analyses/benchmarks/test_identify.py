"""The validation of identify is itself valid: plants are what they are called, and a wrong answer is counted."""

import pytest
import torch

from analyses.benchmarks.identify import PlantAnswer, answers, summary
from analyses.benchmarks.identify_jobs import TASKS, Job, all_jobs
from analyses.benchmarks.impostors import IMPOSTORS
from analyses.benchmarks.off_list import OFF_LIST
from mesa.construction import gradient_step_model, weight_products
from mesa.learners import GradientDescent
from mesa.registry import LEARNERS
from probes.controls.planted import Planted, last_step, noisy, noisy_embedding


def test_every_row_with_plants_every_impostor_and_every_noise_is_tried() -> None:
    jobs = list(all_jobs())
    planted = {f"{name} {steps}".removesuffix(" 0") for name, row in LEARNERS.items() for steps in row.plants}
    assert {job.kind for job in jobs} == {*planted, *IMPOSTORS, *OFF_LIST}
    assert {"gd_plus_plus 2", "newton_fitted_scale 2", "heavy_ball 3", "mean_label", "least_mean_squares"} <= planted
    assert {job.noise for job in jobs if job.kind in planted} == {(0.0, 0.03, 0.1)}
    assert {job.setting for job in jobs if job.kind == "preconditioned_gd 1"} == {"uneven"}


def test_a_plant_is_named_and_without_its_class_is_not() -> None:
    (row, rest) = answers(Job("gd 1", "d=5 N=20 noise=.2", (0.03,)))
    assert (row.plants, row.expected, row.answer) == ("calibration", "gd 1", "gd 1")
    assert rest.plant.endswith("class taken off") and (rest.expected, rest.answer) == ("none", "none")


def test_an_impostor_is_none_of_them() -> None:
    (row,) = answers(Job("mixture of gd 1 and least_squares", "d=5 N=20 noise=.2", (0.0,)))
    assert (row.expected, row.answer) == ("none", "none")


def test_the_summary_says_which_set_is_which() -> None:
    rows = [
        PlantAnswer("calibration", "gd 1, a", "gd 1", "gd 1"),
        PlantAnswer("calibration", "gd 1, b", "gd 1", "gd 1 or ridge"),
        PlantAnswer("reporting", "c", "none", "ridge"),
    ]
    text = summary(rows)
    first, second = text.index("calibration plants, on which the bounds were set"), text.index("reporting plants, on")
    assert first < text.index("gd: 1.5 of 2") < text.index("gd 1, b: gd 1 or ridge, not gd 1") < second
    assert second < text.index("c: ridge, not none") and "impostors named: 1" in text


@pytest.mark.parametrize("tied", [False, True])
def test_noise_is_relative_to_each_weight_and_a_basis_changes_no_product(seeded, tied: bool) -> None:
    model = gradient_step_model(0.5, d_in=4, steps=2, gamma=0.1, tied=tied)
    A, V = weight_products(model)
    for ours, theirs in zip(weight_products(noisy(model, 0.0, seeded(0))), (A, V), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    moved, _ = weight_products(noisy(model, 0.1, seeded(0)))
    # Entries that the algorithm has as zero stay zero; the others move by about 14 %, a product of two.
    assert float((moved - A)[A == 0].abs().max()) < 1e-12
    assert 0.02 < float((moved - A)[A != 0].std()) < 0.4
    assert bool((moved[0] == moved[1]).all()) == tied


def test_a_planted_learner_predicts_what_the_learner_does(seeded) -> None:
    from probes.subject import RegressionSubject
    from tasks import PairedReader

    task = TASKS["d=5 N=4"]
    prompt = task.sample(5, seeded(0)).to(dtype=torch.float64)
    learner = GradientDescent(0.4, 2)
    embeddings = (noisy_embedding(5, noise, seeded(1)) for noise in (0.0, 0.1))
    exact, moved = (Planted(last_step(learner), embedding) for embedding in embeddings)
    torch.testing.assert_close(
        RegressionSubject(exact, PairedReader(), task).predict(prompt), learner.predict(prompt)[-1]
    )
    assert not torch.allclose(
        RegressionSubject(moved, PairedReader(), task).predict(prompt), learner.predict(prompt)[-1]
    )
