"""Twelve blocks with four heads and an MLP each, compared with twelve steps of GD++ ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import alignment, cosine_lead, loss_ratio
from analyses.experiments.depth import figures as depth_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.activations.curvature import Curvature
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan

PAPER = "von Oswald et al. 2023, appendix A.10"
MODEL, RIVAL = "twelve-layers-mlp", "gd_plus_plus_per_step"
_NEGATIVE = controls_of(MODEL, "untrained", "shuffled_labels")

CLAIMS = (
    Claim(
        "resembles",
        "The model's prediction changes with its query much as GD++'s does, and more so than as gradient descent's "
        "does.",
        PAPER,
        "sensitivity cosine to twelve tuned steps of GD++ at least 0.9, and larger than to as many of GD",
        (
            Measure("cosine to GD++", "at least", 0.9, alignment("sensitivity_cosine", RIVAL), ideal=1.0),
            Measure("cosine to GD++ - cosine to GD", "at least", 0.0, cosine_lead(RIVAL, "gd"), ideal=0.1),
        ),
        Source(MODEL),
        negative=_NEGATIVE,
    ),
    Claim(
        "beats-gd",
        "The model does better than twelve steps of gradient descent.",
        PAPER,
        "loss at most 0.85 of that of gradient descent with a tuned step size, on the same prompts",
        (Measure("loss / GD's loss", "at most", 0.85, loss_ratio("gd"), ideal=0.1),),
        Source(MODEL),
        negative=_NEGATIVE,
    ),
)


class DeepMLP:
    """Two seeds of twelve blocks of four linear heads and an MLP, without a norm."""

    name = "deep-mlp"
    title = "Twelve blocks with heads and MLPs"
    question = "With four heads and an MLP in each of twelve blocks, does a model still resemble GD++?"
    seeds = 2
    developed_on = 2

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's setting."""
        return {MODEL: sized(preset(MODEL), size)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with twelve steps, layer by layer, and curvature, at the last checkpoint."""
        prompts = 100 if size.quick else 5000
        rivals = (GradientDescent(steps=12, clip=10.0), GradientDescent(gamma=0.0, steps=12, shared=False, clip=10.0))
        controls = ("untrained", "shuffled_labels")
        return {
            MODEL: [
                Plan(GDAlignment(prompts=prompts, learners=rivals), controls=controls, tune_once=True),
                Plan(Curvature(prompts=min(prompts, 2000)), controls=()),
            ]
        }

    def claims(self) -> tuple[Claim, ...]:
        """The two rules, stated before anything is measured; the paper gives no numbers, so they are our reading."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, and what each block does."""
        yield figures.scores(verdicts)
        yield replace(
            figures.learning_curves(evidence),
            look="The held-out loss of every seed, compared with tuned learners of twelve steps.",
            against="Losses that stay at gradient descent's line, or still fall at the end.",
        )
        yield depth_figures.by_layer(evidence, {MODEL: RIVAL})
        yield depth_figures.gammas(evidence, (MODEL,))
