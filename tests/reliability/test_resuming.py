"""Stopped, looked at, grown or disturbed in between: the weights are those of a run that was left alone."""

import fcntl
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mesa
from mesa.errors import UserError
from mesa.storage.run import Run
from mesa.training import seed as train_seed


def stop_after(steps: int) -> train_seed.Stop:
    """A stop that turns true when it has been asked this often: once a step."""
    asked = iter(range(1, 10**9))
    return lambda: next(asked) >= steps


@pytest.mark.parametrize("steps", [1, 9, 10, 11, 57, 149])
def test_a_stopped_seed_says_where_and_continues_bitwise(
    trained: Run, tmp_path: Path, content: Any, steps: int
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    assert train_seed.train_seed(run.path, 0, stop_after(steps)) == {"status": "interrupted", "step": steps}
    assert run.outcome(0) == {"status": "interrupted", "step": steps} and run.unfinished() == [0, 1]
    assert max(run.checkpoints(0, rolling=True)) == steps
    mesa.train(run)
    assert content(run) == content(trained)


def disturb(run: Run) -> None:
    """What a researcher may do between two stretches of training, in the same process."""
    model = run.load(0, 0)
    torch.manual_seed(99)
    tokens = torch.rand(2, 5, 4)
    model.run_with_cache(tokens)
    model(tokens).sum().backward()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  (the global state is what is meant)
    _ = torch.rand(7), random.random(), np.random.rand()  # noqa: NPY002
    run.metrics(0)


def test_a_probe_in_between_changes_nothing(trained: Run, tmp_path: Path, content: Any) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    for _ in range(12):
        train_seed.train_seed(run.path, 0, stop_after(12))
        disturb(run)
    assert not run.verify()[1]
    mesa.train(run)
    assert content(run) == content(trained)


def test_a_probe_during_training_changes_nothing(
    trained: Run, tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    log = train_seed._log

    def log_and_disturb(*arguments: Any) -> None:
        log(*arguments)
        if run.checkpoints(0):
            disturb(run)

    monkeypatch.setattr(train_seed, "_log", log_and_disturb)
    torch.set_num_threads(2)
    mesa.train(run)
    assert content(run) == content(trained)
    assert torch.get_num_threads() == 2


def test_growing_steps_continues_to_the_weights_of_one_longer_run(tmp_path: Path, tiny: Any, content: Any) -> None:
    longer, grown = Run.create(tmp_path / "longer", tiny(steps=150)), Run.create(tmp_path / "grown", tiny(steps=60))
    mesa.train(longer)
    mesa.train(grown)
    assert grown.unfinished() == []
    grown = Run.create(grown.path, tiny(steps=150))
    assert grown.unfinished() == [0] and grown.outcome(0) == {"status": "interrupted", "step": 60}
    assert Run.open(grown.path).config.training.steps == 150
    mesa.train(grown)
    there, here = content(longer), content(grown)
    # A manifest tells the steps that were asked for when it was written, and step 60 was once a last one.
    for name, data in there.items():
        assert name.endswith("manifest.json") or here[name] == data, name
    assert {Path(name).parent.name for name in here.keys() - there.keys()} == {"step-000060"}


def test_a_seed_is_trained_by_one_process_at_a_time(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    run.seed_path(0).mkdir()
    monkeypatch.setattr(train_seed, "_locked", partial(train_seed._locked, patience=0.2))
    with open(run.seed_path(0) / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="seed-0: another process is training this seed"):
            train_seed.train_seed(run.path, 0)
    assert train_seed.train_seed(run.path, 0)["status"] == "finished"
