"""Is what an induction head writes one gradient step on the pairs of its context? (after [VO], [OL], [EDEL])"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.claims.measures.language import settled, shallow
from analyses.experiments.induction_step.claims import CLAIMS, LINEAR, ONE_LAYER, RIVALS, SOFTMAX, STEP
from analyses.experiments.induction_step.figures import distances
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.plan import Plan, probe_of


class InductionStep:
    """Five seeds whose second layer is softmax attention, five with a linear second layer, and five with none."""

    name = "induction-step"
    title = "Is an induction head a gradient step?"
    question = (
        "One gradient step from zero on the pairs (x_t, x_t+1) of a context predicts in proportion to raw counts of "
        "successors. A softmax head divides by a sum over what it attends to; a linear head can count. Which explicit "
        "predictor is nearest to what the second layer's head writes?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Markov chains of four states: a state occurs many times, with different successors.

        All train until the loss has settled.
        """
        runs = {
            SOFTMAX: settled(preset("markov"), 6000),
            LINEAR: settled(preset("markov-linear"), 6000),
            ONE_LAYER: settled(shallow(preset("markov")), 6000),
        }
        return {name: sized(config, size) for name, config in runs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Logits compared with explicit predictors' at the last checkpoint; losses and scores show what was learnt."""
        compare = Plan(
            probe_of("induction_as_gradient_step", 32 if size.quick else 256),
            controls=("untrained", "shuffled_tokens", "constructed_pair_step", "constructed_induction"),
        )
        alignment = Plan(
            probe_of("token_alignment", 64 if size.quick else 512),
            controls=("untrained", "shuffled_tokens", "best_predictor"),
        )
        scores = Plan(probe_of("induction_scores", 16 if size.quick else 64), controls=("untrained",))
        two_layers = [compare, alignment, scores]
        return {SOFTMAX: two_layers, LINEAR: two_layers, ONE_LAYER: [replace(alignment, controls=())]}

    def claims(self) -> tuple[Claim, ...]:
        """The four rules; two say what was amended."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, distances to every predictor, training, and attention."""
        yield figures.scores(verdicts)
        yield distances(evidence, (SOFTMAX, LINEAR), (STEP, *RIVALS), "constructed_pair_step")
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {SOFTMAX: levels, LINEAR: levels, ONE_LAYER: levels},
            "Every line is a seed. Softmax attention comes near the best prediction. Raw counts cannot, whatever their "
            "scale: a prediction from many matches should be more certain than one from few, but not in proportion.",
            "A linear layer at the best loss.",
        )
        yield token_figures.attention(
            evidence,
            (SOFTMAX, LINEAR),
            "the prompt repeats a block of symbols. The linear layer's scores have signs and are not normalised.",
        )
