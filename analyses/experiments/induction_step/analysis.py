"""Is what an induction head writes one gradient step on the pairs of its context? (after [VO], [OL], [EDEL])"""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, sized
from analyses.claims.claim import Claim, Measure, Source, Verdict
from analyses.claims.measures.language import token_gap
from analyses.claims.tables import Number, single_value
from analyses.experiments.induction_step import figures as predictor_distances
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.language.induction_as_gradient_step import InductionAsGradientStep
from probes.language.induction_scores import InductionScores
from probes.language.token_alignment import TokenAlignment
from probes.plan import Plan

SOURCE = "our question, after von Oswald et al. 2023; the numbers are ours"
SOFTMAX, LINEAR = "softmax", "linear"
STEP, BIGRAM = "gradient_step", "smoothed_log_bigram"
# All that the step is told apart from, and all that the bigram is.
RIVALS = (BIGRAM, "normalised_bigram", "most_recent", "unigram", "uniform")
OTHERS = (STEP, *RIVALS[1:])


class InductionStep:
    """Five seeds whose second layer is softmax attention, and five whose second layer is linear attention."""

    name = "induction-step"
    title = "Is an induction head a gradient step?"
    question = (
        "One gradient step from zero on the pairs (x_t, x_t+1) of a context predicts in proportion to raw counts of "
        "successors. A softmax head divides by a sum over what it attends to, a linear one can count. Which of the "
        "explicit predictors is nearest to what the second layer's head writes?"
    )
    seeds = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Markov chains of four states: a state comes many times, with different successors."""
        return {
            SOFTMAX: sized(preset("markov"), size),
            LINEAR: sized(preset("markov-linear"), size),
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Logits beside explicit predictors', at the last checkpoint; losses and scores, to know what was learnt."""
        few = 32 if size.quick else 256
        compare = Plan(
            InductionAsGradientStep(prompts=few),
            controls=("untrained", "shuffled_tokens", "constructed_pair_step", "constructed_induction"),
        )
        near = Plan(
            TokenAlignment(prompts=64 if size.quick else 512),
            controls=("untrained", "shuffled_tokens", "best_predictor"),
        )
        scores = Plan(InductionScores(prompts=16 if size.quick else 64), controls=("untrained",))
        return {SOFTMAX: [compare, near, scores], LINEAR: [compare, near, scores]}

    def claims(self) -> tuple[Claim, ...]:
        """The four rules; two say what was amended."""
        built = {"constructed_pair_step": Source(LINEAR, "constructed_pair_step")}

        def blind(run: str) -> dict[str, Source]:
            return {name: Source(run, name) for name in ("untrained", "shuffled_tokens")}

        return (
            Claim(
                "linear-step",
                "A linear head writes one gradient step: of all predictors its logits are nearest to raw counts.",
                SOURCE,
                "relative L2 distance of layer 1's head to the step at most 0.5, and at least 0.05 smaller than to "
                "every rival",
                (
                    Measure("|f - a g| / |f|, g the step", "at most", 0.5, _distance(STEP)),
                    Measure("nearest rival's minus the step's", "at least", 0.05, _lead((STEP,), RIVALS), ideal=0.4),
                ),
                Source(LINEAR),
                negative={**blind(LINEAR), "softmax": Source(SOFTMAX)},
                positive=built,
                amended="its numbers were chosen after a look at one such model, not among these seeds",
            ),
            Claim(
                "softmax-bigram",
                "A softmax head does not: of all predictors its logits are nearest to the smoothed log bigram.",
                SOURCE,
                "relative L2 distance of layer 1's head to it at most 0.5, and at least 0.05 smaller than to every "
                "other, the step included",
                (
                    Measure("|f - a g| / |f|, g the log bigram", "at most", 0.5, _distance(BIGRAM)),
                    Measure("nearest other's minus the log bigram's", "at least", 0.05, _lead((BIGRAM,), OTHERS), 0.4),
                ),
                Source(SOFTMAX),
                negative={
                    **blind(SOFTMAX),
                    "linear": Source(LINEAR),
                    "constructed_pair_step": Source(SOFTMAX, "constructed_pair_step"),
                    "constructed_induction": Source(SOFTMAX, "constructed_induction"),
                },
                answer="not a gradient step, but the smoothed log bigram",
                amended="it allowed the nearer of two bigrams; the smoothed one is nearer in every seed",
            ),
            Claim(
                "linear-learns",
                "With a linear second layer the model does better than counting symbols.",
                "a condition of the first claim; the number is ours",
                "at least half of the gap between the unigram's and the best loss closed",
                (Measure("share of the gap closed", "at least", 0.5, token_gap("unigram", "best"), ideal=1.0),),
                Source(LINEAR),
                negative=blind(LINEAR),
                positive={"best_predictor": Source(LINEAR, "best_predictor")},
            ),
            Claim(
                "softmax-learns",
                "With a softmax second layer it comes close to the best there is.",
                "a condition of the second claim; the number is ours",
                "at least 80 % of the gap between the unigram's and the best loss closed",
                (Measure("share of the gap closed", "at least", 0.8, token_gap("unigram", "best"), ideal=1.0),),
                Source(SOFTMAX),
                negative=blind(SOFTMAX),
                positive={"best_predictor": Source(SOFTMAX, "best_predictor")},
            ),
        )

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts at a glance, distances to every predictor, training, and attention."""
        yield figures.scores(verdicts)
        yield predictor_distances.distances(evidence, (SOFTMAX, LINEAR), (STEP, *RIVALS), "constructed_pair_step")
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {SOFTMAX: levels, LINEAR: levels},
            "Every line is a seed. Softmax attention comes near the best prediction; raw counts, whatever their scale, "
            "cannot, since a prediction from many matches should be surer than one from few, but not in proportion.",
            "A linear layer at the best loss.",
        )
        yield token_figures.attention(
            evidence,
            (SOFTMAX, LINEAR),
            "repeats of a block of symbols; the linear layer's scores have signs and no sum.",
        )


def _rows(rows: pd.DataFrame) -> pd.DataFrame:
    """What the last layer's head writes: `relative_distance` by learner."""
    rows = rows[(rows["probe"] == "induction_as_gradient_step") & (rows["scope"] == "head") & (rows["layer"] == 1)]
    return rows[rows["metric"] == "relative_distance"]


def _distance(learner: str) -> Number:
    return lambda rows: single_value(_rows(rows), learner=learner)


def _nearest(learners: Sequence[str]) -> Number:
    return lambda rows: min(_distance(learner)(rows) for learner in learners)


def _lead(near: Sequence[str], far: Sequence[str]) -> Number:
    return lambda rows: _nearest(far)(rows) - _nearest(near)(rows)
