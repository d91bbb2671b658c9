"""Rows of a table chosen by what their columns hold: the one vocabulary of claims, figures and series."""

import numpy as np
import pandas as pd


def select(rows: pd.DataFrame, **where: object) -> pd.DataFrame:
    """The rows whose columns hold these values; None: the column is empty there. Other columns may hold anything.

    >>> rows = pd.DataFrame({"learner": ["gd", None, "gd"], "value": [1.0, 2.0, 3.0]})
    >>> select(rows, learner="gd")["value"].tolist(), select(rows, learner=None)["value"].tolist()
    ([1.0, 3.0], [2.0])
    """
    # One mask for all: to take rows of a table with many columns is slow.
    chosen = np.ones(len(rows), dtype=bool)
    for column, value in where.items():
        fits = rows[column].isna() if value is None else (rows[column] == value).fillna(False)
        chosen &= fits.to_numpy(dtype=bool)
    return rows[chosen]
