"""The seven claims of `depth`, and the loss of ten layers relative to that of five.

Five tuned steps of gradient descent have a cosine of .89 to as many of GD++ and ten of .95, and a relative distance of
.47 and .33: the bounds allow a model about a quarter of the difference.
"""

from typing import Any

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, log_position, loss, loss_ratio
from analyses.claims.tables import single_value
from analyses.evidence import Evidence
from probes.readings.reading import Reading

PAPER = "von Oswald et al. 2023, section 3 and appendix A.10"
FIVE, TEN = "five-layers", "ten-layers-tied"
RIVALS = {FIVE: "gd_plus_plus_per_step", TEN: "gd_plus_plus"}


def depth_rows(evidence: Evidence) -> pd.DataFrame:
    """Rows of probe `depths`: the loss of ten tied layers relative to that of five untied ones, on the same prompts."""
    rows = evidence.last
    rows = rows[rows["probe"] == "gd_alignment"]
    depths: list[dict[str, Any]] = []
    for (seed, control), of_seed in rows.groupby(["seed", "control"]):
        five, ten = (loss(of_seed[of_seed["run"] == name]) for name in (FIVE, TEN))
        model = {"run": TEN, "seed": seed, "control": control, "probe": "depths"}
        depths.append({**model, "metric": "ten_to_five", "value": ten / five})
    return Reading.of(depths).table


def ten_to_five(rows: pd.DataFrame) -> float:
    """The number of `depth_rows`."""
    return single_value(rows, probe="depths", metric="ten_to_five")


def _of_run(short: str, run: str, subject: str, sizes: str, cosine: float) -> tuple[Claim, ...]:
    rival = RIVALS[run]
    negative = controls_of(run, "untrained", "shuffled_labels", "constructed_gd")
    constructed = controls_of(run, "constructed")
    return (
        Claim(
            f"{short}-beat-gd",
            f"{subject} do better than as many steps of gradient descent.",
            PAPER,
            "loss at most 0.85 of that of gradient descent with a tuned step size, on the same prompts",
            (Measure("loss / GD's loss", "at most", 0.85, loss_ratio("gd"), ideal=0.2),),
            Source(run),
            negative=negative,
            positive=constructed,
        ),
        Claim(
            f"{short}-loss",
            f"{subject} match the loss of as many steps of GD++ with {sizes}, tuned.",
            PAPER,
            "loss, in logarithms, at most a quarter of the way from tuned GD++'s to tuned GD's",
            (Measure("log(loss / GD++'s) / log(GD's / GD++'s)", "at most", 0.25, log_position(rival, "gd")),),
            Source(run),
            negative=negative,
            positive=constructed,
        ),
        Claim(
            f"{short}-cosine",
            f"{subject} predict with the same sensitivity to the query as those steps of GD++.",
            PAPER,
            f"sensitivity cosine to tuned GD++ at least {cosine:g}",
            (Measure("cosine to GD++", "at least", cosine, alignment("sensitivity_cosine", rival), ideal=1.0),),
            Source(run),
            negative=negative,
            positive=constructed,
        ),
    )


CLAIMS = (
    *_of_run("five", FIVE, "Five layers with separate weights", "a gamma and a step size for each step", 0.97),
    *_of_run("ten", TEN, "Ten layers that share their weights", "one gamma and one step size for all steps", 0.985),
    Claim(
        "ten-behind-five",
        "Ten layers that share their weights do worse than five layers with separate weights.",
        PAPER,
        "loss of ten tied layers at least 1.2 times that of five untied ones on the same prompts",
        (Measure("loss of ten / loss of five", "at least", 1.2, ten_to_five, ideal=4.0),),
        Source(TEN),
        negative=controls_of(TEN, "untrained", "constructed_gd"),
        positive=controls_of(TEN, "constructed"),
        beside=(FIVE,),
    ),
)
