"""A LayerNorm before attention: what it costs one linear layer, and what it saves ([VO] appendix A.9)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.layer_norm import figures as scale_figures
from analyses.experiments.layer_norm.claims import CLAIMS, LINEAR, NORM
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
    """Three seeds of a layer of linear self-attention behind a LayerNorm, and three without."""

    name = "layer-norm"
    title = "One layer behind a LayerNorm"
    question = (
        "A norm before attention hides how large the inputs are. How near to gradient descent does a layer of linear "
        "self-attention come behind a norm, and how well does it predict where gradient descent diverges?"
    )
    seeds = 3
    developed_on = 3

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """A quarter of the paper's batch and half of its steps: models with a norm train in the plain, slower loop."""
        small = {"steps": 8000, "batch": 512}
        norm = sized(with_training(preset("one-layer-norm"), **small), size, steps=15_000, batch=2048)
        return {NORM: norm, LINEAR: sized(with_training(preset("one-layer"), steps=3000, batch=1024), size, batch=2048)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one gradient step over training, and losses on larger inputs at the last checkpoint."""
        prompts = 500 if size.quick else 5000
        align = GDAlignment(prompts=prompts, learners=(GradientDescent(),))
        scaled = OutOfDistribution(
            prompts=prompts,
            input_scales=SCALES,
            teacher_scales=(),
            query_scales=(),
            noisy_labels=(),
            norms=(),
            learners=(GradientDescent(),),
        )
        controls = ("untrained", "shuffled_labels", "constructed_normed")
        return {
            NORM: [Plan(align, "all", controls), Plan(scaled, controls=controls)],
            LINEAR: [Plan(align, controls=()), Plan(scaled, controls=())],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The three rules, stated before anything is measured; the paper gives no numbers, so they are our reading."""
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
        yield scale_figures.input_scales(evidence, (NORM, LINEAR), "constructed_normed")
