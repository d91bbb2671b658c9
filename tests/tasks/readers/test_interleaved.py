"""Neighbouring tokens: the layout by hand, positions as in the formula, and what is refused."""

import math
from dataclasses import replace

import pytest
import torch

from tasks import Inputs, InterleavedReader, LinearRegression, RegressionPrompt


def by_hand() -> RegressionPrompt:
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    query = torch.tensor([[[5.0, 6.0], [7.0, 8.0]]])
    return RegressionPrompt(x, torch.tensor([[[0.5], [0.25]]]), query, torch.zeros(1, 2, 1))


def test_the_layout_is_the_one_written_by_hand() -> None:
    inputs = InterleavedReader(channels=2).encode(by_hand())
    places = [[math.sin(p), math.cos(p)] for p in (0, 1, 2, 3, 4, 4)]
    content = [[1, 2], [0, 0.5], [3, 4], [0, 0.25], [5, 6], [7, 8]]
    expected = torch.tensor([[c + p for c, p in zip(content, places, strict=True)]])
    torch.testing.assert_close(inputs.values, expected, rtol=0, atol=1e-7)
    assert inputs.queries == 2


def test_one_hot_positions_leave_two_empty_channels_behind() -> None:
    values = InterleavedReader(one_hot=True).encode(by_hand()).values[0]
    assert values.shape == (6, 2 + 5 + 2)
    places = torch.eye(5)[[0, 1, 2, 3, 4, 4]]
    assert torch.equal(values[:, 2:7], places)
    assert not values[:, 7:].any()


def test_positions_are_those_of_the_formula() -> None:
    positions = InterleavedReader().positions(torch.arange(21), 21)
    for p in (0, 7, 20):
        for i in range(5):
            angle = p / 10_000 ** (2 * i / 10)
            expected = torch.tensor([math.sin(angle), math.cos(angle)], dtype=torch.float64)
            torch.testing.assert_close(positions[p, 2 * i : 2 * i + 2], expected, rtol=0, atol=1e-14)


def test_what_is_read_before_training_is_about_minus_one() -> None:
    prompt = LinearRegression().sample(50, torch.Generator().manual_seed(0))
    reader = InterleavedReader()
    inputs = reader.encode(prompt)
    guess = reader.decode(inputs.values, inputs)
    torch.testing.assert_close(guess, -torch.ones_like(guess), rtol=0, atol=1e-4)


def test_labels_stand_at_the_end_of_the_content_where_there_are_several() -> None:
    prompt = LinearRegression(d_in=3, d_out=2, context=4).sample(5, torch.Generator().manual_seed(0))
    values = InterleavedReader(2).encode(prompt).values
    assert torch.equal(values[:, 0:8:2, :3], prompt.x)
    assert torch.equal(values[:, 1:8:2, 1:3], prompt.y)
    assert not values[:, 1:8:2, 0].any()


def test_more_outputs_than_inputs_widen_the_content() -> None:
    prompt = LinearRegression(d_in=1, d_out=3, context=2).sample(5, torch.Generator().manual_seed(0))
    reader = InterleavedReader(3)
    values = reader.encode(prompt).values
    assert reader.content(prompt) == 3
    assert torch.equal(values[:, 0, :1], prompt.x[:, 0]) and torch.equal(values[:, 1, :3], prompt.y[:, 0])
    assert not values[:, 0, 1:3].any()


def test_queries_are_read_off_the_last_channels_with_the_opposite_sign() -> None:
    reader = InterleavedReader(2)
    resid = torch.arange(24.0).view(1, 4, 6)
    prediction = reader.decode(resid, Inputs(resid, queries=1))
    assert prediction.tolist() == [[[-22.0, -23.0]]]


def test_the_layout_follows_the_prompts_dtype_and_is_differentiable() -> None:
    prompt = by_hand().to(dtype=torch.float64)
    query = prompt.query.clone().requires_grad_()
    values = InterleavedReader().encode(replace(prompt, query=query)).values
    assert values.dtype == torch.float64
    values.sum().backward()
    assert query.grad is not None and torch.equal(query.grad, torch.ones_like(query))


def test_what_it_cannot_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"d_out: 0 must be at least 1"):
        InterleavedReader(0)
    for channels in (0, 3):
        with pytest.raises(ValueError, match=f"channels: {channels} must be even"):
            InterleavedReader(channels=channels)
    with pytest.raises(ValueError, match=r"d_out: the reader reads 2 outputs, the prompt has 1"):
        InterleavedReader(2).encode(by_hand())
