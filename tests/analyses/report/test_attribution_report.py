"""`mesa attribute` on a small run: the table, the report, and one line for what cannot be."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from analyses.cli import app
from mesa import InContextConfig, Run, RunConfig, TrainingConfig, UserError, train
from probes import HeadAttribution, Plan, probe_runs
from probes.readings.stored import stored_readings

SMALL = TrainingConfig(steps=300, batch=256, held_out=64, learning_rate=1e-2, gradient_clip=None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer of two heads that has learnt most of a gradient step in three dimensions."""
    task = {"name": "linear_regression", "d_in": 3, "context": 6}
    config = RunConfig(task=task, model=InContextConfig(n_heads=2, init_variance=0.1), training=SMALL, seeds=2)
    created = Run.create(tmp_path_factory.mktemp("attribute") / "small", config)
    train(created)
    return created.path


def output_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["attribute", *arguments, "--workers", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def printed(run: Path) -> str:
    """What `mesa attribute` prints of the run; its report lies in the run."""
    return output_of(str(run), "--prompts", "200")


def test_the_table_ranks_every_head_of_every_seed(printed: str):
    lines = printed.splitlines()
    assert lines[0].split() == ["seed", "head", "direct", "ablated", "held", "role", "set"]
    heads = [line.split()[:2] for line in lines[1:5]]
    assert sorted(heads) == [["0", "0.0"], ["0", "0.1"], ["1", "0.0"], ["1", "0.1"]]
    # In one layer nothing comes after a head: what it writes and what is lost without it are one.
    for line in lines[1:5]:
        _, _, direct, ablated, held, *_ = line.split()
        assert ablated == held
        assert float(direct) == pytest.approx(1 - float(ablated), abs=0.2)


@pytest.mark.usefixtures("printed")
def test_the_report_is_whole(run: Path):
    page = (run / "attribution" / "index.html").read_text()
    assert "Heads, ranked" in page and "kept by the smallest set" in page
    figures = {path.stem for path in (run / "attribution" / "figures").glob("*.svg")}
    # One layer has no paths between heads.
    assert figures == {"effects", "ablations", "attention"}


@pytest.mark.usefixtures("unrendered")
def test_another_read_out_is_taken(run: Path):
    output_of(str(run), "--prompts", "200", "--readout", "loss")
    assert "read as loss" in (run / "attribution" / "index.html").read_text()


@pytest.mark.parametrize(
    ("readout", "message"),
    [("losss", "loss"), ("logit_minus_mean", "not for models of regression")],
)
def test_a_read_out_that_cannot_be_is_one_line(run: Path, readout: str, message: str):
    with pytest.raises(UserError, match=message):
        CliRunner().invoke(app, ["attribute", str(run), "--readout", readout, "--workers", "1"], catch_exceptions=False)


@pytest.mark.usefixtures("unrendered")
def test_attribution_leaves_stored_readings_as_they_are(run: Path):
    """`mesa attribute` measures no controls; what `mesa probe` measured on them must survive it."""
    opened = Run.open(run)
    probe_runs([(opened, [Plan(HeadAttribution(prompts=200), controls=("untrained",))])])
    stored = stored_readings(opened).table
    assert set(stored["control"]) == {"none", "untrained"}
    output_of(str(run), "--prompts", "200")
    pd.testing.assert_frame_equal(stored_readings(opened).table, stored)
