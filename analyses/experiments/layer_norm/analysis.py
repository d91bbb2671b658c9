"""A LayerNorm before attention: what it costs one linear layer, or two, and what it saves ([VO] A.9, fig. 14)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.layer_norm import figures as scale_figures
from analyses.experiments.layer_norm.claims import CLAIMS, LINEAR, NORM, TWO_LINEAR, TWO_NORM
from analyses.plots import losses_and_cosines as training_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan

# Factors of the inputs, of context and query alike.
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)


class LayerNorm:
    """Three seeds each of one layer and of two tied ones, of linear self-attention, with a LayerNorm and without."""

    name = "layer-norm"
    title = "One layer, and two, behind a LayerNorm"
    question = (
        "A norm before attention hides how large the inputs are. How near to gradient descent do layers of linear "
        "self-attention come behind a norm, and how well do they predict where gradient descent diverges?"
    )
    seeds = 3
    developed_on = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """A quarter of the paper's batch: models with a norm train in the plain, slower loop.

        Two layers, with a norm and without, are trained until they are settled: their plateaus differ in length.
        """
        small = {"steps": 8000, "batch": 512}
        two = preset("two-layers-tied")
        two_norm = two.model_copy(update={"model": two.model.model_copy(update={"normalization": "LN"})})
        settled = {"until": "settled", "steps": 10_000, "batch": 512, "learning_rate": 3e-3}
        paper = {"steps": 15_000, "batch": 2048}
        return {
            NORM: sized(with_training(preset("one-layer-norm"), **small), size, **paper),
            LINEAR: sized(with_training(preset("one-layer"), steps=3000, batch=1024), size, batch=2048),
            TWO_NORM: sized(with_training(two_norm, **settled), size, **paper),
            TWO_LINEAR: sized(with_training(two, **settled), size, **paper),
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with as many steps as layers over training, and losses on larger inputs at the last checkpoint."""
        prompts = 500 if size.quick else 5000
        one, two = (GradientDescent(),), (GradientDescent(steps=2), GradientDescent(gamma=0.0, steps=2))
        controls = ("untrained", "shuffled_labels", "turned_queries", "constructed_normed")
        plans = {}
        for norm, linear, learners in ((NORM, LINEAR, one), (TWO_NORM, TWO_LINEAR, two)):
            align = GDAlignment(prompts=prompts, learners=learners, by_layer=False)
            scaled = OutOfDistribution(
                prompts=prompts,
                input_scales=SCALES,
                teacher_scales=(),
                query_scales=(),
                noisy_labels=(),
                norms=(),
                learners=learners,
            )
            plans[norm] = [Plan(align, "all", controls), Plan(scaled, controls=controls)]
            plans[linear] = [Plan(align, controls=()), Plan(scaled, controls=())]
        return plans

    def claims(self) -> tuple[Claim, ...]:
        """Three rules for each depth; the paper gives no numbers, so they are our reading."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, and the losses over the inputs' scale."""
        yield figures.scores(verdicts)
        yield training_figures.losses_and_cosines(
            evidence,
            (NORM, LINEAR),
            "constructed_normed",
            "Every line is a seed. Behind the norm the loss ends above gradient descent's, at the loss of the gradient "
            "step's own weights behind the same norm; the cosine ends below 1. Without the norm both match.",
            "A loss behind the norm at the dashed line, or a cosine near that of an untrained model, which is 0.",
        )
        two_layers = {name: evidence.runs[name] for name in (TWO_NORM, TWO_LINEAR)}
        of_two_layers = evidence.rows[evidence.rows["run"].isin(list(two_layers))]
        yield replace(
            figures.learning_curves(replace(evidence, runs=two_layers, rows=of_two_layers)),
            name="training-two-layers",
            title="Training of two tied layers",
            look="Every line is a seed. Without the norm the held-out loss falls through two tuned steps of gradient "
            "descent to GD++'s; behind the norm it ends above.",
            against="A loss behind the norm at the line of GD++.",
        )
        learners = {NORM: "gd", LINEAR: "gd", TWO_NORM: "gd_plus_plus", TWO_LINEAR: "gd_plus_plus"}
        yield scale_figures.input_scales(evidence, learners, "constructed_normed")
