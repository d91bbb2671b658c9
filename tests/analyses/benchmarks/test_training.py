"""Both sides of the training benchmark train the same model, and so does plain torch without TransformerLens.

No test here compares durations: `mesa bench training` measures them.
"""

import pytest
import torch
from torch import Tensor

from analyses.benchmarks.training import SETTINGS, compare
from mesa.config.presets import preset
from mesa.training.trainer import Trainer
from tasks.prompt import RegressionPrompt


class Bare:
    """The same training step in plain torch: no TransformerLens, no module, no reader; weights as the trainer's."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.weights = {name: torch.nn.Parameter(w.detach().clone()) for name, w in trainer.weights.items()}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=1e-3, betas=(0.9, 0.98), fused=True)

    def loss(self, prompt: RegressionPrompt) -> Tensor:
        W_Q, W_O, W_K, W_V = (self.weights[f"blocks.0.attn.W_{letter}"][0] for letter in "QOKV")
        context = torch.cat([prompt.x, prompt.y], dim=-1)
        query = torch.cat([prompt.query, torch.zeros_like(prompt.target)], dim=-1)
        tokens = torch.cat([context, query], dim=1)
        q, k, v = tokens @ W_Q, context @ W_K, context @ W_V
        output = tokens + ((q @ k.mT) @ v) @ W_O
        return 0.5 * (-output[:, -1:, -1:] - prompt.target).square().sum(-1).mean()

    def step(self, number: int) -> None:
        prompt = self.trainer.prompts("train", number, self.trainer.config.training.batch)
        assert isinstance(prompt, RegressionPrompt)
        self.optimizer.zero_grad()
        self.loss(prompt).backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 0.001)
        self.optimizer.step()


def plain_trainer() -> Trainer:
    config = preset("one-layer")
    return Trainer(config.model_copy(update={"training": config.training.model_copy(update={"fast": "plain"})}), 0)


def test_bare_plain_and_fast_train_the_same_weights() -> None:
    fast, plain = Trainer(preset("one-layer"), 0), plain_trainer()
    bare = Bare(plain_trainer())
    for number in (1, 2, 3):
        for side in (fast, plain, bare):
            side.step(number)
    for name, weight in plain.weights.items():
        # Adam's first steps divide by the gradient's size: rounding of 1e-7 in it moves a weight by 1e-7 of lr 1e-3,
        # except where the gradient is a rounding itself; there a weight may move by lr either way.
        moved = (weight - fast.weights[name]).abs()
        assert moved.median() < 1e-6
        assert (weight - bare.weights[name]).abs().median() < 1e-6


@pytest.mark.parametrize("name", SETTINGS)
def test_both_sides_of_every_setting_have_one_loss_and_the_fast_side_is_not_the_plain_one(name: str) -> None:
    config = SETTINGS[name]()
    trainer = Trainer(config.model_copy(update={"training": config.training.model_copy(update={"batch": 2})}), 0)
    assert trainer.loss != trainer.plain_loss
    prompt = trainer.prompts("train", 1, 2)
    # Float32, another order of the same sums.
    torch.testing.assert_close(trainer.loss(prompt), trainer.plain_loss(prompt), rtol=1e-5, atol=0)


def test_one_setting_can_be_timed_alone() -> None:
    training = preset("one-layer").training.model_copy(update={"batch": 2})
    config = preset("one-layer").model_copy(update={"training": training})
    row = compare("small", config, peak=1e9, block_s=0.0, blocks=1)
    assert row.setting == "small"
    assert row.times_tensor == pytest.approx(row.auto_steps_per_s / row.tensor_steps_per_s)
    assert row.lowest == pytest.approx(row.times_tensor) == row.highest
