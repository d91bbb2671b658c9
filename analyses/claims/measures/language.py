"""The numbers that rules about language models are made of: each takes the rows of one seed of one subject."""

import math

import pandas as pd

from analyses.claims.analysis import with_training
from analyses.claims.tables import Number, single_value
from mesa.config.schema import RunConfig


def shallow(config: RunConfig) -> RunConfig:
    """The same run with one layer."""
    return config.model_copy(update={"model": config.model.model_copy(update={"n_layers": 1})})


def settled(config: RunConfig, steps: int) -> RunConfig:
    """The same run, trained until the loss has settled, for so many steps at most."""
    return with_training(config, until="settled", steps=steps)


def token_gap(start: str, end: str) -> Number:
    """The share of the way from one explicit predictor's loss to another's that the model's loss has come."""

    def share(rows: pd.DataFrame) -> float:
        rows = rows[rows["probe"] == "token_alignment"]
        loss = single_value(rows, metric="loss")
        start_loss, end_loss = (single_value(rows, metric="learner_loss", learner=name) for name in (start, end))
        return (start_loss - loss) / (start_loss - end_loss)

    return share


def best_head(metric: str, layer: int) -> Number:
    """The largest score of a layer's heads, by `induction_scores`: which head it is differs from seed to seed."""
    return lambda rows: float(_scores(rows, metric, layer).max())


def head_score(metric: str, best_by: str, layer: int) -> Number:
    """One score of the head of a layer whose other score, `best_by`, is the largest."""

    def score(rows: pd.DataFrame) -> float:
        ranked_by = _scores(rows, best_by, layer)
        scores = _scores(rows, metric, layer).reindex(ranked_by.index)
        return float(scores.iloc[int(ranked_by.argmax())]) if len(ranked_by) else math.nan

    return score


def _scores(rows: pd.DataFrame, metric: str, layer: int) -> pd.Series:
    """A score by head; empty where the layer is not there."""
    rows = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == metric) & (rows["layer"] == layer)]
    return rows.set_index("head")["value"]
