"""Tables keep their columns, arrays are found by what they belong to, and both come back from disk as they went."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mesa import UserError
from probes import COLUMNS, ArrayKey, Reading
from probes.readings.arrays import find_array
from probes.readings.reading import joined, saved_recipe
from probes.readings.schema import SCHEMA


def example(size: int = 3) -> Reading:
    rows = [{"metric": "loss", "value": 0.25}, {"metric": "x", "learner": "gd", "layer": 1, "value": float("nan")}]
    return Reading.of(rows, {"A": np.eye(size)}).stamped(run="run", seed=2, step=None)


def trained() -> Reading:
    """Two seeds at three checkpoints, in no order, and a control; each array holds its step."""
    models = [(seed, step, "none") for seed in (1, 0) for step in (20, 0, 100)] + [(0, 0, "untrained")]
    return joined(
        Reading.of([], {"A": np.array([step])}).stamped(run="run", seed=seed, step=step, control=control)
        for seed, step, control in models
    )


def test_every_table_has_all_columns_in_order_even_an_empty_one() -> None:
    assert list(example().table.columns) == list(COLUMNS)
    assert list(Reading.of([]).table.columns) == list(COLUMNS)
    assert list(joined([]).table.columns) == list(COLUMNS)
    assert example().table["seed"].tolist() == [2, 2]
    assert example().table["step"].isna().all()


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match="metrik"):
        Reading.of([{"metrik": "loss", "value": 1.0}])


def test_the_array_that_is_meant_is_the_first_seeds_last() -> None:
    reading = trained()
    assert reading.array("A", run="run").item() == 100
    assert find_array(reading.arrays, "A") == ArrayKey("run", 0, 100, "none", "A")
    assert reading.array("A", seed=1, step=0).item() == 0
    assert reading.array("A", control="untrained").item() == 0
    assert find_array(reading.arrays, "A", run="other") is None
    with pytest.raises(ValueError, match="'B' is no array of control 'none'"):
        reading.array("B")
    with pytest.raises(ValueError, match="name one of them"):
        joined([reading, reading.stamped(run="other")]).array("A")


def test_arrays_of_several_models_have_no_names_of_their_own() -> None:
    assert list(example().named_arrays()) == ["A"]
    with pytest.raises(ValueError, match="several models"):
        trained().named_arrays()


def test_saving_and_loading_keeps_types_numbers_and_arrays(tmp_path: Path) -> None:
    example().save(tmp_path, "probe", recipe="abc")
    again = Reading.load(tmp_path, "probe")
    pd.testing.assert_frame_equal(again.table, example().table)
    assert list(again.arrays) == [ArrayKey("run", 2, None, "none", "A")]
    assert np.array_equal(again.array("A", run="run"), np.eye(3))
    assert saved_recipe(tmp_path, "probe") == "abc"
    first = (tmp_path / "probe.parquet").read_bytes()
    example().save(tmp_path, "probe", recipe="abc")
    assert (tmp_path / "probe.parquet").read_bytes() == first
    many = trained()
    many.save(tmp_path, "many")
    assert Reading.load(tmp_path, "many").arrays.keys() == many.arrays.keys()


def test_a_table_never_stands_beside_the_arrays_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example(3).save(tmp_path, "probe")

    def stop(path: Path, data: bytes) -> None:
        if path.suffix == ".parquet":
            raise KeyboardInterrupt
        path.write_bytes(data)

    # Between its arrays and its table a second save is interrupted: the first reading is still whole.
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("probes.readings.reading.write_atomic", stop)
        example(4).save(tmp_path, "probe")
    assert Reading.load(tmp_path, "probe").array("A").shape == (3, 3)
    example(4).save(tmp_path, "probe")
    assert Reading.load(tmp_path, "probe").array("A").shape == (4, 4)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    # Where no arrays are left, none is left on disk, neither of this version nor of the one before it.
    (tmp_path / "probe.npz").write_bytes(b"of version 0.1")
    Reading.of([{"metric": "loss", "value": 0.25}]).save(tmp_path, "probe")
    assert not list(tmp_path.glob("*.npz")) and not Reading.load(tmp_path, "probe").arrays


def test_another_stem_keeps_its_arrays(tmp_path: Path) -> None:
    for stem in ("seed-1", "seed-11"):
        example().save(tmp_path, stem)
    example(4).save(tmp_path, "seed-1")
    assert Reading.load(tmp_path, "seed-11").array("A").shape == (3, 3)


def foreign(path: Path, columns: dict[str, list[float]], facts: object = None) -> None:
    table = pa.table(columns)
    if facts is not None:
        table = table.replace_schema_metadata({b"mesa-probes": json.dumps(facts).encode()})
    pq.write_table(table, path)


OLD = {name: [1.0] for name in ("run", "probe", "metric", "readout", "value")}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(b"not parquet at all"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "cannot be read"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: foreign(path, {"a": [1.0]}), "is no reading that mesa-probes wrote"),
        (lambda path: foreign(path, OLD), r"was written by mesa-probes 0\.1; run `mesa probe` again"),
        (lambda path: foreign(path, OLD, {"schema": 9, "version": "8.0"}), r"mesa-probes 8\.0 \(schema 9"),
        (lambda path: foreign(path, {"a": [1.0]}, {"schema": SCHEMA}), "cannot be read"),
        (lambda path: foreign(path, {"a": [1.0]}, ["x"]), "is no reading that mesa-probes wrote"),
    ],
    ids=["empty", "text", "cut", "gone", "foreign", "old", "newer", "without columns", "other facts"],
)
def test_a_table_that_is_none_is_one_line(tmp_path: Path, damage, message: str) -> None:
    example().save(tmp_path, "probe")
    damage(tmp_path / "probe.parquet")
    with pytest.raises(UserError, match=message) as error:
        Reading.load(tmp_path, "probe")
    assert str(tmp_path / "probe.parquet") in str(error.value) and "\n" not in str(error.value)
    assert saved_recipe(tmp_path, "probe") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"PK", b"KP", 1)),
    ],
    ids=["gone", "empty", "cut", "changed"],
)
def test_arrays_that_are_damaged_are_one_line(tmp_path: Path, damage) -> None:
    example().save(tmp_path, "probe")
    (file,) = tmp_path.glob("*.npz")
    damage(file)
    with pytest.raises(UserError, match="cannot be read") as error:
        Reading.load(tmp_path, "probe")
    assert file.name in str(error.value) and "\n" not in str(error.value)
    assert saved_recipe(tmp_path, "probe") is None


def test_a_flipped_bit_in_a_table_is_noticed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(2000)
    Reading.of({"metric": "loss", "value": float(value)} for value in values).save(tmp_path, "probe")
    path = tmp_path / "probe.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="cannot be read"):
        Reading.load(tmp_path, "probe")


def test_joining_keeps_the_order_of_rows() -> None:
    both = joined([example(), Reading.of([{"metric": "last", "value": 1.0}])])
    assert both.table["metric"].tolist() == ["loss", "x", "last"]
    assert list(both.arrays) == [ArrayKey("run", 2, None, "none", "A")]
