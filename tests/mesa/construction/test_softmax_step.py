"""Two softmax heads perform the centred gradient step, as nearly as their sharpness says, and not the plain one."""

from dataclasses import replace

import pytest
import torch

from mesa import generator
from mesa.construction import softmax_step_model, weight_products
from mesa.learners import GradientDescent
from tasks import LinearRegression, PairedReader, RegressionPrompt

SIZE = 0.4


def prompts(d_out: int = 1, context: int = 5) -> RegressionPrompt:
    task = LinearRegression(d_in=3, d_out=d_out, context=context)
    return task.sample(40, generator(0, "tests/softmax-step"), queries=2).to(dtype=torch.float64)


def predicted(prompt: RegressionPrompt, sharpness: float) -> torch.Tensor:
    d_out = prompt.y.shape[-1]
    model = softmax_step_model(SIZE, d_in=3, d_out=d_out, context=prompt.x.shape[1], sharpness=sharpness)
    inputs = PairedReader(d_out).encode(prompt)
    return PairedReader(d_out).decode(model(inputs), inputs).detach()


def centred(prompt: RegressionPrompt) -> RegressionPrompt:
    return replace(prompt, x=prompt.x - prompt.x.mean(dim=1, keepdim=True))


@pytest.mark.parametrize("d_out", [1, 2])
@pytest.mark.parametrize("context", [2, 5, 12])
def test_small_scores_give_the_step_on_centred_inputs(d_out: int, context: int) -> None:
    prompt = prompts(d_out, context)
    expected = GradientDescent(SIZE).predict(centred(prompt))[0]
    # Scores of 1e-4: what is left is of the order of their square; and rounding, 1e-16 / 1e-4.
    torch.testing.assert_close(predicted(prompt, 1e-4), expected, rtol=0, atol=1e-8)


def test_the_error_falls_with_the_square_of_the_sharpness() -> None:
    prompt = prompts()
    expected = GradientDescent(SIZE).predict(centred(prompt))[0]
    errors = [float((predicted(prompt, sharpness) - expected).norm()) for sharpness in (0.1, 0.05, 0.025)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.02)


def test_the_plain_step_is_not_reached() -> None:
    prompt = prompts()
    plain = GradientDescent(SIZE).predict(prompt)[0]
    assert float((predicted(prompt, 1e-4) - plain).norm() / plain.norm()) > 0.1
    balanced = centred(prompt)
    torch.testing.assert_close(predicted(balanced, 1e-4), GradientDescent(SIZE).predict(balanced)[0], rtol=0, atol=1e-8)


def test_the_heads_add_up_to_the_step() -> None:
    A, V = weight_products(softmax_step_model(SIZE, d_in=3, context=7))
    total = (V[0, :, -1, -1, None, None] * A[0]).sum(dim=0)
    torch.testing.assert_close(total[:3, :3], -7 * SIZE * torch.eye(3, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_a_sharpness_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sharpness: 0\.0 must be positive"):
        softmax_step_model(0.4, d_in=3, context=5, sharpness=0.0)
