"""One softmax head against two: what softmax costs, and how a second head undoes it ([VO] appendix A.9)."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized, with_training
from analyses.claims.claim import Claim
from analyses.experiments.softmax_heads import figures as softmax_figures
from analyses.experiments.softmax_heads.claims import CLAIMS, LINEAR, SMALL_START
from analyses.experiments.softmax_heads.rates import ONE, TWO, best_rows, runs_by_rate
from analyses.plots import losses_and_cosines as training_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from mesa.learners import GradientDescent
from probes.behaviour.gd_alignment import GDAlignment
from probes.plan import Plan, probe_of


class SoftmaxHeads:
    """Five seeds each of one softmax head and of two, at three learning rates, and of the linear layer."""

    name = "softmax-heads"
    title = "Softmax attention: one head and two"
    question = (
        "Softmax adds a constant to what linear attention computes. Can one head still take a gradient step? Do two "
        "heads cancel the constant, and do their weights add up to the construction's?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """One head and two, tuned alike; two heads from the notebooks' initial weights; and the linear layer.

        From the notebooks' initial weights one head stays near predict-zero's loss for all 10,000 steps in some seeds.
        From larger ones, at the smallest rate, one seed of five was still there after 4,000 steps; at the other rates
        none was. So every run with softmax trains until its loss has settled.
        """
        one, two, linear = (preset(name) for name in ("one-layer-softmax", "one-layer-softmax-two-heads", "one-layer"))
        configs = {}
        for name, config in ((ONE, one), (TWO, two)):
            larger = config.model_copy(update={"model": config.model.model_copy(update={"init_variance": 1.0})})
            for rate, run in runs_by_rate(name).items():
                tried = with_training(larger, until="settled", batch=1024, steps=10_000, learning_rate=rate)
                configs[run] = sized(tried, size, steps=20_000, batch=2048)
        small_start = with_training(two, until="settled", batch=1024, steps=20_000)
        configs[SMALL_START] = sized(small_start, size, batch=2048)
        configs[LINEAR] = sized(with_training(linear, batch=1024, steps=3000), size, steps=5000, batch=2048)
        return configs

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Alignment with one gradient step, and the sum of the heads at the last checkpoint."""
        prompts = 500 if size.quick else 5000
        align = GDAlignment(prompts=prompts, learners=(GradientDescent(),))
        of_other_rates = [Plan(align, controls=()), Plan(probe_of("head_sum"), controls=())]
        plans = {run: of_other_rates for name in (ONE, TWO) for run in runs_by_rate(name).values()}
        controls = ("untrained", "shuffled_labels", "constructed_softmax")
        sums = ("untrained", "mismatched_heads", "constructed_softmax_shared", "constructed_softmax_skewed")
        return {
            **plans,
            ONE: [Plan(align, "all", controls), Plan(probe_of("head_sum"), controls=("untrained",))],
            TWO: [
                Plan(align, "all", (*controls, "constructed_softmax_skewed")),
                Plan(probe_of("head_sum"), controls=()),
            ],
            SMALL_START: [Plan(align, controls=()), Plan(probe_of("head_sum"), controls=sums)],
            LINEAR: [Plan(align, controls=()), Plan(probe_of("head_sum"), controls=())],
        }

    def claims(self) -> tuple[Claim, ...]:
        """The four rules."""
        return CLAIMS

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """The last rows of every seed's model of the best learning rate."""
        return best_rows(evidence)

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
        yield softmax_figures.rates(evidence)
        yield softmax_figures.sums(evidence, (ONE, SMALL_START))
        yield softmax_figures.offsets(evidence, {ONE: "one head", TWO: "two heads", SMALL_START: "two, small start"})
