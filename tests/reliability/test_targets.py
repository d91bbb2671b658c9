"""A place where no run can be written is refused before any work, and is left as it was."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from mesa.errors import UserError
from mesa.storage.files import write_atomic
from mesa.storage.run import Run

Usage = namedtuple("Usage", "total used free")


def refusal(path: Path | str, config: Any) -> str:
    with pytest.raises(UserError) as caught:
        Run.create(path, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NAMES = ["../x", "a/../x", ".hidden", "", "-x", "a\nb", "a\0b", "é\udc80"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_bad_name_is_refused(tmp_path: Path, tiny: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert "is no name for a directory of results: no '..'" in refusal(name, tiny())
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "here", tmp_path / "here" / "a"]


def test_a_good_name_is_taken(tmp_path: Path, tiny: Any) -> None:
    for name in ("run", "2layers", "a.b", "deep/er"):
        assert Run.create(tmp_path / name, tiny()).config == Run.open(tmp_path / name).config


def test_a_target_that_is_a_file_or_below_one_is_refused(tmp_path: Path, tiny: Any) -> None:
    (tmp_path / "file").write_text("mine")
    assert refusal(tmp_path / "file", tiny()) == f"{tmp_path / 'file'}: is a file, not a directory"
    below = tmp_path / "file" / "run"
    assert refusal(below, tiny()) == f"{below}: cannot be written: Not a directory"
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unwritable_target_is_refused(tmp_path: Path, tiny: Any) -> None:
    assert refusal("/proc/run", tiny()).startswith("/proc/run: cannot be written: ")
    long = tmp_path / ("x" * 300)
    assert refusal(long, tiny()) == f"{long}: cannot be written: File name too long"
    with pytest.raises(UserError, match="is not a run"):
        Run.open(long)


def test_a_directory_of_other_things_is_refused(tmp_path: Path, tiny: Any) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("mine")
    assert "is not a run and not empty (it holds thesis.tex)" in refusal(tmp_path / "work", tiny())
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["thesis.tex"]


def test_what_a_killed_process_left_is_no_stranger(tmp_path: Path, tiny: Any) -> None:
    (tmp_path / "run").mkdir()
    for name in (".config.yaml.tmp-77", ".trial-77"):
        (tmp_path / "run" / name).write_text("half")
    assert Run.create(tmp_path / "run", tiny()).config == tiny()


def test_a_full_target_is_refused_and_nothing_is_left(
    tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**30, 2**30 - 2**20, 2**20))
    path = tmp_path / "new" / "run"
    assert refusal(path, tiny()) == f"{path}: only 1 MiB are free there, 64 MiB are needed"
    assert not list(tmp_path.iterdir())


def full_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full from this flush on."""
    seen, fsync = iter(range(10**9)), os.fsync

    def flush(descriptor: int) -> None:
        if next(seen) >= calls:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flush)


@pytest.mark.parametrize("calls", [0, 1])
def test_a_disk_that_takes_no_byte_is_refused(
    tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    full_after(calls, monkeypatch)
    assert refusal(tmp_path / "run", tiny()).endswith(": cannot be written: No space left on device")
    assert not (tmp_path / "run" / "config.yaml").exists()
    monkeypatch.undo()
    Run.create(tmp_path / "run", tiny())


@pytest.mark.parametrize("calls", [0, 3, 20, 41, 60])
def test_a_disk_that_fills_while_training_is_reported_and_training_resumes(
    trained: Run, tmp_path: Path, content: Any, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    import mesa

    run = Run.create(tmp_path / "run", trained.config)
    full_after(calls, monkeypatch)
    with pytest.raises(UserError) as caught:
        mesa.train(run)
    file, _, reason = str(caught.value).partition(": ")
    assert reason == "cannot be written: No space left on device; what was saved is kept"
    assert Path(file).is_relative_to(run.seed_path(0)) and ".tmp-" not in file
    assert not [path for path in run.path.rglob("*") if ".tmp-" in path.name]
    assert not run.verify()[1] or not run.checkpoints(0, rolling=True)
    monkeypatch.undo()
    mesa.train(run)
    assert content(run) == content(trained)


@pytest.mark.parametrize("calls", [0, 1])
def test_a_full_disk_names_the_file_keeps_the_old_one_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    file = tmp_path / "outcome.json"
    file.write_text("old")
    full_after(calls, monkeypatch)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(file, "new")
    # The second flush is the directory's, after the file was replaced whole.
    assert file.read_text() == ("old" if calls == 0 else "new")
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]
    if calls == 0:
        assert caught.value.filename == str(file)
