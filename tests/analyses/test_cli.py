"""The command line as a user meets it: quick help, verbs that work together, and errors in one line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.command_line import mesa

SMALL = ["task.d_in=3", "task.context=4", "training.steps=20", "training.batch=16", "training.held_out=32"]


@pytest.fixture
def config(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(mesa(capfd, "config", "one-layer")[1])
    return file


def small() -> list[str]:
    return [part for setting in SMALL for part in ("--set", setting)]


def test_a_configuration_goes_round(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    assert settings["training"]["steps"] == 5000
    lines = [line for line in config.read_text().splitlines() if ":" in line and not line.startswith("#")]
    undocumented = [line for line in lines if "#" not in line and not line.endswith(":")]
    assert not undocumented


@pytest.mark.usefixtures("unrendered")
def test_the_verbs_work_together(config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "small"
    code, out, err = mesa(capfd, "train", config, "--out", run, "--seeds", 2, *small(), "--workers", 1)
    assert (code, "2 finished" in out) == (0, True), err
    code, out, err = mesa(capfd, "probe", run, "--probe", "gd_alignment", "--prompts", 50, "--workers", 1)
    assert (code, "sensitivity_cosine" in out) == (0, True), err
    assert mesa(capfd, "report", run)[0] == 0
    assert (run / "report" / "index.html").exists()
    code, out, _ = mesa(capfd, "verify", run)
    assert (code, "whole" in out) == (0, True)
    # Training again does nothing; more steps continue.
    before = sorted((run / "seed-0" / "checkpoints").iterdir())
    assert mesa(capfd, "resume", run, "--workers", 1)[0] == 0
    assert sorted((run / "seed-0" / "checkpoints").iterdir()) == before
    more = [*small()[:4], "--set", "training.steps=30", *small()[6:]]
    code, out, err = mesa(capfd, "train", config, "--out", run, "--seeds", 2, *more, "--workers", 1)
    assert code == 0, err
    assert (run / "seed-1" / "checkpoints" / "step-000030").is_dir()
    # One flipped bit, and verify says so.
    file = run / "seed-1" / "checkpoints" / "step-000030" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(bytes(data))
    code, _, err = mesa(capfd, "verify", run)
    assert (code, str(file) in err) == (1, True)
    code, _, err = mesa(capfd, "probe", run, "--probe", "gd_alignment", "--workers", 1)
    assert (code, str(file) in err, err.count("Traceback")) == (2, True, 0)


def test_list_names_everything(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = mesa(capfd, "list")
    assert code == 0
    for name in (
        "linear_regression",
        "one-layer",
        "gd_alignment",
        "rollout",
        "logit_minus_mean",
        "one-step",
        "training",
    ):
        assert name in out
    rows, sources = out.split("sources: ")
    assert set(re.findall(r"\[[A-Z]+\]", rows)) == set(re.findall(r"\[[A-Z]+\]", sources))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "one-layr"], ["one-layr", "did you mean 'one-layer'"]),
        (
            ["train", "CONFIG", "--out", "OUT/r", "--set", "training.stepz=5"],
            ["training.stepz", "did you mean 'steps'"],
        ),
        (["train", "CONFIG", "--out", "OUT/r", "--set", "model.tied='False'"], ["model.tied", "'False'", "boolean"]),
        (["train", "CONFIG", "--out", "OUT/r", "--set", "training.steps=-5"], ["training.steps", "-5", "greater than"]),
        (["train", "CONFIG", "--out", "OUT/r", "--set", "steps"], ["steps", "KEY=VALUE"]),
        (["train", "CONFIG", "--out", "../x"], ["../x", ".."]),
        (["train", "CONFIG", "--out", "CONFIG/r"], ["cannot be written"]),
        (["train", "OUT/missing.yaml", "--out", "OUT/r"], ["missing.yaml", "No such file"]),
        (["resume", "OUT/nothing"], ["nothing", "not a run"]),
        (["probe", "OUT/nothing"], ["nothing", "not a run"]),
        (["verify", "OUT/nothing"], ["not a run"]),
        (["report", "OUT/nothing"], ["not a run"]),
        (["attribute", "OUT/nothing", "--readout", "losss"], ["readout", "did you mean 'loss'"]),
        (["attribute", "OUT/nothing", "--readout", "loss"], ["not a run"]),
        (["reproduce", "one-stp"], ["one-stp", "did you mean 'one-step'"]),
        (["reproduce", "one-step", "--quick", "--out", "CONFIG"], ["is a file, not a directory"]),
        (["bench", "trainig"], ["trainig", "did you mean 'training'"]),
        (["bench", "training", "--json", "OUT/no/such/file"], ["does not exist"]),
    ],
)
def test_a_user_error_is_one_line_and_exit_code_2(
    arguments: list[str], words: list[str], config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    filled = [part.replace("CONFIG", str(config)).replace("OUT", str(tmp_path)) for part in arguments]
    code, _, err = mesa(capfd, *filled)
    assert code == 2
    assert err.startswith("mesa: error: ") and err.count("\n") == 1, err
    assert all(word in err for word in words), err
    assert not (tmp_path / "r").exists()


def test_probing_what_is_not_there_is_a_user_error(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert mesa(capfd, "train", config, "--out", run, "--seeds", 1, *small(), "--workers", 1)[0] == 0
    for arguments, words in (
        (["--checkpoint", "7"], "7"),
        (["--checkpoint", "lst"], "lst"),
        (["--probe", "gd_alignmnt"], "did you mean 'gd_alignment'"),
    ):
        code, _, err = mesa(capfd, "probe", run, *arguments, "--workers", 1)
        assert (code, words in err, err.count("\n")) == (2, True, 1), err
    code, _, err = mesa(capfd, "train", config, "--out", run, "--seeds", 1, *small(), "--set", "training.batch=8")
    assert (code, "training.batch: 16 there, 8 asked for" in err) == (2, True), err


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['mesa', '--help']\n"
        "from analyses import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformer_lens', 'seaborn', 'pandas', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "reproduce" in done.stdout


def test_bench_rows_have_the_promised_fields(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from analyses.benchmarks import training as bench_training

    full = bench_training.compare
    monkeypatch.setattr(bench_training, "SETTINGS", {"one-layer": bench_training.SETTINGS["one-layer"]})
    monkeypatch.setattr(bench_training, "SIDE_BY_SIDE", ())
    monkeypatch.setattr(bench_training, "compare", lambda *setting: full(*setting, block_s=0.0, blocks=1))
    code, _, err = mesa(capfd, "bench", "training", "--json", tmp_path / "rows.json")
    assert code == 0, err
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["setting"] for row in rows] == ["one-layer"]
    assert {"seeds", "auto", "times_plain", "times_tensor", "lowest", "highest", "share_of_peak", "kernel_share"} < set(
        rows[0]
    )
    assert rows[0]["times_plain"] == pytest.approx(rows[0]["auto_steps_per_s"] / rows[0]["plain_steps_per_s"])
