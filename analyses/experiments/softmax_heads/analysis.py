"""One softmax head against two: what softmax costs, and how a second head undoes it ([VO] appendix A.9)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.softmax_heads import figures as softmax_figures
from analyses.experiments.softmax_heads.claims import CLAIMS, LINEAR, ONE, TWO
from analyses.plots import losses_and_cosines as training_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan
from probes.weights.head_sum import HeadSum


class SoftmaxHeads:
    """Five seeds with one softmax head, five with two, and five of the linear layer that needs no second head."""

    name = "softmax-heads"
    title = "Softmax attention: one head and two"
    question = (
        "Softmax adds a constant to what linear attention computes. Can one head still take a gradient step? Do two "
        "heads cancel the constant, and do their weights add up to the construction's?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Two heads as in the paper, for 10,000 steps, at half its batch; one head at settings with which it learns.

        With one head and the notebooks' initial weights, two seeds of five stay at 0.974 of predict-zero's loss for all
        10,000 steps; with larger initial weights and a higher learning rate, none does.
        """
        one, two, linear = (preset(name) for name in ("one-layer-softmax", "one-layer-softmax-two-heads", "one-layer"))
        one = one.model_copy(update={"model": one.model.model_copy(update={"init_variance": 1.0})})
        return {
            ONE: sized(with_training(one, batch=1024, steps=5000, learning_rate=1e-2), size, steps=10_000, batch=2048),
            TWO: sized(with_training(two, batch=1024), size, batch=2048),
            LINEAR: sized(with_training(linear, batch=1024, steps=3000), size, steps=5000, batch=2048),
        }

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one gradient step over training, and the sum of the heads at the last checkpoint."""
        prompts = 500 if size.quick else 5000
        align = GDAlignment(prompts=prompts, learners=(GradientDescent(),))
        alignment = Plan(align, "all", ("untrained", "shuffled_labels", "constructed_softmax"))
        weights = Plan(HeadSum(), controls=("untrained", "constructed_softmax"))
        return {
            ONE: [alignment, weights],
            TWO: [alignment, weights],
            LINEAR: [Plan(align, controls=()), Plan(HeadSum(), controls=())],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The four rules, stated before anything is measured."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, alignment, and the heads' weights with their sum."""
        yield figures.scores(verdicts)
        yield training_figures.losses_and_cosines(
            evidence,
            (ONE, TWO, LINEAR),
            "constructed_softmax",
            "Every line is a seed. One softmax head ends far above gradient descent. Two end just above it, at about "
            "the level of two constructed heads with small scores, which take the step on centred inputs. The linear "
            "layer, with one head, reaches gradient descent.",
            "One softmax head at the dashed line, or two heads no better than one.",
        )
        yield softmax_figures.sums(evidence, (ONE, TWO))
        yield softmax_figures.offsets(evidence, {ONE: "one head", TWO: "two heads"})
