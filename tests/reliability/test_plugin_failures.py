"""An exception in a plugin's code is one line that names the plugin, the row, the seed, the file and the line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import mesa
from mesa import plugin
from mesa.config import yaml as config_file
from mesa.errors import UserError
from mesa.storage.run import Run
from probes import GDAlignment, Plan, probe_runs
from probes.plan import probe_of
from probes.readings.recipe import _described
from probes.readings.stored import left_out, stored_readings
from tasks.registry import plugin_of, unplugged_after
from tests.helpers.command_line import mesa as command

SOURCE = """
from dataclasses import dataclass
from probes import Reading
from probes.controls.registry import ControlRow
from probes.registry import ProbeRow
from tasks import LinearRegression
from tasks.registry import TaskRow

def fail(where):
    if where in {FAILS!r}:
        raise ZeroDivisionError("no " + where)

@dataclass(frozen=True)
class Moody(LinearRegression):
    def sample(self, batch, generator, queries=1):
        fail("small batches" if batch < 16 else "large batches")
        return super().sample(batch, generator, queries)

@dataclass(frozen=True)
class One:
    name: str = "one"
    def applies(self, subject):
        fail("applying")
    def __call__(self, subject, generator):
        fail("measuring")
        return None if "nothing" in {FAILS!r} else Reading.of([{{"metric": "one", "value": 1.0}}])

def same(subject):
    fail("control")
    return None if "no subject" in {FAILS!r} else subject

def example(): ...

def draw(evidence, run):
    fail("drawing")
    return ()

TASKS = {{"moody": TaskRow(target=f"{{__name__}}:Moody", about="a", prompts="regression")}}
PROBES = {{"one": ProbeRow(target=f"{{__name__}}:One", about="a", subjects=("regression",),
    controls={{"regression": ("same",)}}, example_subject=f"{{__name__}}:example", draws=(f"{{__name__}}:draw",))}}
CONTROLS = {{"same": ControlRow(target=f"{{__name__}}:same", about="a", subjects=("regression",), role="negative",
    label="same")}}
"""


@pytest.fixture(autouse=True)
def unplugged() -> Iterator[None]:
    with unplugged_after():
        yield
    sys.modules.pop("plugin_moody", None)


def written(folder: Path, *fails: str) -> Path:
    file = folder / "plugin_moody.py"
    file.write_text(SOURCE.format(FAILS=fails))
    return file


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("applying", "one on seed 0 of copied, control none: probe 'one' of the plugin 'plugin_moody' failed"),
        ("measuring", "(plugin_moody.py, line 11): ZeroDivisionError: no measuring"),
        ("nothing", "failed: TypeError: it must return a Reading, and returned NoneType"),
        ("control", "one on seed 0 of copied, control same: control 'same' of the plugin 'plugin_moody' failed"),
        ("no subject", "failed: TypeError: it must return a subject, or why there is none, and returned NoneType"),
    ],
)
def test_a_probe_or_a_control_that_fails_is_one_line(copied: Run, tmp_path: Path, fails: str, words: str) -> None:
    plugin.load(str(written(tmp_path, fails)))
    with pytest.raises(UserError) as caught:
        probe_runs([(copied, [Plan(GDAlignment(prompts=20), controls=()), Plan(probe_of("one"))])])
    assert words in str(caught.value) and "\n" not in str(caught.value)
    # What was measured before it is saved.
    assert stored_readings(copied).table["probe"].unique().tolist() == ["gd_alignment"]


def test_a_task_that_fails_names_its_seed_or_its_configuration(tmp_path: Path) -> None:
    settings = {"task": {"name": "moody", "d_in": 2, "context": 3}, "seeds": 1, "training": {"steps": 2, "batch": 32}}
    plugin.load(str(written(tmp_path, "large batches")))
    run = Run.create(tmp_path / "run", config_file.parse(settings))
    rule = "run/seed-0: task 'moody' of the plugin 'plugin_moody' failed .*: ZeroDivisionError: no large batches"
    with pytest.raises(UserError, match=rule) as caught:
        mesa.train(run)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_task_that_fails_at_once_is_refused_before_a_run_is_made(tmp_path: Path) -> None:
    settings = {"task": {"name": "moody", "d_in": 2, "context": 3}, "seeds": 1}
    plugin.load(str(written(tmp_path, "small batches")))
    with pytest.raises(UserError, match="configuration: task 'moody' of the plugin 'plugin_moody' failed"):
        Run.create(tmp_path / "run", config_file.parse(settings))
    assert not (tmp_path / "run").exists()


def test_a_figure_that_fails_is_one_line_and_so_is_its_reading_without_the_plugin(
    copied: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with unplugged_after():
        plugin.load(str(written(tmp_path, "drawing")))
        found = plugin_of("probe", "one")
        assert found is not None and found.module == "plugin_moody" and plugin_of("probe", "identify") is None
        probe_runs([(copied, [Plan(GDAlignment(prompts=20), controls=()), Plan(probe_of("one"))])])
        code, _, err = command(capfd, "report", copied.path)
        assert code == 2 and err.count("mesa: error") == 1 and "Traceback" not in err
        assert "copied: figures of one: probe 'one' of the plugin 'plugin_moody' failed" in err
        assert left_out(copied) == []
    code, _, err = command(capfd, "report", copied.path)
    assert code == 0
    sentence = "Readings of one are left out: the probe is of the plugin plugin_moody, which is not loaded."
    assert err.count(sentence) == 1
    assert sentence in (copied.path / "report" / "index.html").read_text()


def test_a_reading_of_a_plugin_alone_is_named_where_the_plugin_is_not_loaded(copied: Run, tmp_path: Path) -> None:
    with unplugged_after():
        plugin.load(str(written(tmp_path)))
        probe_runs([(copied, [Plan(probe_of("one"))])])
    with pytest.raises(UserError, match=r"has no readings.*Readings of one are left out: the probe is of the plugin"):
        stored_readings(copied)


def test_ctrl_c_while_a_plugin_is_imported_ends_with_the_usual_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugin_moody.py").write_text("raise KeyboardInterrupt")
    code, _, err = command(capfd, "--plugin", tmp_path / "plugin_moody.py", "list")
    assert code == 130 and err.startswith("interrupted") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('target=f"{__name__}:One"', 'target="no_such_module:One"', "its target 'no_such_module:One' is not there"),
        ('target=f"{__name__}:One"', 'target="tasks.registry"', "its target 'tasks.registry' is not there"),
        (":draw", ":drawn", "its draws 'plugin_moody:drawn' is not there"),
        (":example", ":examples", "its example_subject 'plugin_moody:examples' is not there"),
        ('f"{__name__}:draw"', '"probes.plots:draw"', "its draws 'probes.plots:draw' is not there"),
    ],
)
def test_a_row_whose_module_or_attribute_is_missing_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = written(tmp_path)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match="PROBES") as caught:
        plugin.load(str(file))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_digest_of_a_package_is_that_of_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugin_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    written(tmp_path).rename(package / "rows.py")
    (package / "helper.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for text in ("x = 1\n", "x = 2\n"):
        (package / "helper.py").write_text(text)
        with unplugged_after():
            digests.append(plugin.load("plugin_package.rows").digest)
        for name in ("plugin_package", "plugin_package.rows"):
            sys.modules.pop(name)
    assert len(set(digests)) == 2


def test_a_tensor_that_numpy_does_not_know_has_a_description() -> None:
    half = torch.ones(2, dtype=torch.bfloat16)
    descriptions = [_described(half), _described(half + 1), _described(half[0]), _described(half.float())]
    assert len({str(description) for description in descriptions}) == 4
