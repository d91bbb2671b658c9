"""Ctrl-C on the command line with more seeds than processes: it ends soon, says how to go on, and goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from mesa import Run
from mesa.config.yaml import dump, parse

SETTINGS = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "training": {"steps": 1_000_000, "batch": 16, "evaluate_every": 10, "held_out": 32},
    "seeds": 5,
}


def test_ctrl_c_ends_a_command_whose_queue_is_not_empty(tmp_path: Path) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "run"
    config.write_text(dump(parse(SETTINGS)))
    command = [sys.executable, "-m", "analyses.cli", "train", str(config), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        run = _appeared(out)
        deadline = time.monotonic() + 120
        while not all(run.metrics(seed)[1:] for seed in (0, 1)):
            assert time.monotonic() < deadline, "training did not begin"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "mesa resume" in said and "Traceback" not in said
    assert [run.outcome(seed)["status"] for seed in run.seeds] == ["interrupted"] * 2 + ["not started"] * 3
    assert not run.verify()[1]


def _appeared(out: Path) -> Run:
    deadline = time.monotonic() + 120
    while not (out / "config.yaml").exists():
        assert time.monotonic() < deadline, "no run was made"
        time.sleep(0.05)
    return Run.open(out)
