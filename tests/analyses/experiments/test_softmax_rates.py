"""One head and two are tuned alike, and the best rate of a seed is the one that ends lowest."""

import pandas as pd

from analyses.claims.analysis import Size
from analyses.claims.tables import single_value
from analyses.evidence import Evidence
from analyses.experiments.softmax_heads.analysis import SoftmaxHeads
from analyses.experiments.softmax_heads.rates import BEST, ONE, TWO, best_rows, runs_by_rate
from probes.readings.reading import Reading

# Held-out losses at step 100 by run and seed. At step 50 all are lower; the end counts.
LOSSES = {
    "one-head-rate-0.003": (0.4, 0.2),
    "one-head": (0.3, 0.3),
    "one-head-rate-0.03": (0.5, 0.5),
    "two-heads": (0.2,),
}


def evidence() -> Evidence:
    ends = [
        {"run": run, "seed": seed, "step": 100, "held_out_loss": loss}
        for run, losses in LOSSES.items()
        for seed, loss in enumerate(losses)
    ]
    rows = Reading.of(
        {**{key: end[key] for key in ("run", "seed", "step")}, "probe": "p", "metric": "m", "control": control}
        | {"value": end["held_out_loss"]}
        for end in ends
        for control in ("none", "untrained")
    ).table
    earlier = [{**end, "step": 50, "held_out_loss": 0.1 - 0.1 * float(end["held_out_loss"])} for end in ends]
    return Evidence({}, rows, {}, pd.DataFrame([*ends, *earlier]))


def test_the_best_rate_of_each_seed_is_the_one_that_ends_lowest() -> None:
    best = best_rows(evidence())
    assert set(best["control"]) == {BEST} and len(best) == 3
    values = {
        (run, seed): single_value(best[(best["run"] == run) & (best["seed"] == seed)], metric="m")
        for run, seed in ((ONE, 0), (ONE, 1), (TWO, 0))
    }
    assert values == {(ONE, 0): 0.3, (ONE, 1): 0.2, (TWO, 0): 0.2}


def test_one_head_and_two_differ_in_the_number_of_heads_alone() -> None:
    runs = SoftmaxHeads().runs(Size())
    for one, two in zip(runs_by_rate(ONE).values(), runs_by_rate(TWO).values(), strict=True):
        assert runs[one].training == runs[two].training and runs[one].task == runs[two].task
        assert runs[one].model.model_copy(update={"n_heads": 2}) == runs[two].model
    assert len({runs[run].training.learning_rate for run in runs_by_rate(ONE).values()}) == 3
