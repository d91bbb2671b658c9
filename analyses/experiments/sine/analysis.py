"""On sine curves a layer behind an MLP is one step of gradient descent on deep features ([VO] section 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.sine import figures as sine_figures
from analyses.experiments.sine.claims import CLAIMS, CONTROLS, LEARNER, MODEL, NEAR_MISSES, RIVAL
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.behaviour.curves import Curves
from probes.behaviour.gd_alignment import GDAlignment
from probes.behaviour.out_of_distribution import OutOfDistribution
from probes.plan import Plan

# Smaller batches and higher learning rates than the paper's 2048, 1e-3 and 3e-4, so that all seeds end within minutes.
# The number of steps is the largest one. Settling is looked for every 400 steps: at a constant rate the loss jumps, and
# of many short stretches one is flat by chance.
STEPS, BATCH, EVALUATE_EVERY = 25_000, 256, 400
RATES = {MODEL: 4e-3, LEARNER: 2e-3}
PRESETS = {MODEL: "sine", LEARNER: "sine-learner"}


class Sine:
    """A trained layer behind an MLP, and a learner: the same MLP, meta-trained through one explicit gradient step."""

    name = "sine"
    title = "Non-linear regression: one gradient step on deep features"
    question = (
        "Does an MLP with one layer of linear self-attention, trained on sine curves in context, do what the same MLP "
        "does when it is meta-trained through one explicit step of gradient descent? Each predicts by one sum over the "
        "examples, and the best such sum is unique: they must be nearer to each other than to the target. The paper "
        "trains 20,000 steps at a constant learning rate. Here each seed trains until its loss has settled, with "
        "smaller batches and a higher rate, which then falls to zero."
    )
    seeds = 5
    developed_on = 2

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The model and the learner; in each seed both start from the same embedding and MLP."""
        return {name: _sized(name, size) for name in (MODEL, LEARNER)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """The model compared with the learner of its seed; and each learner, with near misses, with that of another."""
        prompts = 300 if size.quick else 4000
        aligned, shifted = GDAlignment(prompts=prompts), OutOfDistribution(prompts=prompts)
        return {
            MODEL: [
                Plan(aligned, "all", CONTROLS, LEARNER),
                Plan(shifted, "last", CONTROLS, LEARNER),
                Plan(Curves(), "last", (), LEARNER),
            ],
            LEARNER: [Plan(probe, "last", NEAR_MISSES, LEARNER, other_seed=True) for probe in (aligned, shifted)],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The six rules, stated before anything is measured; the paper gives no numbers, so they are our reading."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, curves, agreement and shifts."""
        yield figures.scores(verdicts)
        yield sine_figures.training(evidence, MODEL, LEARNER)
        yield sine_figures.curves(evidence, MODEL)
        yield replace(
            figures.alignment(evidence, MODEL, RIVAL),
            title="Agreement with the trained learner over training",
            look="Each line is a seed: its model at every checkpoint, compared with its learner at the end. "
            "In one dimension the cosine of a prompt is +1 or -1: it counts slopes of equal sign and ignores scale.",
            against="The same level for untrained weights, or for a model that is shown shuffled labels. Or lines that "
            "level off far from 0 on the right: model and learner would then have found different solutions.",
        )
        yield sine_figures.shifts(evidence, MODEL)


def _sized(name: str, size: Size) -> RunConfig:
    config = preset(PRESETS[name])
    if size.full:
        return sized(config, size)
    small = with_training(config, batch=BATCH, learning_rate=RATES[name], evaluate_every=EVALUATE_EVERY, steps=STEPS)
    # A smoke run is too short to settle.
    return sized(small if size.quick else with_training(small, until="settled"), size)
