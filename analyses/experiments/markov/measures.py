"""When each phase of training begins, and how far the first layer's head attends to the previous token."""

import math

import pandas as pd

from analyses.claims.tables import Number, single_value
from analyses.evidence import Evidence
from probes.language.token_alignment import PHASES
from probes.readings.reading import Reading


def phase_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `phases`, for each run, seed and control: when the model is first nearest to each predictor.

    `unigram` and `bigram` are the first checkpoints after step 0 at which that predictor is the nearest of the three in
    KL divergence; infinite for a phase that never came. `ratio` is bigram / unigram, and minus infinity where the
    phases did not come in this order: where one never came, where the bigram came first, and where a predictor other
    than the uniform one was nearest before the unigram. All are NaN where there is no checkpoint after step 0.
    """
    rows = evidence.rows
    rows = rows[(rows["probe"] == "token_alignment") & (rows["metric"] == "kl") & rows["learner"].isin(list(PHASES))]
    phases = []
    for (run, seed, control), of_model in rows.groupby(["run", "seed", "control"]):
        divergences = of_model.pivot_table(index="step", columns="learner", values="value")
        nearest = divergences[list(PHASES)].idxmin(axis=1)
        first = {name: _first_step(nearest, name) for name in ("unigram", "bigram")}
        before_unigram = nearest[nearest.index < first["unigram"]]
        begins_uniform = (before_unigram == "uniform").all() and nearest.iloc[0] == "uniform"
        in_order = begins_uniform and first["unigram"] < first["bigram"] < math.inf
        ratio = first["bigram"] / first["unigram"] if in_order else -math.inf
        model = {
            "run": run,
            "seed": seed,
            "control": control,
            "probe": "phases",
            "step": int(divergences.index.max()),
        }
        # A single checkpoint, that of an untrained model say, has no phases.
        values = {**first, "ratio": ratio} if nearest.index.max() > 0 else dict.fromkeys((*first, "ratio"), math.nan)
        phases += [{**model, "metric": name, "value": value} for name, value in values.items()]
    return Reading.of(phases).table


def _first_step(nearest: pd.Series, name: str) -> float:
    steps = nearest.index[nearest == name]
    steps = steps[steps > 0]
    return float(steps[0]) if len(steps) else math.inf


def phase(metric: str) -> Number:
    """A number of `phase_rows`."""
    return lambda rows: single_value(rows, probe="phases", metric=metric)


def previous_token(rows: pd.DataFrame) -> float:
    """The largest previous-token score in layer 0; NaN where none was measured."""
    scores = rows[(rows["probe"] == "induction_scores") & (rows["metric"] == "previous_token") & (rows["layer"] == 0)]
    return float(scores["value"].max()) if len(scores) else math.nan
