"""Whether a number over training first rises and then falls: where its peak lies, and by how much."""

import pandas as pd

from analyses.claims.analysis import Evidence
from analyses.claims.tables import Number, single_value
from probes.reading import Reading


def rise_and_fall_rows(evidence: Evidence, metric: str, learner: str) -> pd.DataFrame:
    """Rows of probe `turns` for every run and seed: of a metric of `gd_alignment` beside one learner's last step.

    `rise` is the peak over all checkpoints minus the first one's value, `fall` the peak minus the last one's.

    >>> values = [0.1, 0.9, 0.7]
    >>> [round(number, 9) for number in rise_and_fall(values)]
    [0.8, 0.2]
    """
    rows = evidence.rows
    chosen = (rows["probe"] == "gd_alignment") & (rows["control"] == "none") & rows["layer"].isna()
    rows = rows[chosen & (rows["metric"] == metric) & (rows["learner"] == learner)]
    found = []
    for (run, seed), part in rows.groupby(["run", "seed"]):
        part = part[part["learner_step"] == part["learner_step"].max()].sort_values("step")
        place = {"run": run, "seed": seed, "step": int(part["step"].iloc[-1]), "control": "none"}
        numbers = dict(zip(("rise", "fall"), rise_and_fall(part["value"].tolist()), strict=True))
        described = {"probe": "turns", "learner": learner}
        found += [{**place, **described, "metric": name, "value": value} for name, value in numbers.items()]
    return Reading.of(found).table


def rise_and_fall(values: list[float]) -> tuple[float, float]:
    """The peak minus the first value, and minus the last; both are positive only for a peak in between."""
    return max(values) - values[0], max(values) - values[-1]


def rise_or_fall(metric: str) -> Number:
    """A number of `rise_and_fall_rows`."""
    return lambda rows: single_value(rows, probe="turns", metric=metric)
