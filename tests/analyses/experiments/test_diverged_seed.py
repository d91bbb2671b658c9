"""A seed that diverged is named, and is in no mean, no figure and no verdict."""

import json
from pathlib import Path

import pytest

from analyses.evidence import gather
from analyses.report.run_report import write_run
from analyses.report.summary import summary
from mesa import Run, train
from mesa.config.yaml import parse
from probes import GDAlignment, Plan, probe_runs

SETTINGS = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "training": {"steps": 20, "batch": 16, "evaluate_every": 5, "held_out": 32},
    "seeds": 3,
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Three trained seeds of which the middle one is on record as diverged."""
    run = Run.create(tmp_path / "run", parse(SETTINGS))
    train(run)
    outcome = {"status": "diverged", "step": 11, "reason": "diverged at step 11", "last_good_checkpoint": "step-000010"}
    (run.seed_path(1) / "outcome.json").write_text(json.dumps(outcome))
    return run


def test_a_diverged_seed_is_set_apart(run: Run) -> None:
    reading, _ = probe_runs([(run, [Plan(GDAlignment(prompts=50))])])
    assert set(reading.table["seed"]) == {0, 2}
    evidence = gather({run.name: run}, reading)
    assert evidence.diverged == ("run seed 1 (step 11)",)
    assert set(evidence.curves["seed"]) == {0, 2}
    assert {row["seeds"] for row in summary(reading.table)} == {"2"}


@pytest.mark.usefixtures("unrendered")
def test_the_report_names_it(run: Run) -> None:
    probe_runs([(run, [Plan(GDAlignment(prompts=50))])])
    text = write_run(run).read_text()
    assert "run seed 1 (step 11): diverged" in text
    assert "last good checkpoint step-000010" in text
