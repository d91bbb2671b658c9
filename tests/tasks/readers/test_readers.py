"""The paired reader: where things stand in the tokens, and the sign with which they are read."""

import pytest
import torch

from tasks import Inputs, LinearRegression, PairedReader, Reader, half_squared_error


def prompt_of(seeded, d_out: int = 1, queries: int = 1):
    return LinearRegression(d_in=3, d_out=d_out, context=4).sample(5, seeded(0), queries=queries)


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("d_out", [1, 2])
def test_tokens_are_x_beside_y_and_the_queries_come_last(seeded, d_out, queries):
    prompt = prompt_of(seeded, d_out, queries)
    inputs = PairedReader(d_out).encode(prompt)
    assert isinstance(PairedReader(d_out), Reader)
    assert inputs.queries == queries
    assert inputs.values.shape == (5, 4 + queries, 3 + d_out)
    assert torch.equal(inputs.values[:, :4, :3], prompt.x)
    assert torch.equal(inputs.values[:, :4, 3:], prompt.y)
    assert torch.equal(inputs.values[:, 4:, :3], prompt.query)
    assert not inputs.values[:, 4:, 3:].any()


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("d_out", [1, 2])
def test_the_prediction_is_minus_the_last_channels_of_the_queries(seeded, d_out, queries):
    reader = PairedReader(d_out)
    inputs = reader.encode(prompt_of(seeded, d_out, queries))
    resid = torch.arange(float(inputs.values.numel())).view_as(inputs.values)
    assert torch.equal(reader.decode(resid, inputs), -resid[:, 4:, 3:])


def test_without_a_start_the_first_guess_is_zero(seeded):
    inputs = PairedReader().encode(prompt_of(seeded))
    assert not PairedReader().decode(inputs.values, inputs).any()


@pytest.mark.parametrize("d_out", [1, 2])
def test_a_start_is_the_first_guess(seeded, d_out):
    prompt = prompt_of(seeded, d_out, queries=2)
    start = torch.randn(3, d_out, generator=seeded(1))
    reader = PairedReader(d_out, start)
    inputs = reader.encode(prompt)
    assert torch.equal(inputs.values[:, :4], PairedReader(d_out).encode(prompt).values[:, :4])
    torch.testing.assert_close(reader.decode(inputs.values, inputs), prompt.query @ start)


def test_no_queries_read_no_predictions(seeded):
    values = torch.ones(2, 4, 4)
    assert PairedReader().decode(values, Inputs(values, queries=0)).shape == (2, 0, 1)


def test_encoding_is_differentiable_in_everything(seeded):
    prompt = prompt_of(seeded)
    leaves = [prompt.x, prompt.y, prompt.query]
    for leaf in leaves:
        leaf.requires_grad_()
    gradients = torch.autograd.grad(PairedReader().encode(prompt).values.square().sum(), leaves)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert torch.equal(gradient, 2 * leaf)


def test_the_loss_is_half_the_square_summed_over_outputs(seeded):
    prompt = prompt_of(seeded, d_out=2, queries=3)
    prediction = torch.randn(prompt.target.shape, generator=seeded(1))
    expected = sum(
        0.5 * (prediction[b, q, o] - prompt.target[b, q, o]).item() ** 2
        for b in range(5)
        for q in range(3)
        for o in range(2)
    ) / (5 * 3)
    # A float32 mean of 30 terms.
    assert PairedReader(2).loss(prediction, prompt).item() == pytest.approx(expected, rel=1e-5)
    assert half_squared_error(prompt.target, prompt.target).item() == 0.0
