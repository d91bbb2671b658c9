"""Checkpoints at a small distance between two steps are kept, and refused where they make no sense."""

from pathlib import Path

import pytest

from mesa import RunConfig, UserError
from mesa.config.yaml import parse
from mesa.storage.run import Run
from mesa.storage.schedule import schedule
from mesa.training.seed import train_seed

TINY = {"steps": 20, "batch": 4, "held_out": 4, "checkpoints_per_decade": 1}


def config(**training: object) -> RunConfig:
    return parse({"task": {"name": "linear_regression", "d_in": 2, "context": 3}, "training": {**TINY, **training}})


def test_dense_checkpoints_are_kept_beside_the_others(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", config(dense_checkpoints=[12, 16, 2]))
    assert train_seed(run.path, 0)["status"] == "finished"
    assert list(run.checkpoints(0)) == [0, 10, 12, 14, 16, 20] == schedule(20, 1, [12, 16, 2])


@pytest.mark.parametrize(
    ("dense", "rule"), [([5, 3, 1], "first step before its last"), ([5, 6], "3 items"), ([5, 6, 0], "greater than")]
)
def test_what_is_no_range_is_refused(dense: list[int], rule: str) -> None:
    with pytest.raises(UserError, match=f"dense_checkpoints.*{rule}"):
        config(dense_checkpoints=dense)
