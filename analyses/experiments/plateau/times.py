"""When a loss leaves the plateau of predicting zero and drops to gradient descent's ([VO] appendix A.11)."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading

# The share of the way from predict-zero's loss to tuned gradient descent's that the held-out loss has gone by then.
SHARES = {"plateau_end": 0.1, "drop": 0.5, "fall_end": 0.9}


def first_below(steps: np.ndarray, losses: np.ndarray, level: float) -> float:
    """The first evaluated step whose loss is below a level; NaN where none is.

    >>> first_below(np.array([0, 10, 20]), np.array([0.4, 0.3, 0.2]), 0.25)
    20.0
    """
    below = np.flatnonzero(losses < level)
    return float(steps[below[0]]) if len(below) else math.nan


def plateau_times(evidence: Evidence) -> pd.DataFrame:
    """Each seed's steps of `SHARES`, NaN where never: columns run, seed, last and one for each.

    Both levels are those of the held-out batch. Before its first step a model predicts zero to within a thousandth, so
    its first loss is predict-zero's; `gd_alignment` measures gradient descent's loss relative to that.
    """
    rows = evidence.rows
    rows = rows[(rows["probe"] == "gd_alignment") & (rows["control"] == "none") & (rows["metric"] == "learner_loss")]
    table = rows.pivot_table(index=["run", "seed"], columns="learner", values="value")
    times = []
    for (run, seed), curve in evidence.curves.groupby(["run", "seed"]):
        curve = curve.sort_values("step")
        steps, losses = curve["step"].to_numpy(), curve["held_out_loss"].to_numpy()
        left = table.loc[(run, seed), "gd"] / table.loc[(run, seed), "zero"]
        levels = {name: losses[0] * (1 - share * (1 - left)) for name, share in SHARES.items()}
        crossed = {name: first_below(steps, losses, level) for name, level in levels.items()}
        times.append({"run": run, "seed": seed, "last": float(steps[-1]), **crossed})
    return pd.DataFrame(times, columns=["run", "seed", "last", *SHARES])


def drop_rows(evidence: Evidence, references: Mapping[str, str]) -> pd.DataFrame:
    """Rows of probe `drops`: each seed's steps, and the logarithms of its drop and of its reference's.

    `log_drop` is log(drop), where a drop that never came counts as one at the last step. `reference_log_drop` is that
    of the same seed of the run that `references` names for this one.
    """
    table = plateau_times(evidence).set_index(["run", "seed"])
    logs = np.log(table["drop"].fillna(table["last"]).clip(lower=1))
    rows = []
    for (run, seed), row in table.iterrows():
        values = {name: row[name] for name in SHARES} | {"log_drop": logs[run, seed]}
        if (reference := (references.get(run), seed)) in logs.index:
            values["reference_log_drop"] = logs[reference]
        model = {"run": run, "seed": seed, "step": int(row["last"]), "control": "none"}
        rows += [{**model, "probe": "drops", "metric": name, "value": value} for name, value in values.items()]
    return Reading.of(rows).table


def drop(metric: str) -> Number:
    """A number of `drop_rows`."""
    return lambda rows: single_value(rows, probe="drops", metric=metric)


def spread(rows: pd.DataFrame) -> float:
    """The standard deviation over seeds of log(drop); its expected value does not grow with the number of seeds."""
    return _deviation(_logs(rows, "log_drop"))


def relative_spread(rows: pd.DataFrame) -> float:
    """The spread divided by that of the same seeds of the reference; NaN where the reference has none."""
    of_reference = _deviation(_logs(rows, "reference_log_drop"))
    return spread(rows) / of_reference if of_reference > 0 else math.nan


def relative_time(rows: pd.DataFrame) -> float:
    """The geometric mean drop over seeds divided by that of the same seeds of the reference."""
    logs, of_reference = _logs(rows, "log_drop"), _logs(rows, "reference_log_drop")
    return math.exp(logs.mean() - of_reference.mean()) if len(logs) and len(of_reference) else math.nan


def _logs(rows: pd.DataFrame, metric: str) -> np.ndarray:
    return rows.loc[(rows["probe"] == "drops") & (rows["metric"] == metric), "value"].to_numpy()


def _deviation(logs: np.ndarray) -> float:
    return float(logs.std(ddof=1)) if len(logs) > 1 else math.nan
