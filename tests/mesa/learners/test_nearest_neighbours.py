"""Nearest neighbours: against scipy's tree, with the number that tuning finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from mesa.learners import NearestNeighbours
from tasks import LinearRegression, half_squared_error


def prompts(seeded, batch=6, context=12, d_out=1, noise=0.2):
    task = LinearRegression(d_in=3, context=context, d_out=d_out, label_noise=noise)
    return task.sample(batch, seeded(0), queries=4).to(dtype=torch.float64)


@pytest.mark.parametrize("neighbours", [1, 2, 5, 12])
@pytest.mark.parametrize("d_out", [1, 3])
def test_they_are_those_of_scipys_tree(seeded, neighbours, d_out):
    prompt = prompts(seeded, d_out=d_out)
    prediction = NearestNeighbours(neighbours).predict(prompt)[0]
    for b in range(6):
        near = KDTree(prompt.x[b].numpy()).query(prompt.query[b].numpy(), k=neighbours)[1]
        expected = prompt.y[b].numpy()[np.reshape(near, (4, neighbours))].mean(axis=1)
        np.testing.assert_allclose(prediction[b].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_example_is_its_own_neighbour(seeded, dtype):
    prompt = prompts(seeded).to(dtype=dtype)
    asked = replace(prompt, query=prompt.x, target=prompt.y)
    assert torch.equal(NearestNeighbours(1).predict(asked)[0], prompt.y)
    assert NearestNeighbours(7).fit(asked).neighbours == 1


def test_more_neighbours_than_examples_are_all(seeded):
    prompt = prompts(seeded)
    torch.testing.assert_close(NearestNeighbours(50).predict(prompt), NearestNeighbours(12).predict(prompt))
    mean = prompt.y.mean(dim=1, keepdim=True).expand(6, 4, 1)
    torch.testing.assert_close(NearestNeighbours(50).predict(prompt)[0], mean)


def test_tuning_takes_the_best_number(seeded):
    prompt = prompts(seeded, batch=100)
    losses = [half_squared_error(NearestNeighbours(k).predict(prompt)[0], prompt.target) for k in range(1, 13)]
    tuned = NearestNeighbours().fit(prompt)
    assert tuned.neighbours == 1 + int(np.argmin(losses))
    # More noise asks for more of them.
    assert NearestNeighbours().fit(prompts(seeded, batch=100, noise=2.0)).neighbours > tuned.neighbours
    for k in (1, 3, 12):
        told = replace(prompt, target=NearestNeighbours(k).predict(prompt)[0])
        assert NearestNeighbours().fit(told).neighbours == k


def test_near_ones_are_told_apart_far_from_zero(seeded):
    # Distances of 1e-3 between points at 1e5: squares and products would cancel to nothing.
    prompt = prompts(seeded)
    far = replace(prompt, x=1e-3 * prompt.x + 1e5, query=1e-3 * prompt.query + 1e5)
    assert torch.equal(NearestNeighbours(1).predict(far), NearestNeighbours(1).predict(prompt))


def test_no_neighbour_is_refused():
    with pytest.raises(ValueError, match="neighbours: 0 must be at least 1"):
        NearestNeighbours(0)
