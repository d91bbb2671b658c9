"""Tokens that hold x or y alone: a first layer copies labels to their inputs, a second one descends ([VO] fig. 5)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.experiments.copying import figures as copying_figures
from analyses.experiments.copying.claims import CLAIMS, RUN
from analyses.experiments.copying.measures import formation_rows
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.activations.copying_sensitivity import CopyingSensitivity
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan


class Copying:
    """Five seeds of two layers, softmax and linear, on x and y in neighbouring tokens."""

    name = "copying"
    title = "Neighbouring tokens: copy first, then descend"
    question = (
        "Where x and y stand in separate tokens, one layer cannot take a gradient step. Do two layers take one, by "
        "copying each label to its input first, and does the copying form before the loss falls?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """At `full` size the notebooks' model for the paper's 40,000 steps; by default a shorter training.

        From the notebooks' initial weights, at batch 512, the loss stays at predict-zero's for 4,800 to 8,200 of 10,000
        steps, depending on the seed; from larger initial weights, at three times the learning rate and batch 1024, for
        1,300 to 4,500 of 9,000. The shorter training goes on until the loss has settled; at a constant rate noise
        keeps it 1.5 % too high, and the rate then falls to zero. Where the loss may fall, checkpoints are 25 steps
        apart, so that what comes first is measured and not interpolated.
        """
        config = preset(RUN)
        dense = None if size.quick else [500, 12_000, 25] if size.full else [500, 6000, 25]
        checkpoints = {"checkpoints_per_decade": 8 if size.quick else 32, "dense_checkpoints": dense}
        training = config.training.model_copy(update=checkpoints)
        if not size.full:
            model = config.model.model_copy(update={"init_variance": 0.1})
            pace = {"steps": 12_000, "learning_rate": 3e-3, "until": "settled"}
            training = training.model_copy(update={"batch": 1024, **pace})
            config = config.model_copy(update={"model": model})
        return {RUN: sized(config.model_copy(update={"training": training}), size, steps=40_000)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Copying and alignment with one step of gradient descent, at every checkpoint."""
        prompts = 200 if size.quick else None
        controls = (
            "untrained",
            "shuffled_labels",
            "reversed_positions",
            "constructed_interleaved",
            "constructed_undercorrected",
        )
        align = GDAlignment(prompts=prompts or 4000, learners=(GradientDescent(),), by_layer=False)
        return {
            RUN: [
                Plan(align, "all", controls),
                Plan(CopyingSensitivity(prompts=prompts or 500), "all", controls),
            ]
        }

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """The change points of copying, by contrast and by size, and of the loss; also for the wrong neighbour."""
        return formation_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The five rules; those of order say what was amended."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, every seed's onset, the change points, and which token is copied to which."""
        yield figures.scores(verdicts)
        yield copying_figures.training(evidence, RUN)
        yield from copying_figures.change_points(evidence, RUN)
        yield copying_figures.matrices(evidence, RUN)
