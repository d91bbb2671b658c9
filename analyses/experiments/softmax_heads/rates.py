"""Equal tuning of one head and two: the same learning rates are tried for both, and the best one of a seed counts."""

import pandas as pd

from analyses.evidence import Evidence

ONE, TWO = "one-head", "two-heads"
# The rate of the runs ONE and TWO, and the others that are tried.
RATE = 1e-2
OTHER_RATES = (3e-3, 3e-2)
# The name, in the column `control`, of the rows of a seed's best rate.
BEST = "best_rate"


def runs_by_rate(name: str) -> dict[float, str]:
    """The runs of one kind of model, by learning rate.

    >>> runs_by_rate("one-head")
    {0.003: 'one-head-rate-0.003', 0.01: 'one-head', 0.03: 'one-head-rate-0.03'}
    """
    return {rate: name if rate == RATE else f"{name}-rate-{rate:g}" for rate in sorted((RATE, *OTHER_RATES))}


def best_rows(evidence: Evidence) -> pd.DataFrame:
    """The last rows of every seed's model of the best rate, as rows of ONE or TWO with the control `BEST`.

    The best rate of a seed has the lowest held-out loss at the end of training; no probe has seen those prompts.
    """
    losses = last_losses(evidence)
    frames = [evidence.rows.iloc[:0]]
    for name in (ONE, TWO):
        of_kind = losses[losses["kind"] == name]
        for _, of_seed in of_kind.groupby("seed"):
            best = of_seed.loc[of_seed["held_out_loss"].idxmin()]
            rows = evidence.last
            rows = rows[(rows["run"] == best["run"]) & (rows["seed"] == best["seed"]) & (rows["control"] == "none")]
            frames.append(rows.assign(run=name, control=BEST))
    return pd.concat(frames, ignore_index=True)


def last_losses(evidence: Evidence) -> pd.DataFrame:
    """The held-out loss at the end of training: columns run, seed, step, kind (ONE or TWO), rate and held_out_loss."""
    kinds = {run: (name, rate) for name in (ONE, TWO) for rate, run in runs_by_rate(name).items()}
    curves = evidence.curves[evidence.curves["run"].isin(list(kinds))]
    last = curves.sort_values("step").groupby(["run", "seed"], as_index=False).last()
    kind, rate = ([kinds[run][index] for run in last["run"]] for index in (0, 1))
    return last.assign(kind=kind, rate=rate)[["run", "seed", "step", "kind", "rate", "held_out_loss"]]
