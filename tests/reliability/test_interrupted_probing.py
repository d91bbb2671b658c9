"""Ctrl-C in `mesa probe`: what was measured is saved, and the same command goes on from there."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from mesa import Run
from mesa.errors import UserError
from mesa.storage import files
from probes import GDAlignment, Plan, Reading, RegressionSubject, WeightProducts, probe_runs
from probes.readings.recipe import recipe_of
from probes.readings.stored import stored_readings
from tasks.registry import Plugin, note, unplugged_after
from tests.helpers.processes import runs

PROBES = ("gd_alignment", "out_of_distribution", "order_sensitivity")
# Seconds after which a process hangs; a busy machine takes minutes.
PATIENCE = 900


def started(server: Any, run: Run, log: Path, gate: Path | None = None) -> int:
    """`mesa probe` in a process of its own; its id."""
    options = [option for name in PROBES for option in ("--probe", name)]
    return server.command(log, "probe", run.path, *options, "--prompts", 300, "--workers", 1, gate=gate)


def tables(run: Run) -> list[Path]:
    return sorted((run.path / "readings").glob("*/seed-*.parquet"))


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)], ids=lambda number: number.name
)
def test_probing_that_is_stopped_keeps_what_is_done_and_goes_on(
    server: Any, copied: Run, tmp_path: Path, number: signal.Signals
) -> None:
    # It waits after its first reading, so that it cannot end before the signal comes.
    gate = tmp_path / "gate"
    gate.mkdir()
    process = started(server, copied, tmp_path / "log", gate)
    deadline = time.monotonic() + PATIENCE
    while not tables(copied):
        assert runs(process) and time.monotonic() < deadline, "no reading was saved"
        time.sleep(0.01)
    os.kill(process, number)
    time.sleep(0.5)  # for its main thread to see the signal, before five more readings are made
    gate.rmdir()
    assert server.ended(process) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    if number == signal.SIGINT:
        printed = (tmp_path / "log").read_text()
        assert "what was done is saved" in printed and "Traceback" not in printed
    complete = {path: path.stat().st_mtime_ns for path in tables(copied)}
    assert 0 < len(complete) < len(PROBES) * len(copied.seeds), "it was stopped too late to show anything"
    assert server.ended(started(server, copied, tmp_path / "log")) == 0
    assert {path: path.stat().st_mtime_ns for path in tables(copied) if path in complete} == complete
    assert len(tables(copied)) == len(PROBES) * len(copied.seeds)
    stored = stored_readings(copied)
    fresh, _ = probe_runs([(copied, [Plan(GDAlignment(prompts=300))])])
    of_probe = stored.table[stored.table["probe"] == "gd_alignment"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_probe, fresh.table)


def test_a_reading_is_made_again_only_where_its_recipe_has_changed(
    copied: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [Plan(GDAlignment(prompts=50)), Plan(WeightProducts(prompts=50), controls=())]
    first, skipped = probe_runs([(copied, plans)])
    saved: list[str] = []
    save = Reading.save

    def recording(self: Reading, folder: Path, stem: str, *rest: object) -> None:
        saved.append(f"{folder.name} {stem}")
        save(self, folder, stem, *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Reading, "save", recording)
    again, skipped_again = probe_runs([(copied, plans)])
    assert saved == [] and skipped_again == skipped
    pd.testing.assert_frame_equal(again.table, first.table)
    assert set(again.arrays) == set(first.arrays)
    # Other controls of one probe.
    probe_runs([(copied, [plans[0], Plan(WeightProducts(prompts=50), controls=("untrained",))])])
    assert saved == ["weight_products seed-0", "weight_products seed-1"]
    # Other checkpoints of one seed.
    saved.clear()
    shutil.rmtree(copied.checkpoints(1)[0])
    probe_runs([(copied, plans[:1])])
    assert saved == ["gd_alignment seed-1"]
    # A damaged reading.
    saved.clear()
    path = copied.path / "readings" / "gd_alignment" / "seed-0.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    probe_runs([(copied, plans[:1])])
    assert saved == ["gd_alignment seed-0"]


def test_a_reading_is_made_again_with_other_plugins(copied: Run) -> None:
    """A plugin's learners are candidates of `identify`, and its controls may apply."""
    plan = Plan(GDAlignment(prompts=50), controls=())
    recipe = recipe_of(plan, copied, 0)
    with unplugged_after():
        note(Plugin(source="extra.py", module="extra", version="", digest="1"))
        with_plugin = recipe_of(plan, copied, 0)
    with unplugged_after():
        note(Plugin(source="extra.py", module="extra", version="", digest="2"))
        assert len({recipe, with_plugin, recipe_of(plan, copied, 0), ""}) == 4


class Never(GDAlignment):
    """A probe that must not be put."""

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        raise AssertionError("it was measured")


def test_a_read_only_run_is_refused_before_anything_is_measured(copied: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions do not stop a superuser, so the system's answer is played.
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(files, "write_synced", refuse)
    with pytest.raises(UserError, match=r"readings: cannot be written: Read-only file system"):
        probe_runs([(copied, [Plan(Never())])])
    assert not (copied.path / "readings").exists()


def test_a_run_that_cannot_be_written_to_is_refused_before_anything_is_measured(copied: Run) -> None:
    (copied.path / "readings").write_text("in the way")
    with pytest.raises(UserError, match=r"readings: is a file, not a directory"):
        probe_runs([(copied, [Plan(Never())])])
