"""The laws of tasks: sampling is a pure function of the generator, and a reader of its kind can read the prompts."""

from dataclasses import fields
from typing import Any

import torch

from mesa import build
from mesa.rng import generator
from tasks import RegressionPrompt, TokenPrompt
from tasks.registry import READERS, TaskRow


def check_task(name: str, row: TaskRow) -> None:
    """Every law of a task, on the example of its row."""
    task = build.task({"name": name, **row.example})
    _sampling_is_pure(task)
    _prompts_are_of_the_kind(task, row)
    _bayes_predictor_answers(task)
    _configuration_is_complete(name, row)
    for reader in (reader for reader in READERS.values() if reader.prompts == row.prompts):
        _can_be_read(task, reader.load())


def tensors(prompt: Any) -> dict[str, torch.Tensor]:
    """The tensors of a prompt by name, without those that it has not."""
    values = {field.name: getattr(prompt, field.name) for field in fields(prompt)}
    return {name: value for name, value in values.items() if value is not None}


def _equal(first: Any, other: Any) -> dict[str, bool]:
    return {name: torch.equal(value, tensors(other)[name]) for name, value in tensors(first).items()}


def _sampling_is_pure(task: Any) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = task.sample(5, generator(0, "laws"))
    assert torch.equal(torch.get_rng_state(), before), "sampling moved the global random state"
    torch.manual_seed(2)
    source = generator(0, "laws")
    assert all(_equal(first, task.sample(5, source)).values()), "the same generator state gave another batch"
    # What is scored may be at the same places in every batch; the content is fresh.
    assert not all(_equal(first, task.sample(5, source)).values()), "a generator that has moved on gave the same batch"
    assert not all(_equal(first, task.sample(5, generator(1, "laws"))).values()), "another seed gave the same batch"


def _prompts_are_of_the_kind(task: Any, row: TaskRow) -> None:
    prompt = task.sample(3, generator(0, "laws"))
    assert isinstance(prompt, RegressionPrompt if row.prompts == "regression" else TokenPrompt)
    assert len(prompt) == 3
    assert all(value.isfinite().all() for value in tensors(prompt).values())
    if isinstance(prompt, TokenPrompt):
        assert prompt.tokens.shape == (3, task.n_ctx + 1)
        assert int(prompt.tokens.min()) >= 0 and int(prompt.tokens.max()) < task.d_vocab
        assert prompt.scored.any(dim=1).all(), "a sequence in which nothing is scored"
    else:
        several = task.sample(3, generator(0, "laws"), queries=4)
        assert several.query.shape == (3, 4, prompt.x.shape[-1]) and several.target.shape == (3, 4, prompt.y.shape[-1])
        assert prompt.x.shape[:2] == prompt.y.shape[:2]


def _bayes_predictor_answers(task: Any) -> None:
    predictor, prompt = task.bayes_predictor(), task.sample(3, generator(0, "laws"))
    if predictor is None:
        return
    if isinstance(prompt, TokenPrompt):
        log_probabilities = predictor.log_probabilities(prompt)
        assert log_probabilities.shape == (3, task.n_ctx, task.d_vocab)
        # Probabilities of float32 sum to 1 up to its rounding.
        torch.testing.assert_close(log_probabilities.exp().sum(-1), torch.ones(3, task.n_ctx).to(log_probabilities))
    else:
        assert predictor.predict(prompt)[-1].shape == prompt.target.shape


def _configuration_is_complete(name: str, row: TaskRow) -> None:
    complete = build.complete_task({"name": name, **row.example})
    assert build.complete_task(complete) == complete
    assert build.task(complete) == build.task({"name": name, **row.example})


def _can_be_read(task: Any, reader_class: Any) -> None:
    prompt = task.sample(3, generator(0, "laws"))
    sizes = {"d_out": prompt.y.shape[-1]} if isinstance(prompt, RegressionPrompt) else {}
    reader = reader_class(**sizes)
    inputs = reader.encode(prompt)
    assert len(inputs.values) == 3
    if isinstance(prompt, RegressionPrompt):
        prediction = reader.decode(inputs.values, inputs)
        assert prediction.shape == prompt.target.shape
    else:
        prediction = reader.decode(torch.zeros(*inputs.values.shape, task.d_vocab), inputs)
    assert reader.loss(prediction, prompt).isfinite()
