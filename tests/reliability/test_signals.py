"""SIGINT, SIGTERM and SIGKILL from outside: what is resumed ends bitwise where an uninterrupted run does."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mesa.storage.run import Run
from tests.helpers.processes import runs

INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -signal.SIGKILL}


def wait_for(met: Callable[[], Any], what: str, patience: float = 300.0) -> None:
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.002)


class Gate:
    """Training processes wait here before one step until the test lets them go: see `fork_server.py`."""

    def __init__(self, directory: Path, seed: int | None, step: int) -> None:
        self.directory = directory
        self.hold = {"gate": str(directory), "seed": seed, "step": step}
        directory.mkdir()

    def wait_for(self, *seeds: int) -> None:
        """Wait until these seeds are at the gate."""
        wait_for(
            lambda: all((self.directory / f"seed-{seed}").exists() for seed in seeds), f"seeds {seeds} at the gate"
        )

    def open(self) -> None:
        """Let them go on."""
        shutil.rmtree(self.directory)


MOMENTS = {
    "before the first checkpoint": (0, 0),
    "early": (0, 11),
    "midway": (0, 95),
    "in the second seed": (1, 45),
}
SLOW = ("early", "in the second seed")


@pytest.mark.parametrize("number", INTERRUPTED, ids=lambda number: number.name)
@pytest.mark.parametrize(
    "moment", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in MOMENTS]
)
def test_a_process_that_is_stopped_resumes_bitwise(
    server: Any, trained: Run, tmp_path: Path, content: Any, number: signal.Signals, moment: str
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    seed, step = MOMENTS[moment]
    gate = Gate(tmp_path / "gate", seed, step)
    process = server.start(run.path, hold=gate.hold)
    gate.wait_for(seed)
    os.kill(process, number)
    gate.open()
    assert server.ended(process) == INTERRUPTED[number]
    assert run.unfinished(), "it was stopped too late to show anything"
    if number != signal.SIGKILL and moment == "midway":
        # A signal that can be answered loses no step: what was reached is saved.
        assert run.outcome(0).get("step") == max(run.checkpoints(0, rolling=True)) == step
    # Where nothing was saved yet, that is said.
    assert not run.verify()[1] or not run.checkpoints(0, rolling=True)
    assert server.ended(server.start(run.path)) == 0
    assert content(run) == content(trained)


def workers_of(process: int) -> list[int]:
    """Processes that were spawned by this one to work, without multiprocessing's own helpers."""
    workers = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process and b"spawn_main" in (entry / "cmdline").read_bytes():
                workers.append(int(entry.name))
        except OSError:
            continue
    return workers


@dataclass
class Busy:
    """A run of three seeds, the process that trains it, and its two workers: at the gate, in seeds 0 and 1."""

    run: Run
    process: int
    workers: list[int]
    gate: Gate


@pytest.fixture
def busy(server: Any, tiny: Any, tmp_path: Path) -> Busy:
    run, gate = Run.create(tmp_path / "busy", tiny(seeds=3, steps=1000)), Gate(tmp_path / "gate", None, 105)
    process = server.start(run.path, workers=2, hold=gate.hold)
    gate.wait_for(0, 1)
    return Busy(run, process, workers_of(process), gate)


@pytest.fixture(scope="module")
def three_seeds(server: Any, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs") / "whole", tiny(seeds=3, steps=1000))
    assert server.ended(server.start(run.path)) == 0
    return run


def left_all_seeds(run: Run) -> bool:
    # The third seed waits in the pool's queue; a worker that is told to stop must not take it up.
    return [run.outcome(seed)["status"] for seed in run.seeds] == ["interrupted", "interrupted", "not started"]


def finishes_like(run: Run, whole: Run, server: Any, content: Any) -> bool:
    # Where nothing was saved yet, that is said.
    assert not run.verify()[1] or not run.checkpoints(0, rolling=True)
    assert server.ended(server.start(run.path)) == 0
    return content(run) == content(whole)


def test_a_killed_parents_workers_save_let_go_and_end(server: Any, busy: Busy, three_seeds: Run, content: Any) -> None:
    run, workers = busy.run, busy.workers
    assert len(workers) == 2
    os.kill(busy.process, signal.SIGKILL)
    assert server.ended(busy.process) == -signal.SIGKILL
    busy.gate.open()
    wait_for(lambda: not any(map(runs, workers)), "orphaned workers to end")
    assert left_all_seeds(run)
    assert finishes_like(run, three_seeds, server, content)


@pytest.mark.slow
def test_a_killed_worker_is_reported_and_what_was_saved_is_kept(
    server: Any, busy: Busy, three_seeds: Run, content: Any
) -> None:
    run = busy.run
    before = {seed: max(run.checkpoints(seed), default=-1) for seed in run.seeds}
    os.kill(busy.workers[0], signal.SIGKILL)
    busy.gate.open()
    assert server.ended(busy.process) == 2
    assert left_all_seeds(run)
    assert server.printed(f"{run.path}: a worker process died (out of memory, or killed); what was saved is kept\n")
    assert all(max(run.checkpoints(seed, rolling=True), default=-1) >= step for seed, step in before.items())
    assert finishes_like(run, three_seeds, server, content)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_parent_that_is_told_to_stop_tells_its_workers(
    server: Any, busy: Busy, three_seeds: Run, content: Any, number: signal.Signals
) -> None:
    run = busy.run
    os.kill(busy.process, number)
    busy.gate.open()
    assert server.ended(busy.process) == 130
    assert not any(map(runs, busy.workers))
    assert left_all_seeds(run)
    assert finishes_like(run, three_seeds, server, content)
