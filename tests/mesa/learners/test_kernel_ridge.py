"""Kernel ridge regression interpolates without a penalty, is the dual of ridge, and its fit finds its own numbers."""

from dataclasses import replace

import pytest
import torch

from mesa.learners import KernelRidge
from tasks import LinearRegression

TASK = LinearRegression(d_in=2, context=8, input_scale=1.0, label_noise=0.3)


def test_it_is_the_dual_of_ridge_on_the_features_of_its_kernel(seeded) -> None:
    """In one dimension exp(-(x - z)^2 / 2) = sum_n f_n(x) f_n(z) with f_n(x) = exp(-x^2 / 2) x^n / sqrt(n!)."""
    prompt = LinearRegression(d_in=1, context=5, input_scale=1.0).sample(20, seeded(0)).to(dtype=torch.float64)
    orders = torch.arange(20)
    root = torch.exp(0.5 * torch.lgamma(orders.double() + 1.0))

    def features(x):
        return torch.exp(-(x**2) / 2.0) * x**orders / root

    phi, query = features(prompt.x), features(prompt.query)
    weights = torch.linalg.solve(phi.mT @ phi + 0.2 * torch.eye(20, dtype=torch.float64), phi.mT @ prompt.y)
    guess = KernelRidge(bandwidth=1.0, penalty=0.2).predict(prompt)[0]
    torch.testing.assert_close(guess, query @ weights, rtol=0, atol=1e-9)


def test_it_answers_labels_near_examples_and_zero_far_from_them(seeded) -> None:
    prompt = TASK.sample(10, seeded(0)).to(dtype=torch.float64)
    at_examples = replace(prompt, query=prompt.x, target=prompt.y)
    learner = KernelRidge(bandwidth=0.3, penalty=1e-9)
    torch.testing.assert_close(learner.predict(at_examples)[0], prompt.y, rtol=0, atol=1e-4)
    far = learner.predict(replace(prompt, query=prompt.query + 50.0))
    assert float(far.abs().max()) < 1e-12


@pytest.mark.parametrize(("bandwidth", "penalty"), [(0.4, 0.02), (1.5, 0.5)])
def test_a_fit_to_its_own_predictions_finds_its_numbers(seeded, bandwidth: float, penalty: float) -> None:
    prompt = TASK.sample(300, seeded(0)).to(dtype=torch.float64)
    own = replace(prompt, target=KernelRidge(bandwidth, penalty).predict(prompt)[0])
    fitted = KernelRidge().fit(own)
    assert fitted.parameters == pytest.approx({"bandwidth": bandwidth, "penalty": penalty}, rel=1e-5)


def test_numbers_that_are_not_positive_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bandwidth: 0.0 must be positive"):
        KernelRidge(bandwidth=0.0)
    with pytest.raises(ValueError, match=r"penalty: -1.0 must be positive"):
        KernelRidge(penalty=-1.0)
