"""What a probe measured: a tidy table, one row a number, and named arrays for heatmaps."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mesa.storage.files import write_atomic

# Every table has these columns in this order, empty where they do not apply.
COLUMNS: dict[str, Any] = {
    "run": "string",
    "seed": "Int64",
    "step": "Int64",
    "probe": "string",
    "metric": "string",
    "learner": "string",
    "learner_step": "Int64",
    "readout": "string",
    "condition": "string",
    "condition_value": "Float64",
    "applications": "Int64",
    "layer": "Int64",
    "head": "Int64",
    "position": "Int64",
    "to_layer": "Int64",
    "to_head": "Int64",
    "to_input": "string",
    "control": "string",
    "value": "float64",
}


@dataclass(frozen=True, eq=False)
class Reading:
    """A table with the columns of `COLUMNS` and arrays by name; `value` carries the metric's own unit.

    >>> Reading.of([{"metric": "loss", "value": 0.2}]).table["value"].tolist()
    [0.2]
    """

    table: pd.DataFrame
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], arrays: Mapping[str, np.ndarray] | None = None) -> "Reading":
        """A reading of rows that give some of the columns; ValueError for a column that no table has."""
        listed = list(rows)
        strangers = {name for row in listed for name in row} - COLUMNS.keys()
        if strangers:
            raise ValueError(f"columns: {sorted(strangers)} are not among {list(COLUMNS)}")
        columns = {name: pd.array([row.get(name) for row in listed], dtype=kind) for name, kind in COLUMNS.items()}
        return cls(pd.DataFrame(columns), dict(arrays or {}))

    def stamped(self, prefix: str = "", **columns: Any) -> "Reading":
        """The same numbers with whole columns filled in and array names prefixed; probes know nothing of these."""
        table = self.table.copy()
        for name, value in columns.items():
            table[name] = pd.array([value] * len(table), dtype=COLUMNS[name])
        return Reading(table, {f"{prefix}{name}": array for name, array in self.arrays.items()})

    def save(self, folder: Path, name: str) -> None:
        """Write `name`.parquet and, where there are arrays, `name`.npz; each replaced in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        self.table.to_parquet(buffer, index=False)
        write_atomic(folder / f"{name}.parquet", buffer.getvalue())
        if self.arrays:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **dict(sorted(self.arrays.items())))
            write_atomic(folder / f"{name}.npz", buffer.getvalue())

    @classmethod
    def load(cls, folder: Path, name: str) -> "Reading":
        """Read what `save` wrote."""
        table = pd.read_parquet(folder / f"{name}.parquet").astype(COLUMNS)
        file = folder / f"{name}.npz"
        if not file.exists():
            return cls(table)
        with np.load(file, allow_pickle=False) as stored:
            return cls(table, {key: stored[key] for key in stored.files})


def joined(readings: Iterable[Reading]) -> Reading:
    """All rows of some readings, in order, and all their arrays."""
    listed = list(readings)
    if not listed:
        return Reading.of([])
    table = pd.concat([reading.table for reading in listed], ignore_index=True)
    return Reading(table, {name: array for reading in listed for name, array in reading.arrays.items()})
