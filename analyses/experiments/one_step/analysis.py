"""One trained layer of linear self-attention is one step of gradient descent ([VO] section 3)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.regression import (
    Number,
    alignment,
    interpolated,
    loss_gap,
    shift_gap,
    shifted,
    worst,
)
from analyses.claims.tables import losses, single_value
from analyses.plots import regression as figures
from analyses.plots import shifts as shift_figures
from analyses.plots import weights as heatmaps
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.plan import Plan, probe_of
from probes.registry import OF_PREDICTIONS

PAPER = "von Oswald et al. 2023"
MODEL, NEGATIVE = "isotropic", "anisotropic"
SHIFTS = ("input_scale", "teacher_scale", "query_scale", "normal", "exponential", "laplace")


class OneStep:
    """Five seeds on isotropic inputs, and five on anisotropic ones, where plain gradient descent must be refuted."""

    name = "one-step"
    title = "One trained layer is one gradient step"
    question = (
        "Does one layer of linear self-attention, trained on in-context linear regression, implement one step of "
        "gradient descent? A second task, on which a better algorithm exists, shows whether the instrument can say no."
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's setting and the trained negative."""
        configs = {MODEL: preset("one-layer"), NEGATIVE: preset("one-layer-anisotropic")}
        return {name: sized(config, size) for name, config in configs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment at every checkpoint; everything else at the last one, beside the controls."""
        prompts = 500 if size.quick else None
        once = ("weight_products", "interpolation", "out_of_distribution", "rollout")
        both = Plan(
            probe_of("gd_alignment", prompts),
            "all",
            ("untrained", "shuffled_labels", "shuffled_labels_both", "constructed", "constructed_preconditioned"),
        )
        rest = [Plan(probe_of(name, prompts), controls=_CONTROLS.get(name)) for name in once]
        return {
            MODEL: [both, *rest],
            # The trained negative is itself a control of every claim; its own controls belong to alignment alone.
            NEGATIVE: [both, *(replace(plan, controls=()) for plan in rest)],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The nine rules, stated before anything is measured."""
        behaviour = {name: Source(MODEL, name) for name in ("untrained", "shuffled_labels")}
        weights = {"untrained": Source(MODEL, "untrained")}
        trained, same = {"anisotropic": Source(NEGATIVE)}, {"constructed": Source(MODEL, "constructed")}
        seen = {"subject": Source(MODEL), "negative": {**behaviour, **trained}, "positive": same}
        read = {"subject": Source(MODEL), "negative": {**weights, **trained}, "positive": same}
        return (
            Claim(
                "loss",
                "The trained layer's loss equals that of one step of gradient descent with a tuned step size.",
                f"{PAPER}, section 3, fig. 2",
                "loss within 2 % of tuned GD's on the same prompts",
                (Measure("|loss / GD's loss - 1|", "at most", 0.02, loss_gap("gd")),),
                **seen,
            ),
            Claim(
                "cosine",
                "The layer reacts to its query as the gradient step does: the sensitivities align.",
                f"{PAPER}, section 3, fig. 2",
                "sensitivity cosine to tuned GD at least 0.995",
                (Measure("sensitivity cosine", "at least", 0.995, alignment("sensitivity_cosine"), ideal=1.0),),
                **seen,
            ),
            Claim(
                "prediction",
                "The layer predicts what the gradient step predicts.",
                f"{PAPER}, section 3, fig. 2",
                "mean |f - g| at most 0.04, and |f - g| / |g| at most 0.1",
                (
                    Measure("mean |f - g|", "at most", 0.04, alignment("prediction_difference")),
                    Measure("|f - g| / |g|", "at most", 0.1, alignment("relative_distance")),
                ),
                **seen,
            ),
            Claim(
                "interpolated",
                "Trained and constructed weights are one solution: their average does as well as either.",
                f"{PAPER}, section 3, fig. 2",
                "loss of the averaged weights at most 0.003 above the worse of the two",
                (Measure("loss above the worse of the two", "at most", 0.003, interpolated),),
                **read,
            ),
            Claim(
                "shifts",
                "Out of distribution the layer generalises, and fails, as the gradient step does.",
                f"{PAPER}, section 3, fig. 3 and appendix",
                "losses within 15 % (20 % at input scale 2) wherever GD's is below predict-zero's: input, teacher and "
                "query scale, and normal, exponential and Laplace inputs",
                (Measure("largest |loss / GD's loss - 1| (x 3/4 at input scale 2)", "at most", 0.15, _shifts),),
                **seen,
            ),
            Claim(
                "noisy-labels",
                "With any number of context labels replaced by noise, the layer still does what the step does.",
                "our addition, beside the shifts",
                "losses within 4 % for 0 to 10 noisy labels",
                (
                    Measure(
                        "largest |loss / GD's loss - 1|",
                        "at most",
                        0.04,
                        shift_gap(("noisy_labels",), below_zero=False),
                    ),
                ),
                **seen,
            ),
            Claim(
                "rollout",
                "Applied again and again, the layer keeps descending as gradient descent does.",
                f"{PAPER}, section 3, fig. 3",
                "losses within 5 % for 1 to 50 applications at damping 0.75",
                (Measure("largest |loss / GD's loss - 1|", "at most", 0.05, _rollout),),
                **seen,
                # One step never sees A's row of the query's empty y, so it stays as initialised; later steps see it.
                explaining={"identified_only": Source(MODEL, "identified_only")},
            ),
            Claim(
                "weights",
                "The trained weights are those of the construction, on the entries that the loss can see.",
                f"{PAPER}, Prop. 1 and section 3",
                "A and V, rescaled, within 10 % of the construction (Frobenius, identified entries)",
                (
                    Measure("A: |M - M*| / |M*|", "at most", 0.1, _weights("A")),
                    Measure("V: |M - M*| / |M*|", "at most", 0.1, _weights("V")),
                ),
                **read,
            ),
            Claim(
                "anisotropic",
                "Where inputs are anisotropic, the layer learns preconditioned gradient descent instead.",
                "Ahn et al. 2023, Thm 1; the trained negative of the claims above",
                "sensitivity cosine to plain GD below 0.8, and loss within 2 % of tuned preconditioned GD's",
                (
                    Measure("cosine to plain GD", "below", 0.8, alignment("sensitivity_cosine")),
                    Measure("|loss / preconditioned GD's loss - 1|", "at most", 0.02, loss_gap("preconditioned_gd")),
                ),
                Source(NEGATIVE),
                negative={
                    "untrained": Source(NEGATIVE, "untrained"),
                    "shuffled_labels": Source(NEGATIVE, "shuffled_labels"),
                    "constructed": Source(NEGATIVE, "constructed"),
                    "isotropic": Source(MODEL),
                },
                positive={"constructed_preconditioned": Source(NEGATIVE, "constructed_preconditioned")},
                answer="not plain GD, but preconditioned GD",
            ),
        )

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, training, alignment, generalisation, weights and attention."""
        yield figures.scores(verdicts)
        yield figures.learning_curves(evidence)
        yield figures.alignment(evidence, MODEL, "gd")
        yield figures.refutation(evidence, NEGATIVE)
        yield shift_figures.shifts(evidence, MODEL)
        yield figures.rollout(evidence, MODEL)
        yield heatmaps.weights(evidence, (MODEL, NEGATIVE))
        yield heatmaps.attention(evidence, MODEL)


_CONTROLS = {"rollout": (*OF_PREDICTIONS["regression"], "identified_only")}


def _weights(product: str) -> Number:
    return lambda rows: single_value(rows, probe="weight_products", metric="relative_distance", product=product)


def _shifts(rows: pd.DataFrame) -> float:
    table = shifted(rows, SHIFTS)
    table = table[table["gd"] < table["zero"]]
    far = (table["condition"] == "input_scale") & (table["condition_value"] == 2.0)
    return worst((table["model"] / table["gd"] - 1).abs() * far.map({True: 0.75, False: 1.0}))


def _rollout(rows: pd.DataFrame) -> float:
    table = losses(rows, "rollout", "damping", "applications").reset_index()
    if table.empty:
        return math.nan
    table = table[table["damping"] == 0.75]
    return worst((table["model"] / table["gd"] - 1).abs())
