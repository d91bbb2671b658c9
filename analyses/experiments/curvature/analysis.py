"""How strongly trained layers correct the curvature, and how that falls with the context ([VO] appendix A.10)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.tables import Number, single_value
from analyses.experiments.curvature import figures as curvature_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.activations.curvature import Curvature
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan
from probes.reading import Reading

PAPER = "von Oswald et al. 2023, appendix A.10"
# The learned gamma of the paper's models of two tied layers, by context length.
PUBLISHED = {10: 0.179, 25: 0.099, 50: 0.056, 100: 0.029}
RUNS = {count: f"context-{count}" for count in PUBLISHED}
# What is said of all context lengths stands in the rows of the first one.
WHOLE = RUNS[10]
CONTROLS = ("untrained", "constructed_gd", "constructed")


class CurvatureByContext:
    """Five seeds of two tied layers at each of four context lengths."""

    name = "curvature"
    title = "The learned curvature correction"
    question = (
        "Two tied layers correct the curvature of what they descend on: x_j becomes (I - gamma S) x_j. How large is "
        "the gamma that they learn, is it that of tuned GD++, and what does the first layer leave of the spectrum of S?"
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """A quarter of the paper's batch and twice its steps: some seeds sit on a plateau for 3,000 and more."""
        found = {}
        for count, name in RUNS.items():
            config = preset("two-layers-tied")
            training = config.training.model_copy(update={"batch": 512, "steps": 10_000})
            task = {**config.task, "context": count}
            found[name] = sized(
                config.model_copy(update={"task": task, "training": training}), size, batch=2048, steps=5000
            )
        return found

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Curvature beside the controls, and the losses beside tuned learners'."""
        prompts = 200 if size.quick else 5000
        rivals = (GradientDescent(steps=2), GradientDescent(gamma=0.0, steps=2))
        losses = GDAlignment(prompts=prompts, learners=rivals, by_layer=False)
        curves = Curvature(prompts=min(prompts, 2000))
        return {name: [Plan(losses, controls=()), Plan(curves, controls=CONTROLS)] for name in RUNS.values()}

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """Rows of probe `curvatures`: of every seed, model and control, numbers over all context lengths."""
        rows = evidence.last
        rows = rows[(rows["probe"] == "curvature") & (rows["layer"] == 0)]
        tuned = {
            (seed, run): _gamma(part, "weights")
            for (seed, run), part in rows[rows["control"] == "constructed"].groupby(["seed", "run"])
        }
        found: list[dict[str, Any]] = []
        for (seed, control), part in rows.groupby(["seed", "control"]):
            numbers = _numbers(part, {count: tuned.get((seed, run), math.nan) for count, run in RUNS.items()})
            place = {"run": WHOLE, "seed": seed, "control": control, "probe": "curvatures"}
            found += [{**place, "metric": metric, "value": value} for metric, value in numbers.items()]
        return Reading.of(found).table

    def claims(self) -> tuple[Claim, ...]:
        """The five rules, stated before anything is measured."""
        seen = {
            "subject": Source(WHOLE),
            "negative": {name: Source(WHOLE, name) for name in ("untrained", "constructed_gd")},
            "positive": {"constructed": Source(WHOLE, "constructed")},
            "beside": tuple(run for run in RUNS.values() if run != WHOLE),
        }
        return (
            Claim(
                "falls",
                "The longer the context, the weaker the correction that the layers learn.",
                PAPER,
                "gamma falls by a quarter or more from each of N = 10, 25, 50, 100 to the next",
                # What the paper's own numbers score.
                (Measure("largest gamma / gamma at the shorter N", "at most", 0.75, _over_all("falls"), ideal=0.57),),
                **seen,
            ),
            Claim(
                "published",
                "The learned gamma is the paper's.",
                PAPER,
                "within 10 % of 0.179, 0.099, 0.056 and 0.029, from the residual stream and from the weights",
                (Measure("largest |gamma / the paper's - 1|", "at most", 0.1, _over_all("off_published")),),
                **seen,
            ),
            Claim(
                "tuned",
                "The learned gamma is that of two steps of tuned GD++.",
                PAPER,
                "within 10 % at every N, from the residual stream and from the weights",
                (Measure("largest |gamma / tuned GD++'s - 1|", "at most", 0.1, _over_all("off_tuned")),),
                **seen,
            ),
            Claim(
                "proportional",
                "The first layer changes the inputs x_j of the context along -S x_j, and hardly otherwise.",
                PAPER,
                "R^2 of the regression at least 0.9 at every N",
                (Measure("least R^2", "at least", 0.9, _over_all("r_squared"), ideal=1.0),),
                # Plain gradient descent changes no x at all, so there its R^2 is not defined.
                **seen,
            ),
            Claim(
                "spectrum",
                "What the first layer leaves of S is better conditioned, and has the eigenvalues l (1 - gamma l)^2.",
                PAPER,
                "condition number at most 0.7 of what it was, and eigenvalues within 10 % (L2) of those, at every N",
                (
                    Measure("largest condition number after / before", "at most", 0.7, _over_all("condition")),
                    Measure("largest |predicted - after| / |after|", "at most", 0.1, _over_all("spectrum")),
                ),
                **seen,
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, gammas, and spectra."""
        yield figures.scores(verdicts)
        yield replace(
            figures.learning_curves(evidence),
            look="The held-out loss of every seed falls through two tuned steps of gradient descent to GD++'s, at "
            "every context length.",
            against="Losses that stop at gradient descent's line, or still fall at the end.",
        )
        yield curvature_figures.gammas(evidence, RUNS, PUBLISHED)
        yield curvature_figures.spectra(evidence, RUNS)
        yield curvature_figures.conditions(evidence, RUNS)


def _over_all(metric: str) -> Number:
    return lambda rows: single_value(rows, probe="curvatures", metric=metric)


def _gamma(rows: pd.DataFrame, source: str) -> float:
    return single_value(rows, metric="gamma", source=source)


def _numbers(rows: pd.DataFrame, tuned: dict[int, float]) -> dict[str, float]:
    parts = {count: rows[rows["run"] == run] for count, run in RUNS.items()}
    # Columns: context lengths.
    gammas = np.array([[_gamma(part, source) for part in parts.values()] for source in ("residual", "weights")])
    residual = {
        metric: np.array([single_value(part, metric=metric, source="residual") for part in parts.values()])
        for metric in ("r_squared", "spectrum_distance", "condition_number_before", "condition_number_after")
    }
    # A gamma that is not positive corrects nothing, and has no ratio to the next: NaN, as any maximum of NaN is.
    ratios = gammas[:, 1:] / np.where(gammas > 0, gammas, math.nan)[:, :-1]
    return {
        "falls": float(np.max(ratios)),
        "off_published": float(np.max(np.abs(gammas / list(PUBLISHED.values()) - 1))),
        "off_tuned": float(np.max(np.abs(gammas / list(tuned.values()) - 1))),
        "r_squared": float(np.min(residual["r_squared"])),
        "condition": float(np.max(residual["condition_number_after"] / residual["condition_number_before"])),
        "spectrum": float(np.max(residual["spectrum_distance"])),
    }
