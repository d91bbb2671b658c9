"""One of each, added from a file outside the package: listed, configured, trained, probed, reported, tested, drawn."""

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest
import torch

from analyses.registry import ANALYSES
from mesa import Run
from mesa.config.presets import CONFIGURATIONS
from mesa.plugin import load
from mesa.registry import LEARNERS, CandidateSpace
from probes.behaviour.identification.candidates import candidates
from probes.controls.registry import CONTROLS
from probes.registry import PROBES
from tasks.registry import TASKS, Registry, Row, unplugged_after
from tests import test_rows
from tests.helpers import one_of_each
from tests.helpers.command_line import mesa
from tests.helpers.laws import probes as laws
from tests.helpers.laws.rows import check_row
from tests.helpers.laws.tasks import check_task
from tests.mesa.learners import test_learner_laws

ADDED: tuple[tuple[Mapping[str, Row], str], ...] = (
    (TASKS, "shifted_regression"),
    (LEARNERS, "half_averaging"),
    (PROBES, "prediction_size"),
    (PROBES, "prediction_mean"),
    (CONTROLS, "silent"),
    (CONFIGURATIONS, "shifted-layer"),
    (ANALYSES, "answers-at-all"),
)
NAME = "my_additions"


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """The file, where no package is; what it adds is gone after the test."""
    with unplugged_after():
        yield Path(shutil.copy(one_of_each.__file__, tmp_path / f"{NAME}.py"))
    forget()


def forget() -> None:
    """As in a new process: the module is not imported."""
    sys.modules.pop(NAME, None)


def there() -> list[str]:
    """The names of the plugin that the registries know."""
    return [name for rows, name in ADDED if name in rows]


def data(page: Path, figure: str) -> pd.DataFrame:
    """The numbers behind a figure of a report, which also has its picture."""
    assert (page / "figures" / f"{figure}.svg").stat().st_size > 1000
    return pd.read_csv(page / "data" / f"{figure}.csv")


def test_one_of_each_from_list_to_report(
    plugin: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def done(*arguments: object) -> str:
        code, out, err = mesa(capfd, "--plugin", plugin, *arguments)
        assert code == 0, err
        return out

    monkeypatch.chdir(tmp_path)
    assert there() == []
    listed = [line.split(maxsplit=1) for line in done("list").splitlines()]
    assert there() == [name for _, name in ADDED]
    for rows, name in ADDED:
        assert any(line[0] == name and line[1].startswith(rows[name].about) for line in listed), name

    # Configured and trained: the task's own fields are in the file, the one that the configuration sets among them.
    Path("config.yaml").write_text(done("config", "shifted-layer"))
    text = Path("config.yaml").read_text()
    assert "name: shifted_regression" in text and "shift: 0.25" in text and "context: 6" in text
    done("train", "config.yaml", "--out", "run", "--workers", 1)
    assert Run.open(Path("run")).outcome(0)["status"] == "finished"
    assert f"plugins:\n  {NAME}: " in Path("run/config.yaml").read_text()

    # Probed by its own probes on its own control; its learner is one that `identify` tries.
    probes = [word for name in ("prediction_size", "prediction_mean") for word in ("--probe", name)]
    done("probe", "run", *probes, "--prompts", 60, "--workers", 1)
    assert "half_averaging" in {candidate.name for candidate in candidates(CandidateSpace(3, 1, 1))}
    table = pd.read_parquet("run/readings/prediction_size/seed-0.parquet")
    size = table.set_index("control")["value"]
    assert size["silent"] == 0 < size["none"] and set(size.index) == {"none", "untrained", "silent"}

    # Reported: one probe draws itself, another has the default figure.
    done("report", "run")
    for figure, values in (("prediction_sizes", 3), ("probe-prediction_mean", 3)):
        rows = data(Path("run/report"), figure)
        assert len(rows) == values and set(rows["control"]) == {"none", "untrained", "silent"}
    assert not Path("run/report/figures/probe-prediction_size.svg").exists()

    # Reproduced: an analysis with a claim and a figure.
    out = done("reproduce", "answers-at-all", "--quick", "--seeds", 1)
    assert "answers" in out and "answers-at-all-quick/index.html" in out
    results = json.loads(Path("out/answers-at-all-quick/results.json").read_text())
    assert [claim["id"] for claim in results["claims"]] == ["answers"]
    page = Path("out/answers-at-all-quick")
    assert set(data(page, "prediction_sizes")["control"]) == {"none", "untrained", "silent"}
    assert data(page, "probe-label_sensitivity")["kind"].str.contains("half_averaging").any()


def test_a_run_without_its_plugin_is_one_line_and_a_changed_one_warns(
    plugin: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = tmp_path / "run"
    with unplugged_after():
        _, text, _ = mesa(capfd, "--plugin", plugin, "config", "shifted-layer")
        (tmp_path / "config.yaml").write_text(text)
        arguments = ("--set", "training.steps=2", "--set", "training.evaluate_every=1", "--workers", 1)
        code, _, err = mesa(capfd, "--plugin", plugin, "train", tmp_path / "config.yaml", "--out", run, *arguments)
        assert code == 0, err
    forget()
    code, out, err = mesa(capfd, "verify", run)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"was made with the plugin '{NAME}', which is not loaded: load it with `mesa --plugin {NAME}`" in err
    plugin.write_text(plugin.read_text() + "# One more line.\n")
    with caplog.at_level(logging.WARNING, logger="mesa"):
        assert mesa(capfd, "--plugin", plugin, "verify", run)[0] == 0
    (record,) = caplog.records
    assert f"the plugin '{NAME}' has changed since this was made" in record.getMessage()


def test_its_rows_obey_the_laws(plugin: Path, seeded: Callable[[int], torch.Generator]) -> None:
    load(str(plugin))
    for rows, name in ADDED:
        assert isinstance(rows, Registry)
        check_row(name, rows[name])
    check_task("shifted_regression", TASKS["shifted_regression"])
    for dtype in (torch.float32, torch.float64):
        test_learner_laws.test_the_laws(seeded, "half_averaging", dtype, 5, 1)
    test_learner_laws.test_contexts_without_information_are_answered(seeded, "half_averaging")
    for name in ("prediction_size", "prediction_mean"):
        row = PROBES[name]
        laws.check_answers(name, row)
        for training in (True, False):
            laws.check_leaves_no_trace(row, training)
        laws.check_order_of_batch(row)
        laws.check_basis_of_heads(row)
        laws.check_control("silent", CONTROLS["silent"], laws.example_subject(row))
    test_rows.test_every_configuration_is_written_and_read_back("shifted-layer")
    test_rows.test_every_analysis_states_its_claims_before_it_measures("answers-at-all")
