"""The validation of identify is itself valid: plants are what they are called, and a wrong answer is counted."""

import pytest
import torch

from analyses.benchmarks.identify import PlantAnswer, answers, summary
from analyses.benchmarks.identify_jobs import FITTED_ON, TASKS, Job, all_jobs
from analyses.benchmarks.impostors import IMPOSTORS
from analyses.benchmarks.off_list import OFF_LIST
from mesa.construction import gradient_step_model, weight_products
from mesa.learners import GradientDescent
from probes.controls.planted import Planted, last_step, noisy, noisy_embedding


def test_every_construction_every_impostor_and_every_noise_is_asked() -> None:
    jobs = list(all_jobs())
    constructed = {"gd 1", "gd 2", "gd 3", "gd_per_step 2", "gd_per_step 3", "gd_plus_plus 2", "gd_plus_plus 3"}
    constructed |= {"gd_plus_plus_per_step 2"}
    fitted = {"averaging", "least_squares", "ridge", "nearest_neighbours", "newton 2", "newton 4"}
    fitted |= {"conjugate_gradients 2"}
    tasks = {kind: {job.setting for job in jobs if job.kind == kind} for kind in (job.kind for job in jobs)}
    assert set(tasks) == {*constructed, *fitted, "preconditioned_gd 1", *IMPOSTORS, *OFF_LIST}
    assert all(tasks[kind] == set(TASKS) for kind in constructed)
    assert all(tasks[kind] == set(FITTED_ON) for kind in fitted)
    assert tasks["preconditioned_gd 1"] == {"uneven"}
    assert {job.noise for job in jobs if job.kind in constructed | fitted} == {(0.0, 0.01, 0.03, 0.1)}


def test_a_plant_is_named_and_without_its_class_is_not() -> None:
    rows = answers(Job("gd 1", "d=5 N=20 noise=.2", (0.03,)))
    assert rows == [
        PlantAnswer("gd 1, d=5 N=20 noise=.2", 0.03, "gd 1", "gd 1"),
        PlantAnswer("gd 1, d=5 N=20 noise=.2, class taken off", 0.03, "none", "none"),
    ]


def test_an_impostor_is_none_of_them() -> None:
    (row,) = answers(Job("mixture of gd 1 and least_squares", "d=5 N=20 noise=.2", (0.0,)))
    assert (row.expected, row.answer) == ("none", "none")


def test_the_summary_counts_what_is_wrong() -> None:
    rows = [
        PlantAnswer("gd 1, a", 0.0, "gd 1", "gd 1"),
        PlantAnswer("gd 1, a", 0.1, "gd 1", "ridge"),
        PlantAnswer("b", 0.0, "none", "none"),
    ]
    text = summary(rows)
    assert "gd 1: 1 of 2" in text and "gd 1, a: ridge (1)" in text and "right: 2 of 3" in text


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
