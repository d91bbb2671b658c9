"""The eleven claims of `depth`, and the loss of ten layers relative to that of five.

To tuned GD++, on 5,000 prompts: five steps of gradient descent have a cosine of .875 and ten of .980; one step of GD++
fewer has .988 and .9925; Newton's iteration of nearly the same loss has .991 and .996; 24 steps of Newton have .9965 to
five of GD++. The bound of the cosines, .999, allows about a quarter of the way to the nearest of these. Conjugate
gradients and Newton of nearly the same loss as ten steps are at a relative distance of about .1.
"""

from typing import Any

import pandas as pd

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import (
    alignment,
    distance_ratio,
    log_distance,
    loss,
    loss_ratio,
    shift_distance,
)
from analyses.claims.tables import single_value
from analyses.evidence import Evidence
from analyses.experiments.depth.rivals import OTHERS
from probes.readings.reading import Reading

PAPER = "von Oswald et al. 2023, section 3 and appendix A.10"
FIVE, TEN = "five-layers", "ten-layers-tied"
COSINE = 0.999
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


def _of_run(short: str, run: str, subject: str, sizes: str) -> tuple[Claim, ...]:
    return *_losses(short, run, subject, sizes), *_predictions(short, run, subject)


def _losses(short: str, run: str, subject: str, sizes: str) -> tuple[Claim, ...]:
    rival = RIVALS[run]
    negative, constructed = controls_of(run, "untrained", "shuffled_labels"), controls_of(run, "constructed")
    # As many steps without the curvature correction; one step less with it.
    plain, fewer = controls_of(run, "constructed_gd"), controls_of(run, "one_step_fewer")
    return (
        Claim(
            f"{short}-beat-gd",
            f"{subject} do better than as many steps of gradient descent.",
            PAPER,
            "loss at most 0.85 of that of gradient descent with a tuned step size, on the same prompts",
            (Measure("loss / GD's loss", "at most", 0.85, loss_ratio("gd"), ideal=0.2),),
            Source(run),
            near_miss=plain,
            negative=negative,
            positive=constructed,
        ),
        Claim(
            f"{short}-loss",
            f"{subject} match the loss of as many steps of GD++ with {sizes}, tuned.",
            PAPER,
            "loss, in logarithms, no further from tuned GD++'s, above or below, than a tenth of the way to tuned GD's",
            (Measure("|log(loss / GD++'s)| / log(GD's / GD++'s)", "at most", 0.1, log_distance(rival, "gd")),),
            Source(run),
            near_miss=fewer,
            negative={**plain, **negative},
            positive=constructed,
            amended="The bound was a quarter of the way, 38 % above GD++'s loss, and no loss was too low. The search "
            "for GD++'s numbers then ended above the models. It ends at .006 now, where two seeds of five layers had "
            ".018 and .023; ten steps have .049, where two seeds of ten layers had .053 and .055.",
        ),
    )


def _predictions(short: str, run: str, subject: str) -> tuple[Claim, ...]:
    rival = RIVALS[run]
    negative, constructed = controls_of(run, "untrained", "shuffled_labels"), controls_of(run, "constructed")
    plain, fewer = controls_of(run, "constructed_gd"), controls_of(run, "one_step_fewer")
    # Another algorithm that is as good as the model.
    newton = controls_of(run, "newton_of_equal_loss")
    return (
        Claim(
            f"{short}-cosine",
            f"{subject} predict with the same sensitivity to the query as those steps of GD++.",
            PAPER,
            f"sensitivity cosine to tuned GD++ at least {COSINE:g}",
            (Measure("cosine to GD++", "at least", COSINE, alignment("sensitivity_cosine", rival), ideal=1.0),),
            Source(run),
            near_miss={**fewer, **newton},
            negative={**plain, **negative},
            positive=constructed,
            amended="The bound was a quarter of the way to gradient descent; Newton of the same loss met it.",
        ),
        Claim(
            f"{short}-nearest",
            f"{subject} predict what those steps of GD++ predict, rather than what another algorithm does.",
            "our addition; Fu et al. 2023, arXiv 2310.17086, find deep models nearer to Newton's iteration than to "
            "gradient descent",
            "|f - g| / |g| to tuned GD++ at most half of that to the nearest of tuned gradient descent, ridge "
            "regression, least squares, Newton's iteration and conjugate gradients, each after its nearest step",
            (Measure("distance to GD++ / to the nearest rival", "at most", 0.5, distance_ratio(rival, OTHERS)),),
            Source(run),
            near_miss=newton,
            negative={**plain, **negative},
            positive=constructed,
            amended="Added after the first results; the distances of trained models to these rivals were then known "
            "for two seeds of each run.",
        ),
    )


def _shifted(name: str, sentence: str, source: str, where: str, conditions: tuple[str, ...]) -> Claim:
    """A claim on five layers out of distribution.

    Five tuned steps of gradient descent are up to .87 away from GD++ under shifts and up to .93 under other laws: the
    bound is a quarter of that. Steps that are 1.2 times larger are at most .15 away, so they are no near miss.
    """
    return Claim(
        name,
        sentence,
        source,
        f"|f - g| / |g| to tuned GD++ at most 0.23 for {where}",
        (Measure("largest |f - g| / |g|", "at most", 0.23, shift_distance(conditions, RIVALS[FIVE])),),
        Source(FIVE),
        near_miss=controls_of(FIVE, "constructed_gd", "one_step_fewer", "newton_of_equal_loss"),
        negative=controls_of(FIVE, "untrained", "shuffled_labels"),
        positive=controls_of(FIVE, "constructed"),
    )


_OUTSIDE = (
    _shifted(
        "five-shifts",
        "Out of distribution, too, five layers predict what five steps of GD++ predict, also where these fail.",
        f"{PAPER} and appendix A.2, fig. 6",
        "every input, teacher and query scale",
        ("input_scale", "teacher_scale", "query_scale"),
    ),
    _shifted(
        "five-input-laws",
        "On inputs of laws that they never saw, five layers predict what five steps of GD++ predict.",
        f"{PAPER} and appendix A.2, fig. 6",
        "normal, exponential and Laplace inputs of every norm",
        ("normal", "exponential", "laplace"),
    ),
)

CLAIMS = (
    *_OUTSIDE,
    *_of_run("five", FIVE, "Five layers with separate weights", "a gamma and a step size for each step"),
    *_of_run("ten", TEN, "Ten layers that share their weights", "one gamma and one step size for all steps"),
    Claim(
        "ten-behind-five",
        "Ten layers that share their weights do worse than five layers with separate weights.",
        PAPER,
        "loss of ten tied layers at least 1.2 times that of five untied ones on the same prompts, both trained on as "
        "many prompts at most, and at the same learning rate",
        (Measure("loss of ten / loss of five", "at least", 1.2, ten_to_five, ideal=4.0),),
        Source(TEN),
        # As many steps with the same sharing, without the curvature correction: ten are then better than five.
        near_miss=controls_of(TEN, "constructed_gd"),
        negative=controls_of(TEN, "untrained"),
        positive=controls_of(TEN, "constructed"),
        beside=(FIVE,),
        amended="Both depths have the same batches, learning rate and largest number of steps; they differed before.",
    ),
)
