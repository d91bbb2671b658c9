"""Prompts can be cut, reordered and moved without mixing examples up."""

from dataclasses import fields

import pytest
import torch

from tasks import LinearRegression, RegressionPrompt


@pytest.fixture
def prompt(seeded) -> RegressionPrompt:
    return LinearRegression(d_in=3, d_out=2, context=5).sample(4, seeded(0), queries=2)


def test_prefix_keeps_the_first_examples_and_the_question(prompt):
    short = prompt.prefix(2)
    assert torch.equal(short.x, prompt.x[:, :2]) and torch.equal(short.y, prompt.y[:, :2])
    assert short.query is prompt.query and short.target is prompt.target and short.teacher is prompt.teacher
    assert torch.equal(prompt.prefix(5).x, prompt.x)


@pytest.mark.parametrize("n", [0, -1, 6])
def test_prefix_refuses_a_length_that_is_not_there(prompt, n):
    with pytest.raises(ValueError, match=rf"prefix: n={n} must lie in 1\.\.5"):
        prompt.prefix(n)


def test_permute_moves_x_and_y_together(prompt):
    order = torch.tensor([3, 0, 4, 1, 2])
    moved = prompt.permute(order)
    for place, example in enumerate(order.tolist()):
        assert torch.equal(moved.x[:, place], prompt.x[:, example])
        assert torch.equal(moved.y[:, place], prompt.y[:, example])
    assert torch.equal(moved.query, prompt.query)
    back = moved.permute(order.argsort())
    assert torch.equal(back.x, prompt.x) and torch.equal(back.y, prompt.y)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 0, 1, 2, 3], [1, 2, 3, 4, 5], [0, 1, 2, 3, -1]])
def test_permute_refuses_what_drops_or_repeats_an_example(prompt, order):
    with pytest.raises(ValueError, match=r"order: .* must hold each of 0\.\.4 once"):
        prompt.permute(torch.tensor(order))


def test_batch_takes_the_same_prompts_from_every_part(prompt):
    some = prompt.batch(1, 3)
    for field in fields(prompt):
        assert torch.equal(getattr(some, field.name), getattr(prompt, field.name)[1:3])


def test_to_converts_every_part_and_leaves_the_original(prompt):
    wide = prompt.to(dtype=torch.float64)
    for field in fields(prompt):
        assert getattr(wide, field.name).dtype == torch.float64
        assert getattr(prompt, field.name).dtype == torch.float32
        assert torch.equal(getattr(wide, field.name).float(), getattr(prompt, field.name))
    assert prompt.to("meta").x.device.type == "meta"


def test_a_prompt_without_a_teacher_can_do_the_same(prompt):
    bare = RegressionPrompt(prompt.x, prompt.y, prompt.query, prompt.target)
    assert bare.to(dtype=torch.float64).batch(0, 2).prefix(1).teacher is None
