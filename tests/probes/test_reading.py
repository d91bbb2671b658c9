"""Tables keep their columns, and come back from disk as they went."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probes import COLUMNS, Reading
from probes.reading import joined


def example() -> Reading:
    rows = [{"metric": "loss", "value": 0.25}, {"metric": "x", "learner": "gd", "layer": 1, "value": float("nan")}]
    return Reading.of(rows, {"A": np.eye(3)}).stamped("run/", run="run", seed=2, step=None)


def test_every_table_has_all_columns_in_order_even_an_empty_one() -> None:
    assert list(example().table.columns) == list(COLUMNS)
    assert list(Reading.of([]).table.columns) == list(COLUMNS)
    assert list(joined([]).table.columns) == list(COLUMNS)
    assert example().table["seed"].tolist() == [2, 2]
    assert example().table["step"].isna().all()


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match="metrik"):
        Reading.of([{"metrik": "loss", "value": 1.0}])


def test_saving_and_loading_keeps_types_numbers_and_arrays(tmp_path: Path) -> None:
    example().save(tmp_path, "probe")
    again = Reading.load(tmp_path, "probe")
    pd.testing.assert_frame_equal(again.table, example().table)
    assert np.array_equal(again.arrays["run/A"], np.eye(3))
    first = (tmp_path / "probe.parquet").read_bytes()
    example().save(tmp_path, "probe")
    assert (tmp_path / "probe.parquet").read_bytes() == first


def test_joining_keeps_the_order_of_rows() -> None:
    both = joined([example(), Reading.of([{"metric": "last", "value": 1.0}])])
    assert both.table["metric"].tolist() == ["loss", "x", "last"]
    assert list(both.arrays) == ["run/A"]
