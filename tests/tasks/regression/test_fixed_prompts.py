"""A fixed set of whole prompts: what a batch holds of it, what is fresh, and the best prediction for its owner."""

from dataclasses import replace

import pytest
import torch

from mesa import fast
from mesa.config.schema import RunConfig
from mesa.training.trainer import Trainer
from probes import CONTROLS, RegressionSubject
from tasks import InputScale, LinearRegression, PairedReader, RegressionPrompt, half_squared_error
from tasks.regression.prompt_set import set_teachers
from tests.helpers.predictions import bayes_prediction

TASK = LinearRegression(d_in=4, context=6, prompts=70)


def numbers(prompt: RegressionPrompt, task: LinearRegression = TASK) -> list[int]:
    """The place in the set of every prompt; -1 where it is in none."""
    members = task.prompt_set
    same = (prompt.x[:, None] == members.x).flatten(2).all(dim=2) & (
        prompt.query[:, None, :1] == members.query
    ).flatten(2).all(dim=2)
    return torch.where(same.any(dim=1), same.float().argmax(dim=1), -1).tolist()


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_the_first_of_a_larger_set_are_the_smaller_set(count):
    large, small = replace(TASK, prompts=300).prompt_set, replace(TASK, prompts=count).prompt_set
    assert torch.equal(small.x, large.x[:count]) and torch.equal(small.target, large.target[:count])
    assert len(torch.unique(large.x, dim=0)) == 300


def test_a_batch_of_the_sets_size_is_the_set(seeded):
    batch = TASK.sample(70, seeded(0))
    assert sorted(numbers(batch)) == list(range(70)) != numbers(batch)
    # Labels, targets and teachers go with their prompt.
    order = torch.tensor(numbers(batch))
    for name in ("y", "target", "teacher"):
        assert torch.equal(getattr(batch, name), getattr(TASK.prompt_set, name)[order])
    again = numbers(TASK.sample(150, seeded(1)))
    assert sorted(again[:70]) == sorted(again[70:140]) == list(range(70))


def test_further_queries_are_fresh_and_of_the_same_teacher(seeded):
    batch = TASK.sample(5, seeded(0), queries=3)
    assert -1 not in numbers(batch) and batch.query.shape == (5, 3, 4)
    torch.testing.assert_close(batch.target, batch.query @ set_teachers(batch))
    assert not (batch.query[:, 1:, None] == TASK.prompt_set.query[:, 0]).any()


def test_the_set_is_a_function_of_its_seed_and_the_task():
    assert torch.equal(replace(TASK).prompt_set.x, TASK.prompt_set.x)
    assert not (replace(TASK, teachers_seed=1).prompt_set.x == TASK.prompt_set.x).any()
    noisy = replace(TASK, label_noise=0.5)
    assert torch.equal(noisy.prompt_set.y, replace(noisy).prompt_set.y)
    assert (noisy.prompt_set.y - noisy.prompt_set.x @ set_teachers(noisy.prompt_set)).std() == pytest.approx(
        0.5, rel=0.1
    )


def test_the_best_prediction_knows_the_teacher_of_every_prompt_of_the_set(seeded):
    prompt = TASK.sample(70, seeded(0))
    torch.testing.assert_close(bayes_prediction(TASK, prompt), prompt.target, rtol=0, atol=1e-5)
    fresh = TASK.fresh().sample(200, seeded(1))
    assert half_squared_error(bayes_prediction(TASK, fresh), fresh.target) > 0.03


def test_contradictory_sets_are_refused():
    with pytest.raises(ValueError, match="prompts: 5 fixed prompts have teachers of their own"):
        LinearRegression(teachers=3, prompts=5)
    with pytest.raises(ValueError, match="null has no set"):
        _ = LinearRegression().prompt_set


def test_a_step_trains_on_the_set_and_is_tested_on_fresh_prompts():
    config = RunConfig.model_validate(
        {
            "task": {"name": "linear_regression", "d_in": 4, "context": 6, "prompts": 70},
            "training": {"batch": 70, "held_out": 32},
        }
    )
    trainer = Trainer(config, 0)
    train = trainer.prompts("train", 1, 70)
    assert isinstance(train, RegressionPrompt) and sorted(numbers(train)) == list(range(70))
    trainer.held_out_loss()
    held_out = trainer._held_out
    assert isinstance(held_out, RegressionPrompt) and set(numbers(held_out)) == {-1}


def test_a_model_of_a_set_is_also_put_to_fresh_prompts(seeded):
    subject = RegressionSubject(torch.nn.Identity(), PairedReader(), TASK)
    control = CONTROLS["fresh_teachers"](subject)
    assert isinstance(control, RegressionSubject) and control.task == LinearRegression(d_in=4, context=6)
    # A shift of the inputs scales the set's own inputs.
    shifted = InputScale(TASK, 2.0).sample(70, seeded(0))
    assert sorted(numbers(replace(shifted, x=shifted.x / 2, query=shifted.query / 2))) == list(range(70))


def test_no_faster_way_of_drawing_misses_the_set():
    assert fast.sampler(TASK, "kernel") == TASK.sample
