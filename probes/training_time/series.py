"""One number followed over training: which rows of the readings it is, and in which unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from probes.readings.schema import COLUMNS
from probes.readings.selection import select

# What a number belongs to; a series has at most one value for each.
SUBJECT = ["run", "seed", "control"]


@dataclass(frozen=True)
class Series:
    """The rows whose columns have the values in `where` (None: empty); one row a step for each run, seed and control.

    `scale` holds two further choices of rows, each a change of `where`. With the values a and b of their rows at the
    same step, a value becomes (value - a) / (b - a), its share of the way from a to b. `first` is the level from which
    a change is counted; None: the series' own first level. A `rising` series forms only by a rise. Raises ValueError
    for a column that no table has.

    >>> gap = ({"metric": "learner_loss", "learner": "zero"}, {"metric": "learner_loss", "learner": "gd"})
    >>> loss = Series("loss", {"probe": "gd_alignment", "metric": "loss"}, scale=gap, first=0.0)
    """

    name: str
    where: Mapping[str, Any]
    scale: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    first: float | None = None
    rising: bool = False

    def __post_init__(self) -> None:
        for choice in (self.where, *(self.scale or ())):
            unknown = sorted(set(choice) - COLUMNS.keys())
            if unknown:
                raise ValueError(f"where: {unknown} are not among {list(COLUMNS)}")

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Columns run, seed, control, step and value, in the order of steps; ValueError where rows share a step."""
        values = self._values(table, self.where)
        if self.scale is not None:
            start, end = (self._values(table, {**self.where, **choice}) for choice in self.scale)
            values = (values - start) / (end - start)
        return values.dropna().rename("value").reset_index().sort_values([*SUBJECT, "step"], ignore_index=True)

    def _values(self, table: pd.DataFrame, where: Mapping[str, Any]) -> pd.Series:
        rows = select(table, **where)
        values = rows[rows["step"].notna()].set_index([*SUBJECT, "step"])["value"]
        if values.index.has_duplicates:
            model = dict(zip(values.index.names, values.index[values.index.duplicated()][0], strict=True))
            raise ValueError(f"where: {dict(where)} chooses several rows of {model}; name more columns")
        return values
