"""A process killed before any operation on a file, from creating the run to its outcome, loses and spoils nothing."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesa.config import yaml as config_file
from mesa.storage.run import Run

Content = dict[str, bytes]


@pytest.fixture(scope="module")
def short(tiny: Callable[..., Any], server: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A configuration file whose run writes a rolling checkpoint at every step, and that run, uninterrupted."""
    home = tmp_path_factory.mktemp("short")
    settings = tiny(steps=14, evaluate_every=2, checkpoints_per_decade=6, rolling_seconds=1e-9)
    (home / "config.yaml").write_text(config_file.dump(settings))
    assert server.ended(server.start(home / "whole", config=str(home / "config.yaml"))) == 0
    return home / "config.yaml", home / "whole"


def killed_and_resumed(server: Any, config: Path, run: Path, moments: list[int]) -> list[int]:
    """Kill a process at each of these operations in turn, starting another each time, then let one finish."""
    codes = [server.ended(server.start(run, config=str(config), die_at=moment)) for moment in moments]
    if (run / "config.yaml").exists():
        # What a killed process leaves behind is whole, as far as it can be seen.
        assert not Run.open(run).verify()[1]
    assert server.ended(server.start(run, config=str(config))) == 0
    return codes


def check_moment(server: Any, short: tuple[Path, Path], run: Path, content: Any, moment: int) -> bool:
    (code,) = killed_and_resumed(server, short[0], run, [moment])
    assert code in (0, -signal.SIGKILL)
    assert content(Run.open(run)) == content(Run.open(short[1])), f"killed at operation {moment}"
    assert not Run.open(run).verify()[1]
    return code == 0


# A prime, so that the moments drift through the repeated pattern of operations and meet every kind of them.
STRIDE = 47


def test_sampled_moments(server: Any, short: tuple[Path, Path], tmp_path: Path, content: Any) -> None:
    moment = 1
    while not check_moment(server, short, tmp_path / f"at-{moment}", content, moment):
        moment += STRIDE
    assert moment > 3 * STRIDE, "the process was hardly ever killed"


@pytest.mark.slow
def test_every_moment(server: Any, short: tuple[Path, Path], tmp_path: Path, content: Any) -> None:
    moment = 1
    while not check_moment(server, short, tmp_path / f"at-{moment}", content, moment):
        moment += 1


def test_a_run_killed_again_and_again(server: Any, short: tuple[Path, Path], tmp_path: Path, content: Any) -> None:
    codes = killed_and_resumed(server, short[0], tmp_path / "often", [40, 33, 47, 25, 38, 61])
    assert codes.count(-signal.SIGKILL) == 6
    assert content(Run.open(tmp_path / "often")) == content(Run.open(short[1]))


def test_the_comparison_sees_a_run_of_another_batch(
    server: Any, short: tuple[Path, Path], tmp_path: Path, content: Any
) -> None:
    # The control of the tests above: what differs in the configuration differs in what is compared.
    other = tmp_path / "other.yaml"
    other.write_text(short[0].read_text().replace("batch: 16", "batch: 17"))
    assert server.ended(server.start(tmp_path / "other", config=str(other))) == 0
    there, here = content(Run.open(short[1])), content(Run.open(tmp_path / "other"))
    assert there.keys() == here.keys()
    assert {name for name in there if there[name] == here[name]} == {"seed-0/outcome.json"} | {
        name for name in there if name.startswith("seed-0/checkpoints/step-000000/") and not name.endswith(".json")
    }
    assert json.loads(there["seed-0/outcome.json"]) == {"status": "finished", "step": 14}
