"""The gradient is clipped as torch clips it, where it is scaled at all."""

import pytest
import torch

from mesa import RunConfig, TrainingConfig
from mesa.training.trainer import Trainer


@pytest.mark.parametrize("relative", [1e-6, 0.5, 0.999, 1.0, 1.001, 3.0, None])
def test_a_gradient_is_scaled_to_the_limit_as_torch_does(relative):
    def gradients(limit):
        settings = TrainingConfig(batch=16, held_out=16, gradient_clip=limit)
        trainer = Trainer(RunConfig(task={"name": "linear_regression", "d_in": 3}, training=settings), seed=0)
        trainer.loss(trainer.prompts("train", 1, 16)).backward()
        return trainer, list(trainer.weights.values())

    _, weights = gradients(None)
    full = float(torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None]))
    limit = None if relative is None else relative * full
    trainer, scaled = gradients(limit)
    assert trainer._clip_gradient() == full
    if limit is not None:
        torch.nn.utils.clip_grad_norm_(weights, limit)
    for expected, weight in zip(weights, scaled, strict=True):
        assert expected.grad is not None and weight.grad is not None
        assert torch.equal(expected.grad, weight.grad)
