"""One of each, added from a file outside the package: listed, configured, trained, probed, reported, tested, drawn."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from analyses.registry import ANALYSES
from mesa.config.presets import CONFIGURATIONS
from mesa.registry import LEARNERS
from probes.controls.registry import CONTROLS
from probes.registry import PROBES
from tasks.registry import TASKS, plug, unplugged_after
from tests import test_rows
from tests.helpers import one_of_each
from tests.helpers.laws import probes as laws
from tests.helpers.laws.rows import check_row
from tests.helpers.laws.tasks import check_task
from tests.mesa.learners import test_learner_laws

ADDED: tuple[tuple[Any, str, str], ...] = (
    (TASKS, "shifted_regression", "TASKS"),
    (LEARNERS, "half_averaging", "LEARNERS"),
    (PROBES, "prediction_size", "PROBES"),
    (CONTROLS, "silent", "CONTROLS"),
    (CONFIGURATIONS, "shifted-layer", "CONFIGURATIONS"),
    (ANALYSES, "answers-at-all", "ANALYSES"),
)


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """The file, where no package is; what it adds is gone after the test."""
    with unplugged_after():
        yield Path(shutil.copy(one_of_each.__file__, tmp_path / "my_additions.py"))


def test_without_the_plugin_there_is_none_of_them() -> None:
    assert [name for rows, name, _ in ADDED if name in rows] == []


def test_its_rows_obey_the_laws(plugin: Path, seeded: Any) -> None:
    for rows, name, attribute in ADDED:
        plug(rows.kind, getattr(one_of_each, attribute))
        check_row(name, rows[name])
    check_task("shifted_regression", TASKS["shifted_regression"])
    for dtype in (torch.float32, torch.float64):
        test_learner_laws.test_the_laws(seeded, "half_averaging", dtype, 5, 1)
    test_learner_laws.test_contexts_without_information_are_answered(seeded, "half_averaging")
    row = PROBES["prediction_size"]
    laws.check_answers("prediction_size", row)
    for training in (True, False):
        laws.check_leaves_no_trace(row, training)
    laws.check_order_of_batch(row)
    laws.check_basis_of_heads(row)
    laws.check_control("silent", CONTROLS["silent"], laws.example_subject(row))
    test_rows.test_every_configuration_is_written_and_read_back("shifted-layer")
    test_rows.test_every_analysis_states_its_claims_before_it_measures("answers-at-all")
