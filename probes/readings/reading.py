"""What a probe measured: a tidy table, one row a number, and named arrays for heatmaps."""

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mesa.errors import UserError
from mesa.storage.files import write_atomic
from mesa.storage.versions import versions
from probes.readings.arrays import ArrayKey, find_array, unstamped
from probes.readings.schema import COLUMNS, SCHEMA

# The parquet metadata in which a reading's own facts stand, as JSON.
_FACTS = b"mesa-probes"
_DAMAGE = (pa.ArrowException, OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Reading:
    """A table with the columns of `COLUMNS` and arrays by `ArrayKey`; `value` carries the metric's own unit.

    >>> Reading.of([{"metric": "loss", "value": 0.2}]).table["value"].tolist()
    [0.2]
    """

    table: pd.DataFrame
    arrays: Mapping[ArrayKey, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, object]], arrays: Mapping[str, np.ndarray] | None = None) -> "Reading":
        """A reading of rows that give some of the columns; ValueError for a column that no table has."""
        listed = list(rows)
        unknown = {name for row in listed for name in row} - COLUMNS.keys()
        if unknown:
            raise ValueError(f"columns: {sorted(unknown)} are not among {list(COLUMNS)}")
        columns = {name: _column([row.get(name) for row in listed], name) for name in COLUMNS}
        return cls(pd.DataFrame(columns), {unstamped(name): array for name, array in (arrays or {}).items()})

    def stamped(self, **columns: str | int | None) -> "Reading":
        """The same numbers with whole columns filled in, in the arrays' keys too; a probe does not know these."""
        table = self.table.copy()
        for name, value in columns.items():
            table[name] = _column([value] * len(table), name)
        fields: dict[str, Any] = {name: value for name, value in columns.items() if name in ArrayKey._fields}
        return Reading(table, {key._replace(**fields): array for key, array in self.arrays.items()})

    def array(
        self,
        name: str,
        *,
        run: str | None = None,
        control: str = "none",
        seed: int | None = None,
        step: int | None = None,
    ) -> np.ndarray:
        """The array of this name, of the first seed and its last step unless others are named.

        Raises ValueError where there is none, or where several runs have one and none is named.
        """
        key = find_array(self.arrays, name, run=run, control=control, seed=seed, step=step)
        if key is None:
            names = sorted({key.name for key in self.arrays})
            raise ValueError(f"name: {name!r} is no array of control {control!r} here; there are {names}")
        return self.arrays[key]

    def named_arrays(self) -> dict[str, np.ndarray]:
        """The arrays of one model by their names; ValueError where there are several models."""
        if len({key[:-1] for key in self.arrays}) > 1:
            raise ValueError("arrays: belong to several models; `array` finds the one that is meant")
        return {key.name: array for key, array in self.arrays.items()}

    def save(
        self,
        folder: Path,
        stem: str,
        recipe: str = "",
        notes: Sequence[Sequence[str]] = (),
        origin: Mapping[str, str] | None = None,
    ) -> None:
        """Write `stem`.parquet and, where there are arrays, an npz file named after its content.

        Both are one commit: the parquet file is replaced in one step and names the npz file, which is written before.
        `recipe` is a digest of what the numbers depend on; `saved_recipe` returns it. `notes` say what could not be
        measured, each as a few strings; `saved_notes` returns them. `origin` says in words how the numbers were made,
        by the name of a setting; `saved_origin` returns it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        facts: dict[str, object] = {"schema": SCHEMA, "version": versions()["mesa-probes"], "recipe": recipe}
        facts["notes"] = [list(note) for note in notes]
        facts["origin"] = dict(origin or {})
        keep = ""
        if self.arrays:
            keys = sorted(self.arrays, key=_in_order)
            data = _npz({_member(key): self.arrays[key] for key in keys})
            keep = f"{stem}-{_digest(data)}.npz"
            facts |= {"arrays": keep, "keys": [list(key) for key in keys]}
            write_atomic(folder / keep, data)
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        described = {**(table.schema.metadata or {}), _FACTS: json.dumps(facts).encode()}
        buffer = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(described), buffer, write_page_checksum=True)
        write_atomic(folder / f"{stem}.parquet", buffer.getvalue())
        own = re.compile(rf"{re.escape(stem)}(-[0-9a-f]{{16}})?\.npz")
        for path in folder.glob("*.npz"):
            if own.fullmatch(path.name) and path.name != keep:
                path.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path, stem: str) -> "Reading":
        """Read what `save` wrote; UserError, naming the file, where it is damaged or was written by something else."""
        path = folder / f"{stem}.parquet"
        facts = _facts(path)
        try:
            table = pq.read_table(path, page_checksum_verification=True).to_pandas()
            absent = [name for name in COLUMNS if name not in table]
            if absent:
                raise ValueError(f"it has no column {absent[0]!r}")
            table = table[list(COLUMNS)].astype(COLUMNS)
        except _DAMAGE as error:
            raise _unreadable(path, error) from error
        return cls(table, _load_arrays(path, facts) if "arrays" in facts else {})


def saved_recipe(folder: Path, stem: str) -> str | None:
    """The recipe of the reading that `save` wrote there; None where there is none that can be read.

    >>> saved_recipe(Path("no/such/folder"), "gd_alignment") is None
    True
    """
    try:
        # A reading that is damaged must be made again: all of it is read, not only what it says of itself.
        Reading.load(folder, stem)
        return str(_facts(folder / f"{stem}.parquet").get("recipe", ""))
    except UserError:
        return None


def saved_notes(folder: Path, stem: str) -> list[tuple[str, ...]]:
    """The notes that `save` wrote beside a reading; UserError, naming the file, where it cannot be read."""
    return [tuple(note) for note in _facts(folder / f"{stem}.parquet").get("notes", [])]


def saved_origin(folder: Path, stem: str) -> dict[str, str]:
    """The origin that `save` wrote beside a reading; empty where it wrote none. UserError as for `saved_notes`."""
    return {str(name): str(value) for name, value in _facts(folder / f"{stem}.parquet").get("origin", {}).items()}


def joined(readings: Iterable[Reading]) -> Reading:
    """All rows of some readings, in order, and all their arrays."""
    listed = list(readings)
    if not listed:
        return Reading.of([])
    table = pd.concat([reading.table for reading in listed], ignore_index=True)
    return Reading(table, {key: array for reading in listed for key, array in reading.arrays.items()})


def _column(values: list[object], name: str) -> pd.Series:
    return pd.Series(values, dtype=COLUMNS[name])  # pyright: ignore[reportCallIssue, reportArgumentType]


def _facts(path: Path) -> dict[str, Any]:
    """What stands in a file's metadata; UserError where it is damaged, foreign or of another version."""
    if not path.exists():
        raise UserError(f"{path}: is missing")
    try:
        schema = pq.read_schema(path)
        text = (schema.metadata or {}).get(_FACTS)
        facts = None if text is None else json.loads(text)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    if not isinstance(facts, dict):
        if {"run", "probe", "metric", "readout", "value"} <= set(schema.names):
            raise UserError(f"{path}: was written by mesa-probes 0.1; run `mesa probe` again")
        raise UserError(f"{path}: is no reading that mesa-probes wrote")
    if facts.get("schema") != SCHEMA:
        rule = f"schema {facts.get('schema')}, but this version reads schema {SCHEMA}"
        raise UserError(f"{path}: was written by mesa-probes {facts.get('version')} ({rule}); run `mesa probe` again")
    return facts


def _load_arrays(table: Path, facts: Mapping[str, Any]) -> dict[ArrayKey, np.ndarray]:
    path = table.parent / Path(str(facts["arrays"])).name
    try:
        data = path.read_bytes()
        if not path.name.endswith(f"-{_digest(data)}.npz"):
            raise ValueError("its content has changed since it was written")
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            keys = [ArrayKey(*values) for values in facts["keys"]]
            return {key: stored[_member(key)] for key in keys}
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> UserError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return UserError(f"{path}: cannot be read ({lines[0]}); run `mesa probe` again")


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _member(key: ArrayKey) -> str:
    """The name inside the npz file, for people who open it; the key itself stands in the table's metadata."""
    return f"{key.run}/seed-{key.seed}/step-{key.step}/{key.control}/{key.name}"


def _in_order(key: ArrayKey) -> tuple[str, int, int, str, str]:
    seed, step = (-1 if number is None else number for number in (key.seed, key.step))
    return key.run, seed, step, key.control, key.name
