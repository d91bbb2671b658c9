"""A loss, gradient or weight that is not finite ends that seed, with the step and the last good checkpoint named."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mesa
from mesa.errors import UserError
from mesa.storage.run import Run
from mesa.training import seed as train_seed
from mesa.training.trainer import Diverged, Trainer


def assert_diverged(run: Run, seed: int, reason: str) -> None:
    outcome = run.outcome(seed)
    assert outcome["status"] == "diverged" and reason in outcome["reason"], outcome
    assert outcome["reason"].startswith(f"diverged at step {outcome['step']}: ")
    last = max(run.checkpoints(seed, rolling=True))
    assert outcome["last_good_checkpoint"] == run.checkpoints(seed, rolling=True)[last].name
    # It is good: it can be read, and its numbers are finite. And it is from before.
    assert last < outcome["step"]
    assert all(bool(torch.isfinite(weight).all()) for weight in run.load(seed, last).parameters())
    losses = [row["held_out_loss"] for row in run.metrics(seed)]
    assert losses and all(map(math.isfinite, losses))


@pytest.mark.parametrize("rate", [1e6, 1e12, 1e38, 1e300])
def test_a_huge_learning_rate_ends_every_seed_as_diverged(tmp_path: Path, tiny: Any, rate: float) -> None:
    run = Run.create(tmp_path / "run", tiny(seeds=2, learning_rate=rate, gradient_clip=None))
    mesa.train(run)
    for seed in run.seeds:
        assert_diverged(run, seed, "not finite")


class Poisoned(Trainer):
    """Seed 1 meets a loss that is not finite at step 123; nothing happens to the others."""

    def step(self, number: int) -> Any:
        if self.seed == 1 and number == 123:
            self.loss: Callable[..., Any] = lambda prompt: self.plain_loss(prompt) * math.inf
        return super().step(number)


class Overflowing(Trainer):
    """A finite loss and gradient at step 32, whose update overflows."""

    def step(self, number: int) -> Any:
        progress = super().step(number)
        if number == 32:
            next(iter(self.weights.values())).data.view(-1)[0] = math.inf
        return progress


@pytest.mark.parametrize(("every", "reason"), [(16, "the held-out loss is not"), (50, "the new blocks.0.attn.W_Q is")])
def test_weights_that_overflow_are_not_kept_as_a_checkpoint(
    tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch, every: int, reason: str
) -> None:
    monkeypatch.setattr(train_seed, "Trainer", Overflowing)
    run = Run.create(tmp_path / "run", tiny(evaluate_every=every))
    mesa.train(run)
    assert run.outcome(0).get("step") == 32
    assert_diverged(run, 0, reason)


def test_a_gradient_that_is_not_finite_moves_no_weight(tiny: Any) -> None:
    trainer = Trainer(tiny(gradient_clip=None), 0)
    trainer.step(1)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    # The square root is 0, which is finite, and its slope there is not.
    trainer.loss = lambda prompt: (0 * trainer.plain_loss(prompt)).sqrt()
    with pytest.raises(Diverged, match="diverged at step 2: the gradient is not finite"):
        trainer.step(2)
    assert all(torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True))


def test_one_diverged_seed_leaves_the_others_alone_and_stays(
    trained: Run, tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_seed, "Trainer", Poisoned)
    run = Run.create(tmp_path / "run", trained.config)
    mesa.train(run)
    assert run.outcome(1).get("step") == 123
    assert run.outcome(1).get("last_good_checkpoint") == "step-000100"
    assert_diverged(run, 1, "the loss is not finite")
    there, here = content(trained), content(run)
    assert {name: data for name, data in here.items() if name.startswith("seed-0")} == {
        name: data for name, data in there.items() if name.startswith("seed-0")
    }
    # Resuming does not start it again, though now nothing would be wrong.
    monkeypatch.undo()
    assert run.unfinished() == []
    mesa.train(run)
    train_seed.train_seed(run.path, 1)
    assert content(run) == here


def test_seeds_after_a_broken_one_are_trained_before_it_is_reported(
    copied: Run, trained: Run, content: Any, tiny: Any
) -> None:
    # Seed 0 cannot continue: its last checkpoint is damaged. Seed 1 does, and then the error is raised.
    for seed in copied.seeds:
        (copied.seed_path(seed) / "outcome.json").unlink()
    file = copied.checkpoints(0)[150] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    before = content(copied)
    with pytest.raises(mesa.DamagedCheckpoint, match=r"model.safetensors: holds 935 bytes, 936 were written"):
        mesa.train(copied)
    assert copied.outcome(1)["status"] == "finished"
    # Refused, and nothing of seed 0 is deleted or overwritten.
    assert {**content(copied), **before} == content(copied)


@pytest.mark.parametrize("junk", ["", "{}", "[]", '{"status": "done", "step": 3}', '{"status": "finished"}', "\0"])
def test_an_outcome_or_metrics_that_were_not_written_so_are_refused(copied: Run, junk: str) -> None:
    (copied.seed_path(0) / "outcome.json").write_text(junk)
    with pytest.raises(UserError, match=r"outcome.json: is not the outcome that was written"):
        copied.unfinished()
    file = copied.seed_path(0) / "metrics.jsonl"
    file.write_text(file.read_text().replace('"step": 100', junk + "x"))
    with pytest.raises(UserError, match=r"metrics.jsonl: line 11 is not the evaluation that was written"):
        copied.metrics(0)
