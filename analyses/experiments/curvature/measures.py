"""Numbers of the curvature correction over all context lengths."""

import math
from typing import Any

import numpy as np
import pandas as pd

from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading

# The learned gamma of the paper's models of two tied layers, by context length ([VO] appendix A.10).
PUBLISHED = {10: 0.179, 25: 0.099, 50: 0.056, 100: 0.029}
RUNS = {count: f"context-{count}" for count in PUBLISHED}
# Numbers that are about all context lengths stand in the rows of the first one.
WHOLE = RUNS[10]
NOT_ADAPTED = "not_adapted"


def curvature_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `curvatures`: for every seed, model and control, numbers over all context lengths.

    The control `NOT_ADAPTED` is the model trained at the shortest context, taken for all of them.
    """
    rows = evidence.last
    rows = rows[(rows["probe"] == "curvature") & (rows["layer"] == 0)]
    tuned = {
        (seed, run): _gamma(constructed, "weights")
        for (seed, run), constructed in rows[rows["control"] == "constructed"].groupby(["seed", "run"])
    }
    curvatures: list[dict[str, Any]] = []
    shortest = rows[(rows["run"] == WHOLE) & (rows["control"] == "none")]
    not_adapted = [shortest.assign(run=run, control=NOT_ADAPTED) for run in RUNS.values()]
    for (seed, control), of_model in pd.concat([rows, *not_adapted]).groupby(["seed", "control"]):
        numbers = _numbers(of_model, {count: tuned.get((seed, run), math.nan) for count, run in RUNS.items()})
        model = {"run": WHOLE, "seed": seed, "control": control, "probe": "curvatures"}
        curvatures += [{**model, "metric": metric, "value": value} for metric, value in numbers.items()]
    return Reading.of(curvatures).table


def over_all(metric: str) -> Number:
    """A number of `curvature_rows`."""
    return lambda rows: single_value(rows, probe="curvatures", metric=metric)


def _gamma(rows: pd.DataFrame, source: str) -> float:
    return single_value(rows, metric="gamma", source=source)


def _numbers(rows: pd.DataFrame, tuned: dict[int, float]) -> dict[str, float]:
    by_context = [rows[rows["run"] == run] for run in RUNS.values()]
    # Columns: context lengths.
    gammas = np.array([[_gamma(at_length, source) for at_length in by_context] for source in ("residual", "weights")])
    residual = {
        metric: np.array([single_value(at_length, metric=metric, source="residual") for at_length in by_context])
        for metric in ("r_squared", "spectrum_distance", "condition_number_before", "condition_number_after")
    }
    # A gamma that is not positive corrects nothing, so there is nothing that falls: the ratio to it is infinite.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(gammas[:, :-1] <= 0, math.inf, gammas[:, 1:] / gammas[:, :-1])
    # A layer that leaves x as it is, up to rounding, has a gamma and no R^2: it has no change along -S x.
    absent = ~np.isnan(gammas[0]) & np.isnan(residual["r_squared"])
    return {
        "falls": float(np.max(ratios)),
        "off_published": float(np.max(np.abs(gammas / list(PUBLISHED.values()) - 1))),
        "off_tuned": float(np.max(np.abs(gammas / list(tuned.values()) - 1))),
        "r_squared": float(np.min(np.where(absent, -math.inf, residual["r_squared"]))),
        "condition": float(np.max(residual["condition_number_after"] / residual["condition_number_before"])),
        "spectrum": float(np.max(residual["spectrum_distance"])),
    }
