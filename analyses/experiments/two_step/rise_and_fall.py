"""By how much a metric rises to its peak in training, and falls from it again."""

import pandas as pd

from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading


def rise_and_fall_rows(evidence: Evidence, metric: str, learner: str) -> pd.DataFrame:
    """Rows of probe `turns`, for every run and seed: how a metric of `gd_alignment` to one learner rises and falls.

    `rise` is the peak over all checkpoints minus the first one's value, `fall` the peak minus the last one's; both for
    the learner's last step.

    >>> values = [0.1, 0.9, 0.7]
    >>> [round(number, 9) for number in rise_and_fall(values)]
    [0.8, 0.2]
    """
    rows = evidence.rows
    rows = rows[(rows["probe"] == "gd_alignment") & (rows["control"] == "none") & rows["layer"].isna()]
    rows = rows[(rows["metric"] == metric) & (rows["learner"] == learner)]
    turns = []
    for (run, seed), of_seed in rows.groupby(["run", "seed"]):
        last_step = of_seed[of_seed["learner_step"] == of_seed["learner_step"].max()].sort_values("step")
        row = {
            "run": run,
            "seed": seed,
            "step": int(last_step["step"].iloc[-1]),
            "control": "none",
            "probe": "turns",
            "learner": learner,
        }
        numbers = dict(zip(("rise", "fall"), rise_and_fall(last_step["value"].tolist()), strict=True))
        turns += [{**row, "metric": name, "value": value} for name, value in numbers.items()]
    return Reading.of(turns).table


def rise_and_fall(values: list[float]) -> tuple[float, float]:
    """The peak minus the first value, and minus the last; both are positive only for a peak in between."""
    return max(values) - values[0], max(values) - values[-1]


def rise_or_fall(metric: str) -> Number:
    """A number of `rise_and_fall_rows`."""
    return lambda rows: single_value(rows, probe="turns", metric=metric)
