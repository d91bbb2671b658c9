"""The search that fits learners: known minima, any scale of loss, and losses that overflow."""

import pytest
import torch
from scipy.optimize import rosen, rosen_der

from mesa.learners.descent.minimise import minimise


def valley(v: torch.Tensor) -> torch.Tensor:
    return (100.0 * (v[1:] - v[:-1].square()).square() + (1.0 - v[:-1]).square()).sum()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_curved_valley_is_followed_to_its_end(scale):
    start = torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64)
    assert valley(start).item() == pytest.approx(rosen(start.numpy()))
    minimum = minimise(lambda v: scale * valley(v), start)
    # The valley is flat: 1e-10 of the first loss is 1e-4 or so along it.
    torch.testing.assert_close(minimum, torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-3)
    assert abs(rosen_der(minimum.numpy())).max() < 1e-2


def test_bounds_hold():
    minimum = minimise(valley, torch.zeros(2), bounds=[(None, 0.5), (None, None)])
    torch.testing.assert_close(minimum, torch.tensor([0.5, 0.25], dtype=torch.float64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("worst", [float("nan"), float("inf")])
def test_a_loss_that_overflows_is_left_again(worst):
    def loss(v: torch.Tensor) -> torch.Tensor:
        if (v > 2.0).any():
            return worst * v.sum()
        return (v - 1.9).square().sum() + 0.1 * (v - 1.9).exp().sum()

    minimum = minimise(loss, torch.tensor([-30.0, 1.0]))
    assert minimum.isfinite().all()
    # 2 z + .1 exp(z) = 0 at z = -.0477.
    torch.testing.assert_close(minimum, torch.full((2,), 1.9 - 0.0477, dtype=torch.float64), rtol=0, atol=1e-3)


def test_without_a_finite_start_it_stays():
    assert torch.equal(minimise(lambda v: v.sum() * float("nan"), torch.ones(2)), torch.ones(2, dtype=torch.float64))


def test_it_keeps_shape_and_repeats(seeded):
    goal = torch.randn(3, 2, generator=seeded(0), dtype=torch.float64)
    first, second = (minimise(lambda v: (v - goal).square().sum(), torch.zeros(3, 2)) for _ in range(2))
    torch.testing.assert_close(first, goal, rtol=0, atol=1e-5)
    assert torch.equal(first, second)
    with torch.no_grad():
        assert torch.equal(minimise(lambda v: (v - goal).square().sum(), torch.zeros(3, 2)), first)
