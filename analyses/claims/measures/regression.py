"""The numbers that rules are made of: each takes the rows of one seed of one subject; NaN where it was not measured."""

import math

import pandas as pd

from analyses.claims.tables import Number, last_step_value, losses, single_value
from probes.readings.selection import select


def alignment(metric: str, learner: str = "gd") -> Number:
    """A metric of `gd_alignment` at a learner's last step."""
    return lambda rows: last_step_value(rows, probe="gd_alignment", metric=metric, learner=learner)


def loss(rows: pd.DataFrame) -> float:
    """The model's loss on `gd_alignment`'s prompts."""
    return last_step_value(rows, probe="gd_alignment", metric="loss")


def loss_ratio(learner: str) -> Number:
    """The model's loss divided by a learner's on the same prompts."""
    return lambda rows: loss(rows) / last_step_value(rows, probe="gd_alignment", metric="learner_loss", learner=learner)


def loss_gap(learner: str) -> Number:
    """|loss / learner's loss - 1|."""
    ratio = loss_ratio(learner)
    return lambda rows: abs(ratio(rows) - 1)


def gap_closed(learner: str) -> Number:
    """The share of the way from predicting zero to a learner's loss that the model's loss has come: 1 is all of it."""

    def share(rows: pd.DataFrame) -> float:
        of_learner, of_zero = (
            last_step_value(rows, probe="gd_alignment", metric="learner_loss", learner=name)
            for name in (learner, "zero")
        )
        return (of_zero - loss(rows)) / (of_zero - of_learner)

    return share


def cosine_lead(near: str, far: str) -> Number:
    """The sensitivity cosine to one learner minus that to another."""
    to_near, to_far = (alignment("sensitivity_cosine", learner) for learner in (near, far))
    return lambda rows: to_near(rows) - to_far(rows)


def log_position(near: str, far: str) -> Number:
    """Where the model's loss lies between two learners', in logarithms: 0 at the near one's, 1 at the far one's."""
    ratios = loss_ratio(near), loss_ratio(far)

    def share(rows: pd.DataFrame) -> float:
        above_near, above_far = (math.log(ratio(rows)) for ratio in ratios)
        return above_near / (above_near - above_far)

    return share


def log_distance(near: str, far: str) -> Number:
    """How far the model's loss is from a learner's, above or below, in units of the way to another one's, in logs."""
    position = log_position(near, far)
    return lambda rows: abs(position(rows))


def distance_ratio(near: str, rivals: tuple[str, ...]) -> Number:
    """|f - g| / |g| to one learner, divided by that to the nearest of some rivals, each at the step nearest to f.

    It is infinite where the model is a rival, and NaN where a rival was not measured.
    """
    to_near = alignment("relative_distance", near)

    def ratio(rows: pd.DataFrame) -> float:
        to_rival = _nearest(rows, rivals)
        return to_near(rows) / to_rival if to_rival else math.inf

    return ratio


def nearest_ratio(near: tuple[str, ...], rivals: tuple[str, ...]) -> Number:
    """|f - g| / |g| to the nearest of some learners, divided by that to the nearest of some rivals.

    Each learner and each rival counts at the step that is nearest to f. It is infinite where the model is a rival, and
    NaN where a learner or a rival was not measured.
    """

    def ratio(rows: pd.DataFrame) -> float:
        to_near, to_rival = (_nearest(rows, names) for names in (near, rivals))
        return to_near / to_rival if to_rival else math.inf

    return ratio


def _nearest(rows: pd.DataFrame, learners: tuple[str, ...]) -> float:
    rows = rows[(rows["probe"] == "gd_alignment") & (rows["metric"] == "relative_distance") & rows["layer"].isna()]
    rows = rows[rows["learner"].isin(learners)]
    measured = set(rows["learner"]) == set(learners) and not rows["value"].isna().any()
    return float(rows["value"].min()) if measured else math.nan


def interpolated_gap(rows: pd.DataFrame) -> float:
    """The loss of the averaged weights divided by the construction's, minus 1."""
    rows = rows[rows["probe"] == "interpolation"]
    return single_value(rows, metric="interpolated_loss") / single_value(rows, metric="learner_loss") - 1


def largest(values: pd.Series) -> float:
    """The largest value; NaN where there is none or one is not defined."""
    return float(values.max(skipna=False)) if len(values) else math.nan


def log_size(ratio: float) -> float:
    """|log ratio|; infinite for 0.

    >>> log_size(0.5) == log_size(2.0), log_size(0.0)
    (True, inf)
    """
    return abs(math.log(ratio)) if ratio else math.inf


def shifted(rows: pd.DataFrame, conditions: tuple[str, ...], learner: str = "gd") -> pd.DataFrame:
    """`out_of_distribution` under these conditions: columns condition, condition_value, model, learner's name, zero."""
    table = losses(rows, "out_of_distribution", "condition", "condition_value").reset_index()
    if table.empty or learner not in table:
        return pd.DataFrame(columns=["condition", "condition_value", "model", learner, "zero"])
    return table[table["condition"].isin(conditions)]


def shift_distance(conditions: tuple[str, ...], learner: str = "gd") -> Number:
    """The largest |f - g| / |g| over all values of these conditions; g is the learner's last step.

    Conditions under which the learner does worse than predicting zero count as well: there it shows whether a model
    fails as the learner fails.
    """

    def distance(rows: pd.DataFrame) -> float:
        rows = select(rows, probe="out_of_distribution", metric="relative_distance", learner=learner)
        rows = rows[rows["condition"].isin(conditions)]
        return largest(rows[rows["learner_step"] == rows["learner_step"].max()]["value"])

    return distance


def shift_log_ratio(conditions: tuple[str, ...], learner: str = "gd") -> Number:
    """The largest |log(loss / learner's loss)| over all values of these conditions."""

    def ratio(rows: pd.DataFrame) -> float:
        table = shifted(rows, conditions, learner)
        return largest((table["model"] / table[learner]).map(log_size))

    return ratio


def shift_ratio(condition: str, value: float, learner: str) -> Number:
    """The model's loss divided by a learner's under one condition."""

    def ratio(rows: pd.DataFrame) -> float:
        table = shifted(rows, (condition,), learner)
        table = table[table["condition_value"] == value]
        return float(table["model"].iloc[0] / table[learner].iloc[0]) if len(table) == 1 else math.nan

    return ratio


def identity(name: str, steps: int) -> Number:
    """The share of resamples of `identify`'s prompts in which its answer is this learner at this many steps.

    0 where another learner is its first answer, or where that one holds in distribution only. Where fewer than 95 % of
    resamples agree, the first of two answers counts with its share.
    """

    def share(rows: pd.DataFrame) -> float:
        rows = rows[rows["probe"] == "identify"]
        answers = rows[rows["metric"].str.startswith("identified")]
        if not len(answers):
            return math.nan
        first = answers.iloc[:1]
        right = (first["learner"] == name) & (first["learner_step"] == steps).fillna(False)
        everywhere = first["metric"].iloc[0] != "identified_in_distribution"
        return single_value(rows, metric="certainty") if everywhere and bool(right.iloc[0]) else 0.0

    return share
