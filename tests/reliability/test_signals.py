"""SIGINT, SIGTERM and SIGKILL from outside: what is resumed ends bitwise where an uninterrupted run does."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesa.storage.run import Run

INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGKILL: -signal.SIGKILL}


def wait_for(met: Callable[[], Any], what: str, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not met():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.002)


def reached(run: Run, seed: int, step: int) -> bool:
    rows = run.metrics(seed)
    return bool(rows) and rows[-1]["step"] >= step


MOMENTS: dict[str, Callable[[Run], bool]] = {
    "before the first checkpoint": lambda run: run.seed_path(0).exists(),
    "early": lambda run: reached(run, 0, 10),
    "midway": lambda run: reached(run, 0, 150),
    "in the second seed": lambda run: reached(run, 1, 40),
}


@pytest.mark.parametrize("number", INTERRUPTED, ids=lambda number: number.name)
@pytest.mark.parametrize(
    "moment",
    [pytest.param(name, marks=[pytest.mark.slow] if "second" in name or name == "early" else []) for name in MOMENTS],
)
def test_a_process_that_is_stopped_resumes_bitwise(
    server: Any, trained: Run, tmp_path: Path, content: Any, number: signal.Signals, moment: str
) -> None:
    run = Run.create(tmp_path / "run", trained.config)
    process = server.start(run.path, pause=0.002)
    wait_for(lambda: MOMENTS[moment](run), moment)
    os.kill(process, number)
    assert server.ended(process) == INTERRUPTED[number]
    assert run.unfinished(), "it was stopped too late to show anything"
    if number != signal.SIGKILL and moment == "midway":
        # A signal that can be answered loses no step: what was reached is saved.
        assert run.outcome(0)["step"] == max(run.checkpoints(0, rolling=True)) >= 150
    assert not run.verify()[1]
    assert server.ended(server.start(run.path)) == 0
    assert content(run) == content(trained)


def workers_of(process: int) -> list[int]:
    """Processes that were spawned by this one to work, without multiprocessing's own helpers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def runs(process: int) -> bool:
    """Neither gone nor a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def busy(server: Any, tiny: Any, tmp_path: Path) -> tuple[Run, int, list[int]]:
    """A run of three seeds that two workers have begun, its process, and the workers."""
    run = Run.create(tmp_path / "busy", tiny(seeds=3, steps=1000))
    process = server.start(run.path, workers=2)
    wait_for(lambda: reached(run, 0, 100) or reached(run, 1, 100), "a worker at work")
    return run, process, workers_of(process)


@pytest.fixture(scope="module")
def three_seeds(server: Any, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs") / "whole", tiny(seeds=3, steps=1000))
    assert server.ended(server.start(run.path)) == 0
    return run


def left_all_seeds(run: Run) -> bool:
    # The third seed waits in the pool's queue; a worker that is told to stop must not take it up.
    begun = [run.outcome(seed)["status"] for seed in run.seeds]
    return begun[2] == "not started" and set(begun[:2]) <= {"interrupted", "not started"} and begun[:2] != begun[1:]


def finishes_like(run: Run, whole: Run, server: Any, content: Any) -> bool:
    assert not run.verify()[1]
    assert server.ended(server.start(run.path)) == 0
    return content(run) == content(whole)


def test_a_killed_parents_workers_save_let_go_and_end(
    server: Any, busy: tuple[Run, int, list[int]], three_seeds: Run, content: Any
) -> None:
    run, process, workers = busy
    os.kill(process, signal.SIGKILL)
    assert server.ended(process) == -signal.SIGKILL
    assert len(workers) == 2
    wait_for(lambda: not any(map(runs, workers)), "orphaned workers to end", patience=10.0)
    assert left_all_seeds(run)
    assert finishes_like(run, three_seeds, server, content)


@pytest.mark.slow
def test_a_killed_worker_is_reported_and_what_was_saved_is_kept(
    server: Any, busy: tuple[Run, int, list[int]], three_seeds: Run, content: Any
) -> None:
    run, process, workers = busy
    before = {seed: max(run.checkpoints(seed), default=-1) for seed in run.seeds}
    os.kill(workers[0], signal.SIGKILL)
    assert server.ended(process) == 2
    assert left_all_seeds(run)
    assert server.said(f"{run.path}: a worker process died (out of memory, or killed); what was saved is kept\n")
    assert all(max(run.checkpoints(seed, rolling=True), default=-1) >= step for seed, step in before.items())
    assert finishes_like(run, three_seeds, server, content)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_parent_that_is_told_to_stop_tells_its_workers(
    server: Any, busy: tuple[Run, int, list[int]], three_seeds: Run, content: Any, number: signal.Signals
) -> None:
    run, process, workers = busy
    os.kill(process, number)
    assert server.ended(process) == 130
    assert not any(map(runs, workers))
    assert left_all_seeds(run)
    assert finishes_like(run, three_seeds, server, content)
