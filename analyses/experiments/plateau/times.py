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
    """Rows of probe `drops`: each seed's steps, and numbers of its whole run, which are equal for all its seeds.

    `spread` is the run's last drop relative to its first. `relative_time` and `relative_spread` compare the run with
    the one that `references` names for it: the ratio of their geometric mean drops, and of the standard deviations of
    log(drop). A drop that never came counts as one at the last step.
    """
    table = plateau_times(evidence)
    logs = {
        str(run): np.log(of_run["drop"].fillna(of_run["last"]).clip(lower=1).to_numpy())
        for run, of_run in table.groupby("run")
    }
    rows = []
    for row in table.to_dict("records"):
        drops, reference = logs[row["run"]], logs.get(references.get(row["run"], ""))
        values = {name: row[name] for name in SHARES} | {"spread": math.exp(np.ptp(drops))}
        if reference is not None and len(drops) > 1:
            values["relative_time"] = math.exp(drops.mean() - reference.mean())
            values["relative_spread"] = drops.std(ddof=1) / reference.std(ddof=1) if np.ptp(reference) else math.nan
        model = {"run": row["run"], "seed": row["seed"], "step": int(row["last"]), "control": "none"}
        rows += [{**model, "probe": "drops", "metric": name, "value": value} for name, value in values.items()]
    return Reading.of(rows).table


def drop(metric: str) -> Number:
    """A number of `drop_rows`."""
    return lambda rows: single_value(rows, probe="drops", metric=metric)
