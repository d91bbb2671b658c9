"""A run of a language model from the command line: configured, trained, probed, reported, attributed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from analyses.cli import app
from mesa.config.yaml import load

SMALL = ["training.steps=20", "training.batch=16", "training.held_out=16", "training.evaluate_every=10"]
SMALL += ["task.length=16", "model.d_model=16", "model.d_head=16"]


def asked(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    file = folder / "config.yaml"
    file.write_text(asked("config", "markov"))
    changes = [part for change in SMALL for part in ("--set", change)]
    asked("train", str(file), "--out", str(folder / "run"), "--seeds", "2", "--workers", "1", *changes)
    return folder / "run"


def test_every_language_model_has_a_configuration_that_reads_back(tmp_path: Path) -> None:
    for name in ("induction", "recall", "markov", "markov-linear", "interleaved"):
        (tmp_path / "config.yaml").write_text(asked("config", name))
        assert load(tmp_path / "config.yaml").model.n_layers == 2


def test_it_is_verified_probed_and_reported(run: Path) -> None:
    assert "checkpoints are whole" in asked("verify", str(run))
    probes = ["token_alignment", "induction_scores", "composition", "gd_alignment"]
    chosen = [part for name in probes for part in ("--probe", name)]
    printed = asked("probe", str(run), *chosen, "--prompts", "8", "--workers", "1")
    assert "does not apply: gd_alignment on none: it is for models of regression prompts" in printed
    # Few heads are listed one by one, and compositions by the input that they go through.
    assert "layer 1 head 0" in printed and "layer 0 head 0 to k" in printed
    asked("report", str(run))
    figures = {path.stem for path in (run / "report" / "figures").glob("*.svg")}
    assert figures == {"training", "head-scores", "composition", "attention", "probe-token_alignment"}


def test_its_heads_are_attributed(run: Path) -> None:
    lines = asked("attribute", str(run), "--prompts", "64", "--workers", "1").splitlines()
    assert sorted(line.split()[1] for line in lines[1:5]) == ["0.0", "0.0", "1.0", "1.0"]
    figures = {path.stem for path in (run / "attribution" / "figures").glob("*.svg")}
    assert {"effects", "ablations"} <= figures
