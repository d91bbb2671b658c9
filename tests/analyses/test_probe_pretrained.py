"""`mesa probe --pretrained`: a directory of somebody else's goes in, a table and files come out."""

from pathlib import Path

import pytest

from probes import Reading
from probes.registry import PROBES
from tests.helpers.command_line import mesa
from tests.helpers.hugging_face import saved

SOME = ["token_alignment", "induction_scores", "gd_alignment", "curvature"]


@pytest.mark.parametrize("names", [SOME, pytest.param(list(PROBES), marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_probe_that_applies_is_run_and_saved(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], names: list[str]
) -> None:
    place, out = saved("gpt2", tmp_path), tmp_path / "out"
    asked = [part for name in names for part in ("--probe", name)] if names is SOME else []
    code, text, err = mesa(capfd, "probe", "--pretrained", place, "--prompts", 4, "--out", out, *asked)
    assert (code, err.count("Traceback")) == (0, 0), err
    folder = out / "readings"
    found = {file.stem for file in folder.glob("*.parquet")}
    assert {"token_alignment", "induction_scores"} <= found
    # Each probe either left numbers or said why it has none.
    said = {line.split()[3] for line in text.splitlines() if line.startswith("does not apply:") and " on none" in line}
    assert found | said == set(names) and not found & said
    table = Reading.load(folder, "token_alignment").table
    assert set(table["run"]) == {"gpt2"}
    assert {"none", "untrained"} <= set(table["control"])
    lines = [line.split() for line in text.splitlines() if line.startswith("token_alignment")]
    assert any("none" in line for line in lines) and any("untrained" in line for line in lines)
    assert text.splitlines()[-1] == f"readings: {folder}"


def test_without_a_place_to_save_it_is_below_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = saved("llama", tmp_path)
    monkeypatch.chdir(tmp_path)
    code, _, err = mesa(capfd, "probe", "--pretrained", place, "--probe", "token_alignment", "--prompts", 4)
    assert code == 0, err
    assert (tmp_path / "out" / "probe-llama" / "readings" / "token_alignment.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "probe: give a run directory, or --pretrained DIR"),
        (["RUN", "--pretrained", "DIR"], "probe: give a run directory or --pretrained DIR, not both"),
        (["--pretrained", "DIR"], "is not a directory"),
        (["--pretrained", "DIR", "--checkpoint", "all"], "--checkpoint: 'all' goes with a run"),
        (["RUN", "--out", "OUT"], "--out: goes with --pretrained"),
        (["--pretrained", "DIR", "--probe", "gd_alignmend"], "did you mean 'gd_alignment'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    named = [str(tmp_path / each) if each in ("RUN", "DIR", "OUT") else each for each in arguments]
    code, out, err = mesa(capfd, "probe", *named)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
