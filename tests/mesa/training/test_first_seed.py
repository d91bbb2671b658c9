"""A run's seeds may begin anywhere, and a seed is the same whichever run it belongs to."""

from pathlib import Path

import pytest
import torch

from mesa import RunConfig, TrainingConfig, train
from mesa.config import yaml as config_file
from mesa.errors import UserError
from mesa.storage.run import Run, load_model


def config(first_seed: int, seeds: int = 1) -> RunConfig:
    task = {"name": "linear_regression", "d_in": 2, "context": 3}
    training = TrainingConfig(steps=4, batch=8, held_out=16)
    return RunConfig(task=task, training=training, seeds=seeds, first_seed=first_seed)


def test_seeds_are_counted_from_the_first(tmp_path: Path) -> None:
    run, other = Run.create(tmp_path / "run", config(100, seeds=2)), Run.create(tmp_path / "other", config(101))
    assert list(run.seeds) == [100, 101]
    assert run.unfinished() == [100, 101]
    for each in (run, other):
        train(each)
    assert sorted(path.name for path in run.path.glob("seed-*")) == ["seed-100", "seed-101"]
    assert run.verify()[1] == []
    weights = [
        [tensor for _, tensor in load_model(path).named_parameters()]
        for path in (run.checkpoints(101)[4], other.checkpoints(101)[4], run.checkpoints(100)[4])
    ]
    assert all(torch.equal(one, same) for one, same in zip(*weights[:2], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(*weights[1:], strict=True))


def test_the_first_seed_belongs_to_the_configuration(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", config(100))
    assert Run.open(tmp_path / "run").config.first_seed == 100
    with pytest.raises(UserError, match="first_seed: 100 there, 200 asked for"):
        Run.create(tmp_path / "run", config(200))
    # A file that was written before there was a first seed is of seeds 0, 1, ...
    assert config_file.parse({"seeds": 3}).first_seed == 0
    with pytest.raises(UserError, match="first_seed: -1 is refused"):
        config_file.parse({"first_seed": -1})
