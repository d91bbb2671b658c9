"""A trained model in a predictor's place predicts what it predicted as a model."""

from dataclasses import replace

import pytest
import torch

from mesa.construction import gradient_step_model
from mesa.learners import GradientDescent, Learner, TrainedModel
from tasks import LinearRegression, PairedReader, SineRegression
from tasks.predictor import RegressionPredictor


def prompt_of(seeded, d_out=1):
    return LinearRegression(d_in=3, d_out=d_out, context=5).sample(6, seeded(0), queries=2).to(dtype=torch.float64)


@pytest.mark.parametrize("d_out", [1, 2])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_of_the_construction_it_is_gradient_descent(seeded, d_out, steps, tied):
    predictor = TrainedModel(gradient_step_model(0.3, d_in=3, d_out=d_out, steps=steps, tied=tied), PairedReader(d_out))
    prompt = prompt_of(seeded, d_out)
    # Float64: two orders of the same sums.
    expected = GradientDescent(0.3, steps).predict(prompt)[-1:]
    torch.testing.assert_close(predictor.predict(prompt), expected, rtol=0, atol=1e-10)


def test_it_is_a_predictor_and_no_predictor(seeded):
    predictor = TrainedModel(gradient_step_model(0.3, d_in=3), PairedReader())
    assert isinstance(predictor, RegressionPredictor) and not isinstance(predictor, Learner)
    assert predictor.name == "meta_learned"
    assert predictor.weights(prompt_of(seeded)) is None


def test_its_predictions_are_differentiable_in_the_query_and_not_in_the_weights(lively, seeded):
    model = lively(d_token=2, d_model=6, input_mlp=8)
    predictor = TrainedModel(model, PairedReader())
    prompt = SineRegression(context=4).sample(5, seeded(0)).to(dtype=torch.float64)
    assert not predictor.predict(prompt).requires_grad
    query = prompt.query.clone().requires_grad_()
    (slope,) = torch.autograd.grad(predictor.predict(replace(prompt, query=query)).sum(), query)
    step = 1e-6
    ahead, behind = (predictor.predict(replace(prompt, query=prompt.query + by)) for by in (step, -step))
    # A central difference: its error is of order step^2, its rounding 1e-16 / step.
    torch.testing.assert_close(slope, ((ahead - behind) / (2 * step))[0], rtol=1e-6, atol=1e-7)
    assert all(weight.grad is None for weight in model.parameters())
    assert any(weight.requires_grad for weight in model.parameters())
