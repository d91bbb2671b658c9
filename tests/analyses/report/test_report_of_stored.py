"""A report of what lies in a run: of the last checkpoint, under the run's present name, and one line for damage."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analyses.report.run_report import write_run
from analyses.report.summary import summary
from mesa import Run, UserError, train
from mesa.config.yaml import parse
from mesa.errors import DamagedCheckpoint
from probes import GDAlignment, OrderSensitivity, Plan, WeightProducts, probe_runs
from probes.readings.stored import stored_readings
from probes.registry import PROBES
from tasks.registry import Row

SMALL = {
    "task": {"name": "linear_regression", "d_in": 3, "context": 4},
    "training": {"steps": 20, "batch": 16, "evaluate_every": 5, "held_out": 32},
    "seeds": 2,
}


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose every checkpoint was probed."""
    run = Run.create(tmp_path_factory.mktemp("stored") / "first-name", parse(SMALL))
    train(run)
    probe_runs([(run, [Plan(WeightProducts(prompts=50), "all"), Plan(GDAlignment(prompts=20), controls=())])])
    return run.path


@pytest.fixture
def run(probed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(probed, tmp_path / "first-name"))


@pytest.mark.usefixtures("unrendered")
def test_heatmaps_called_trained_show_the_last_checkpoint(run: Path) -> None:
    write_run(Run.open(run))
    reading = stored_readings(Run.open(run))
    shown = pd.read_csv(run / "report" / "data" / "weights.csv")
    shown = shown[shown["product"] == "A"]["trained"].to_numpy()
    first, last = (reading.array("A", seed=0, step=step)[0].flatten() for step in (0, 20))
    np.testing.assert_allclose(shown, last, rtol=1e-6)
    assert np.abs(first - last).max() > 1e-3
    attention = pd.read_csv(run / "report" / "data" / "attention.csv")
    attention = attention[attention["model"] == "trained"]["pattern"].to_numpy()
    np.testing.assert_allclose(attention, reading.array("pattern", seed=0, step=20).flatten(), rtol=1e-6)


@pytest.mark.usefixtures("unrendered")
def test_a_renamed_run_is_reported_whole_under_its_new_name(run: Path) -> None:
    renamed = run.rename(run.with_name("second-name"))
    write_run(Run.open(renamed))
    for name in ("weights", "attention"):
        assert len(pd.read_csv(renamed / "report" / "data" / f"{name}.csv"))
    weights = pd.read_csv(renamed / "report" / "data" / "weights.csv")
    assert set(weights["run"]) == {"second-name"}
    assert set(stored_readings(Run.open(renamed)).table["run"]) == {"second-name"}


@pytest.mark.usefixtures("unrendered")
def test_probes_of_different_checkpoints_are_all_reported(run: Path) -> None:
    opened = Run.open(run)
    # One probe is asked again, of an earlier checkpoint: the model's own rows of both must stay.
    probe_runs([(opened, [Plan(GDAlignment(prompts=20), 10)])])
    sentences: list[str] = []
    page = write_run(opened, warn=sentences.append)
    assert sentences == [
        "Readings of gd_alignment are of step 10; training came to step 20, which `mesa probe` measures."
    ]
    assert "training came to step 20" in page.read_text()
    rows = stored_readings(opened).table
    lines = [line for line in summary(rows) if line["control"] == "none"]
    assert {"gd_alignment", "weight_products"} <= {line["probe"] for line in lines}
    assert {line["seeds"] for line in lines} == {"2"}


def test_a_reading_of_another_seed_or_probe_is_refused(run: Path) -> None:
    readings = run / "readings" / "gd_alignment"
    shutil.copy(readings / "seed-1.parquet", readings / "seed-0.parquet")
    with pytest.raises(UserError, match=r"seed-0\.parquet: holds readings of gd_alignment, seed 1, and lies elsewhere"):
        write_run(Run.open(run))


def test_a_damaged_reading_is_one_line(run: Path) -> None:
    file = run / "readings" / "gd_alignment" / "seed-1.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"gd_alignment/seed-1\.parquet: cannot be read"):
        write_run(Run.open(run))


def test_readings_of_version_0_1_are_one_line(run: Path) -> None:
    old = {name: ["x"] for name in ("run", "probe", "metric", "readout", "value")}
    pd.DataFrame(old).to_parquet(run / "readings" / "rollout.parquet")
    with pytest.raises(UserError, match=r"rollout\.parquet: was written by mesa-probes 0\.1; run `mesa probe` again"):
        write_run(Run.open(run))


def test_a_probe_without_figures_of_its_own_is_drawn_by_control(run: Path) -> None:
    opened = Run.open(run)
    probe_runs([(opened, [Plan(OrderSensitivity(prompts=20, permutations=3))])])
    write_run(opened)
    shown = pd.read_csv(run / "report" / "data" / "probe-order_sensitivity.csv")
    assert {"none", "untrained", "constructed"} <= set(shown["control"])
    assert shown.groupby(["metric", "control"])["seed"].nunique().eq(2).all()


@pytest.mark.parametrize("name", [name for name, row in PROBES.items() if row.draws])
def test_what_a_row_draws_is_there(name: str) -> None:
    row = PROBES[name]
    assert all(callable(Row(target=target, about=row.about).load()) for target in row.draws)


def test_seeds_that_were_measured_in_two_ways_have_no_mean(run: Path) -> None:
    """As after a call that was interrupted between two seeds."""
    opened, before = Run.open(run), run / "readings" / "gd_alignment" / "seed-1.parquet"
    kept = before.read_bytes()
    probe_runs([(opened, [Plan(GDAlignment(prompts=21), controls=())])])
    before.write_bytes(kept)
    with pytest.raises(UserError, match=r"gd_alignment: was measured in two ways: prompts is 21 for seed 0 and 20 for"):
        write_run(opened)
    probe_runs([(opened, [Plan(GDAlignment(prompts=21), controls=())])])
    assert stored_readings(opened).table["seed"].nunique() == 2


def test_a_reading_of_a_checkpoint_that_was_damaged_since_is_not_taken_for_good(run: Path) -> None:
    opened, plan = Run.open(run), Plan(GDAlignment(prompts=20), controls=())
    probe_runs([(opened, [plan])])
    weights = opened.checkpoints(1)[20] / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DamagedCheckpoint, match=r"seed-1.*model\.safetensors: its content does not match its digest"):
        probe_runs([(opened, [plan])])


def test_a_reading_without_a_column_names_it(run: Path) -> None:
    file = run / "readings" / "gd_alignment" / "seed-1.parquet"
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["metric"]), file)
    with pytest.raises(UserError, match=r"seed-1\.parquet: cannot be read \(it has no column 'metric'\)"):
        write_run(Run.open(run))


@pytest.mark.usefixtures("unrendered")
def test_a_new_report_removes_what_an_earlier_one_wrote_and_nothing_else(run: Path) -> None:
    opened, out = Run.open(run), run / "report"
    write_run(opened)
    written = {file.relative_to(out).as_posix() for file in out.rglob("*.*") if file.is_file()}
    assert "figures/weights.svg" in written and "data/weights.csv" in written
    (out / "figures" / "mine.svg").write_text("a figure of the user's own")
    (out / "data" / "weights.csv").write_text("numbers that the user changed")
    shutil.rmtree(run / "readings" / "weight_products")
    write_run(opened)
    left = {file.relative_to(out).as_posix() for file in out.rglob("*.*") if file.is_file()}
    assert "figures/weights.svg" not in left and "figures/weights.pdf" not in left
    assert {"figures/mine.svg", "data/weights.csv", "index.html", "files.json"} <= left
    (out / "files.json").write_text('{"figures/../../config.yaml": "", "../config.yaml": ""}')
    write_run(opened)
    assert (run / "config.yaml").exists()


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_drawn(run: Path) -> None:
    (run / "report").write_text("in the way")
    with pytest.raises(UserError, match=r"report: is a file, not a directory"):
        write_run(Run.open(run))
