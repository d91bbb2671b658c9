"""The learning rate is a function of the step: constant by default, or halved again and again."""

import pytest
import torch

from mesa import RunConfig, TrainingConfig
from mesa.training.trainer import Trainer

TASK = {"name": "linear_regression", "d_in": 3, "context": 4}


def trainer(halve_every: int | None) -> Trainer:
    training = TrainingConfig(batch=8, held_out=8, learning_rate=0.01, gradient_clip=None, halve_every=halve_every)
    return Trainer(RunConfig(task=TASK, training=training), seed=0)


def test_it_is_halved_after_so_many_steps():
    assert [trainer(2).learning_rate(step) for step in range(1, 8)] == [
        0.01,
        0.01,
        0.005,
        0.005,
        0.0025,
        0.0025,
        0.00125,
    ]
    assert {trainer(None).learning_rate(step) for step in (1, 10, 10**6)} == {0.01}


def test_steps_are_taken_at_it():
    constant, halved = trainer(None), trainer(1)
    before = constant.model.blocks[0].attn.W_Q.detach().clone()
    for each in (constant, halved):
        each.step(1)
    torch.testing.assert_close(constant.model.blocks[0].attn.W_Q, halved.model.blocks[0].attn.W_Q, rtol=0, atol=0)
    after = constant.model.blocks[0].attn.W_Q.detach().clone()
    assert not torch.equal(before, after)
    # The second step is the same but for its length: both have seen the same prompts.
    for each in (constant, halved):
        each.step(2)
    whole, half = (each.model.blocks[0].attn.W_Q - after for each in (constant, halved))
    torch.testing.assert_close(half, whole / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("value", [0, -1])
def test_no_steps_is_refused(value):
    with pytest.raises(ValueError, match="halve_every"):
        TrainingConfig(halve_every=value)
