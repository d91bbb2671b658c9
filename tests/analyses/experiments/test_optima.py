"""Seeds that ended apart: a hill between two optima is seen, and one optimum has none."""

from pathlib import Path

import pandas as pd
import pytest

from analyses.claims.analysis import with_training
from analyses.evidence import Evidence
from analyses.experiments.curvature import optima
from analyses.experiments.curvature.optima import Connection, connection, far_seeds
from mesa.config.presets import preset
from mesa.storage.run import Run
from mesa.training.runs import train_all


def test_only_seeds_that_ended_clearly_higher_are_far() -> None:
    curves = pd.DataFrame(
        [
            {"run": "a", "seed": seed, "step": step, "held_out_loss": loss * (1 + step / 1000)}
            for seed, loss in ((0, 1.04), (1, 1.0), (2, 1.2))
            for step in range(5)
        ]
    )
    assert far_seeds(Evidence({}, pd.DataFrame(), {}, curves), "a") == (1, (2,))


def test_a_hill_and_what_is_kept() -> None:
    hill = Connection((0.2, 0.9, 0.1), (0.2, 0.1, 0.1))
    assert hill.barrier == pytest.approx(3.5) and hill.kept == pytest.approx(1)
    valley = Connection((0.2, 0.15, 0.18), (0.1, 0.1, 0.1))
    assert valley.barrier == 0 and valley.kept == 0


def test_the_way_from_a_seed_to_itself_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optima, "STEPS", 4)
    monkeypatch.setattr(optima, "PROMPTS", 200)
    config = preset("two-layers-tied").model_copy(update={"seeds": 1})
    run = Run.create(tmp_path / "run", with_training(config, steps=5, batch=32, held_out=32))
    train_all([run])
    way = connection(run, 0, 0)
    assert way.path == pytest.approx([way.path[0]] * len(way.path), rel=1e-4)
    assert way.trained == pytest.approx([way.trained[0]] * 3, rel=1e-3)
