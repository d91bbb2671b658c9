"""Ctrl-C on the command line with more seeds than processes: it ends soon, says how to go on, and goes on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesa import Run
from mesa.config.yaml import dump, parse

SETTINGS = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "training": {"steps": 1_000_000, "batch": 16, "evaluate_every": 10, "held_out": 32},
    "seeds": 5,
}
# Seconds; a machine with many other processes takes a minute to import torch.
PATIENCE = 300


def test_ctrl_c_ends_a_command_whose_queue_is_not_empty(server: Any, tmp_path: Path) -> None:
    config, out, log = tmp_path / "config.yaml", tmp_path / "run", tmp_path / "log"
    config.write_text(dump(parse(SETTINGS)))
    process = server.command(log, "train", config, "--out", out, "--workers", 2)
    run = _appeared(out)
    _wait_for(lambda: all(run.metrics(seed)[1:] for seed in (0, 1)), "two seeds in training")
    os.kill(process, signal.SIGINT)
    assert server.ended(process) == 130
    printed = log.read_text()
    assert "mesa resume" in printed and "Traceback" not in printed
    assert [run.outcome(seed)["status"] for seed in run.seeds] == ["interrupted"] * 2 + ["not started"] * 3
    assert not run.verify()[1]


def _appeared(out: Path) -> Run:
    _wait_for((out / "config.yaml").exists, "a run")
    return Run.open(out)


def _wait_for(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
