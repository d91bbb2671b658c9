"""Copying and descending by hand: the explicit step, from tokens that hold x or y alone."""

from dataclasses import replace

import pytest
import torch

from mesa import fast, generator
from mesa.construction import from_products, interleaved_step_model, weight_products
from mesa.learners import GradientDescent
from tasks import InterleavedReader, LinearRegression, RegressionPrompt

SIZE = 0.4
READER = InterleavedReader(one_hot=True)


def prompts(d_in: int = 3, context: int = 5, queries: int = 3) -> RegressionPrompt:
    task = LinearRegression(d_in=d_in, context=context)
    return task.sample(40, generator(0, "tests/neighbouring-step"), queries).to(dtype=torch.float64)


def predicted(model, prompt: RegressionPrompt) -> torch.Tensor:
    inputs = READER.encode(prompt)
    return READER.decode(model(inputs), inputs).detach()


@pytest.mark.parametrize("d_in", [1, 3, 10])
@pytest.mark.parametrize("context", [1, 5, 12])
def test_it_is_the_explicit_step(d_in: int, context: int) -> None:
    prompt = prompts(d_in, context)
    model = interleaved_step_model(SIZE, d_in=d_in, context=context)
    # Float64, another order of the same sums; what softmax leaves to other keys is 1e-21.
    expected = GradientDescent(SIZE).predict(prompt)[0]
    torch.testing.assert_close(predicted(model, prompt), expected, rtol=0, atol=1e-10)


def test_inputs_far_beyond_training_change_nothing() -> None:
    prompt = prompts()
    large = replace(prompt, x=30 * prompt.x, y=30 * prompt.y, query=30 * prompt.query)
    prediction = predicted(interleaved_step_model(SIZE, d_in=3, context=5), large)
    torch.testing.assert_close(prediction, GradientDescent(SIZE).predict(large)[0], rtol=1e-10, atol=0)


def test_both_tokens_of_a_pair_hold_the_label_after_the_first_layer() -> None:
    prompt = prompts()
    _, cache = interleaved_step_model(SIZE, d_in=3, context=5).run_with_cache(READER.encode(prompt))
    copied = cache["blocks.0.hook_resid_post"][:, :10, -2]
    torch.testing.assert_close(copied, prompt.y[..., 0].repeat_interleave(2, dim=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("head", [(0, 0), (1, 0), (1, 1)])
def test_every_head_is_needed(head: tuple[int, int]) -> None:
    prompt, model = prompts(), interleaved_step_model(SIZE, d_in=3, context=5)
    A, V = weight_products(model)
    V[head] = 0
    prediction, expected = predicted(from_products(model, A, V), prompt), GradientDescent(SIZE).predict(prompt)[0]
    assert float((prediction - expected).norm() / expected.norm()) > 0.1


def test_the_fast_path_is_the_construction() -> None:
    prompt, model = prompts(queries=1), interleaved_step_model(SIZE, d_in=3, context=5)
    path = fast.path(model, READER)
    assert path is not None
    torch.testing.assert_close(path.predict(prompt).detach(), predicted(model, prompt), rtol=0, atol=1e-12)


@pytest.mark.parametrize("field", ["d_in", "context"])
def test_nothing_to_learn_from_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: 0 must be at least 1"):
        interleaved_step_model(SIZE, d_in=3 * (field != "d_in"), context=5 * (field != "context"))
