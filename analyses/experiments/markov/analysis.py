"""From uniform through unigram to bigram: how attention learns a Markov chain in context ([EDEL])."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.claims.measures.language import settled, shallow
from analyses.experiments.markov.claims import CLAIMS, FROZEN, ONE, TWO
from analyses.experiments.markov.measures import phase_rows
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.language.induction_scores import InductionScores
from probes.language.token_alignment import PHASES, TokenAlignment
from probes.plan import Plan


class Markov:
    """Five seeds with two layers, and as many with one layer or a random first one: these build no induction head."""

    name = "markov"
    title = "Markov chains in context: uniform, unigram, bigram"
    question = (
        "Every sequence is drawn from another Markov chain. Does a model learn first to ignore the context, then to "
        "count symbols, then to count transitions, and does that last step need a second layer?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Chains of four states and 64 symbols; the models differ in depth, or in whether the first layer trains.

        All train until the loss has settled.
        """
        two_layers = preset("markov")
        runs = {TWO: two_layers, ONE: shallow(two_layers), FROZEN: preset("markov-frozen")}
        return {name: sized(settled(config, 6000), size) for name, config in runs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Distances to explicit predictors at every checkpoint, and scores of heads at the last one."""
        alignment = TokenAlignment(prompts=64 if size.quick else 512)
        scores = InductionScores(prompts=16 if size.quick else 100)
        controls = ("untrained", "shuffled_tokens", "best_predictor")
        return {
            TWO: [Plan(alignment, "all", controls), Plan(scores, controls=("untrained", "constructed_induction"))],
            ONE: [Plan(alignment, "all", controls), Plan(scores, controls=())],
            FROZEN: [Plan(alignment, "all", ())],
        }

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """When each phase began."""
        return phase_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The four rules."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """All verdicts, training, phases, and heads."""
        yield figures.scores(verdicts)
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {TWO: levels, ONE: levels, FROZEN: levels},
            "Every line is a seed. The loss of two layers pauses at the unigram's and falls from there to the best. "
            "The loss of one layer, or of two of which the first is random, stays at the unigram's.",
            "A loss of two layers that falls without a pause, or a loss of the others below the unigram's.",
        )
        yield token_figures.divergences(evidence, (TWO, ONE), tuple(PHASES))
        metrics = {"previous_token": "previous token", "prefix_matching": "prefix matching"}
        yield token_figures.head_scores(evidence, (TWO, ONE), metrics)
        yield token_figures.attention(
            evidence,
            (TWO, ONE),
            "the previous-token head of layer 0 is a line below the diagonal; layer 1 attends to the symbols that came "
            "after earlier occurrences of the current symbol.",
        )
