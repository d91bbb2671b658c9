"""A plugin's rows are listed, trained, recorded and required; a plugin that is wrong is one line."""

import logging
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import mesa
from mesa import plugin
from mesa.config import yaml as config_file
from mesa.errors import UserError
from mesa.storage.run import Run
from mesa.training.pool import pool
from probes import Plan, probe_runs
from probes.plan import probe_of
from tasks.registry import TASKS, plugins, unplugged_after
from tests.helpers import one_of_each

SOURCE = """
from dataclasses import dataclass

from mesa.config.presets import ConfigurationRow
from tasks import LinearRegression
from tasks.registry import TaskRow

__version__ = "1.2"


@dataclass(frozen=True)
class Halved(LinearRegression):
    teacher_scale: float = 0.5


TASKS = {
    "halved": TaskRow(
        target=f"{__name__}:Halved", about="linear regression with small teachers", prompts="regression", example={}
    )
}
CONFIGURATIONS = {
    "halved-one-layer": ConfigurationRow(about="on small teachers", settings={"task": {"name": "halved"}})
}
"""
SETTINGS = {"task": {"name": "halved", "d_in": 2, "context": 3}}
TRAINING = {"steps": 4, "batch": 4, "held_out": 4, "evaluate_every": 2}


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    modules = set(sys.modules)
    with unplugged_after():
        yield
    for name in set(sys.modules) - modules:
        if name.startswith("plugin_"):
            del sys.modules[name]


def written(folder: Path, source: str = SOURCE, name: str = "plugin_halved") -> Path:
    (folder / f"{name}.py").write_text(source)
    return folder / f"{name}.py"


def forget() -> None:
    """As in a new process: the plugin is not loaded."""
    sys.modules.pop("plugin_halved", None)


def test_rows_of_a_file_and_of_a_module_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path)
    with unplugged_after():
        loaded = plugin.load(str(file))
        assert (loaded.module, loaded.version, loaded.source) == ("plugin_halved", "1.2", str(file))
        assert TASKS["halved"].load() is sys.modules["plugin_halved"].Halved
        assert config_file.parse(SETTINGS).task["teacher_scale"] == 0.5
        assert mesa.preset("halved-one-layer").task["name"] == "halved"
        assert plugin.load(str(file)) == loaded and plugins() == (loaded,)
    forget()
    assert "halved" not in TASKS and plugins() == ()
    monkeypatch.syspath_prepend(tmp_path)
    assert plugin.load("plugin_halved").digest == loaded.digest


def test_a_run_records_its_plugins_and_needs_them(tmp_path: Path) -> None:
    file = written(tmp_path)
    with unplugged_after():
        plugin.load(str(file))
        config = config_file.parse({**SETTINGS, "training": TRAINING, "seeds": 2})
        run = Run.create(tmp_path / "run", config)
        mesa.train(run)
        assert [run.outcome(seed)["status"] for seed in run.seeds] == ["finished"] * 2
        assert Run.open(run.path).config == config
    forget()
    with pytest.raises(UserError, match=r"made with the plugin 'plugin_halved' \(version 1\.2\), which is not loaded"):
        Run.open(run.path)


def test_worker_processes_load_the_plugins_of_what_they_train_and_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.load(str(written(tmp_path)))
    plugin.load(str(shutil.copy(one_of_each.__file__, tmp_path / "plugin_of_each.py")))
    run = Run.create(tmp_path / "run", config_file.parse({**SETTINGS, "training": TRAINING, "seeds": 2}))
    plan = Plan(probe_of("prediction_size", 20), controls=("silent",))
    # One pool for both, as `mesa reproduce` has it, and one process, which takes seconds to start, for all its jobs.
    monkeypatch.setattr("mesa.training.pool.ProcessPoolExecutor", lambda _, **given: ProcessPoolExecutor(1, **given))
    with pool(2, 2) as processes:
        mesa.train(run, executor=processes)
        assert [run.outcome(seed)["status"] for seed in run.seeds] == ["finished"] * 2
        reading, skipped = probe_runs([(run, [plan])], executor=processes)
    sizes = reading.table[reading.table["metric"] == "size"].set_index(["seed", "control"])["value"]
    assert skipped == [] and sorted(sizes.index) == [(0, "none"), (0, "silent"), (1, "none"), (1, "silent")]
    assert all((value > 0) == (control == "none") for (_, control), value in sizes.items())


def test_a_plugin_that_has_changed_is_named_and_the_run_opens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path)
    with unplugged_after():
        plugin.load(str(file))
        run = Run.create(tmp_path / "run", config_file.parse(SETTINGS))
    forget()
    plugin.load(str(written(tmp_path, SOURCE + "\n# Another thought.\n")))
    with caplog.at_level(logging.WARNING, logger="mesa"):
        assert Run.open(run.path).config == run.config
        Run.open(run.path)
    assert [record.getMessage() for record in caplog.records] == [
        f"mesa: warning: {run.path / 'config.yaml'}: the plugin 'plugin_halved' has changed since this was made"
        " (version 1.2)"
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = (", "cannot be loaded: SyntaxError"),
        ("raise ValueError('two\\nlines')", "cannot be loaded: ValueError: two lines"),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        (SOURCE + '\nobject.__setattr__(TASKS["halved"], "target", 1)', "its target and about must be text, are 1 and"),
        ("x = 1", "adds nothing: it has none of TASKS, READERS"),
        ("TASKS = ['a']", "TASKS must be a dict of rows, is list"),
        ("TASKS = {'a': 'b:c'}", r"TASKS\['a'\] must be a TaskRow under a name, is str"),
        (SOURCE.replace('"halved":', '"sine":'), r"TASKS\['sine'\]: there is a task of this name"),
        (SOURCE.replace(":Halved", ":Thirds"), r"TASKS\['halved'\]: its target 'plugin_wrong:Thirds' is not there"),
    ],
)
def test_a_wrong_plugin_is_one_line_and_adds_nothing(tmp_path: Path, source: str, message: str) -> None:
    file = written(tmp_path, source, "plugin_wrong")
    with pytest.raises(UserError, match=message) as caught:
        plugin.load(str(file))
    assert str(caught.value).startswith(f"--plugin {file}: ") and "\n" not in str(caught.value)
    assert plugins() == () and "halved" not in TASKS and len(TASKS["sine"].about) > 3


def test_a_file_that_would_hide_a_module_is_refused(tmp_path: Path) -> None:
    for name, rule in (("mesa", "is the name of a module that is loaded already"), ("a-b", "is no name of a module")):
        with pytest.raises(UserError, match=rule):
            plugin.load(str(written(tmp_path, SOURCE, name)))
    with pytest.raises(UserError, match="cannot be loaded: FileNotFoundError"):
        plugin.load(str(tmp_path / "plugin_absent.py"))
