"""Verify names whatever a run directory has lost, and "last" never means an earlier checkpoint without a word."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mesa
from mesa.errors import UserError
from mesa.storage.run import Run


def problems(run: Run) -> list[str]:
    return [str(error) for error in Run.open(run.path).verify()[1]]


def last_checkpoint(run: Run) -> Path:
    return run.checkpoints(1)[150]


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (lambda run: run.seed_path(1), "seed 1 is missing: the configuration has 2 seeds"),
        (last_checkpoint, "the checkpoint of step 150 is missing"),
        (lambda run: run.checkpoints(1)[0], "the checkpoint of step 0 is missing"),
        (lambda run: run.checkpoints(1)[100], "the checkpoint of step 100 is missing"),
        (lambda run: run.seed_path(1) / "checkpoints", "the checkpoint of step 150 is missing"),
        (lambda run: run.seed_path(1) / "metrics.jsonl", "holds no evaluation; training ended at step 150"),
    ],
)
def test_verify_names_what_is_missing(copied: Run, lost: Callable[[Run], Path], words: str) -> None:
    assert problems(copied) == []
    path = lost(copied)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert any(words in line and str(copied.seed_path(1)) in line for line in problems(copied))
    assert all("\n" not in line for line in problems(copied))


def test_a_run_that_is_made_longer_misses_nothing(copied: Run, tiny: Any) -> None:
    longer = Run.create(copied.path, tiny(seeds=2, steps=180))
    assert problems(longer) == []
    mesa.train(longer)
    assert problems(longer) == []


def test_a_run_without_any_seed_is_not_whole(copied: Run, tmp_path: Path, tiny: Any) -> None:
    """Its seeds were deleted, or it was never trained: config.yaml is all that is left of either."""
    new = Run.create(tmp_path / "run", tiny(seeds=3))
    assert problems(new) == [f"{new.path}: no seed is there: the configuration has 3, and `mesa resume` trains them"]
    for seed in copied.seeds:
        shutil.rmtree(copied.seed_path(seed))
    assert problems(copied) == [
        f"{copied.path}: no seed is there: the configuration has 2, and `mesa resume` trains them"
    ]


def test_last_is_refused_where_the_last_checkpoint_is_lost(copied: Run) -> None:
    assert list(copied.select(1, "last")) == [150]
    shutil.rmtree(last_checkpoint(copied))
    for which in ("last", "all"):
        with pytest.raises(UserError, match="training ended at step 150, and the last checkpoint is of step 133"):
            copied.select(1, which)
    assert list(copied.select(1, 133)) == [133]
    assert list(copied.select(0, "last")) == [150]


@pytest.mark.parametrize(
    "row", ['{"step": 5}', '{"step": "5", "held_out_loss": 1.0}', '{"step": 5, "held_out_loss": "a"}']
)
def test_an_evaluation_without_its_losses_is_one_line(copied: Run, row: str) -> None:
    (copied.seed_path(1) / "metrics.jsonl").write_text(row + "\n")
    with pytest.raises(UserError, match="line 1 is not the evaluation that was written"):
        copied.metrics(1)


def test_a_divergence_without_its_reason_is_one_line(copied: Run) -> None:
    (copied.seed_path(1) / "outcome.json").write_text('{"status": "diverged", "step": 3}')
    with pytest.raises(UserError, match="is not the outcome that was written"):
        copied.outcome(1)


def test_damaged_metrics_of_an_unfinished_seed_are_one_line(copied: Run) -> None:
    (copied.seed_path(1) / "outcome.json").unlink()
    (copied.seed_path(1) / "metrics.jsonl").write_bytes(b"\xff\xfe hello\n")
    with pytest.raises(UserError, match="line 1 is not the evaluation that was written"):
        mesa.train(copied, report=lambda *_: None)
