"""Two trained layers that share their weights are two steps of GD++, not of gradient descent ([VO] appendix A.10)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.experiments.two_step import figures
from analyses.experiments.two_step.claims import CLAIMS, MODEL, ONE_LAYER
from analyses.experiments.two_step.rise_and_fall import rise_and_fall_rows
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan, probe_of

CONTROLS = ("untrained", "shuffled_labels", "constructed_gd", "constructed_larger_step", "constructed")


class TwoStep:
    """Five seeds of two tied layers, and five of one layer, whose cosine to gradient descent rises and stays."""

    name = "two-step"
    title = "Two tied layers are two steps of GD++"
    question = (
        "Two layers of linear self-attention that share their weights could repeat one step of gradient descent. "
        "Do they, or do they also correct the curvature of the loss that they descend on (GD++)?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The paper's setting at every size but the quick one; and one layer, a control of the claim `order`."""
        return {name: sized(preset(name), size) for name in (MODEL, ONE_LAYER)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment and interpolation at every checkpoint; shifts and weights at the last one."""
        prompts = 1000 if size.quick else 10_000
        rivals = (GradientDescent(steps=2), GradientDescent(gamma=0.0, steps=2))
        weights = ("constructed_gd", "constructed_larger_step", "constructed")
        return {
            MODEL: [
                Plan(GDAlignment(prompts=prompts, learners=rivals, by_layer=False), "all", CONTROLS, tune_once=True),
                Plan(probe_of("interpolation", prompts), "last" if size.quick else "all", weights),
                Plan(probe_of("weight_products", prompts), controls=weights),
                Plan(
                    OutOfDistribution(prompts=1000 if size.quick else 5000, learners=rivals),
                    controls=CONTROLS,
                    tune_once=True,
                ),
                Plan(probe_of("identify", 500 if size.quick else None), controls=(*CONTROLS, "one_step_fewer")),
            ],
            ONE_LAYER: [Plan(GDAlignment(prompts=prompts, learners=(GradientDescent(),)), "all", ())],
        }

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """By how much the cosine to gradient descent rises in training, and falls again."""
        return rise_and_fall_rows(evidence, "sensitivity_cosine", "gd")

    def claims(self) -> tuple[Claim, ...]:
        """The ten rules, stated before anything is measured."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, nearness to both algorithms, generalisation, weights."""
        return figures.plots(evidence, verdicts)
