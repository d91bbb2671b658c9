"""Induction heads: when they form, what they are made of, and whether they do what the model does ([OL], [EL])."""

from collections.abc import Iterable, Sequence

import pandas as pd

from analyses.claims.analysis import Evidence, Plot, Size, Verdict, sized
from analyses.claims.claim import Claim
from analyses.claims.measures.language import settled, shallow
from analyses.experiments.induction.claims import (
    CLAIMS,
    FROZEN,
    NO_REPEATS,
    ONE_LAYER,
    RECALL,
    RECALL_FROZEN,
    REPEATED,
)
from analyses.experiments.induction.figures import formation
from analyses.experiments.induction.measures import order_rows
from analyses.plots import attribution as attribution_figures
from analyses.plots import language as token_figures
from analyses.plots import regression as figures
from mesa.config.presets import preset
from mesa.config.schema import RunConfig
from probes.plan import Plan, probe_of

SCORES = {
    "previous_token": "previous token",
    "prefix_matching": "prefix matching",
    "task_prefix_matching": "prefix matching, own task",
    "copied_share": "share that is copied",
}


class Induction:
    """Five seeds on repeated tokens and on associative recall, and as many of each near miss."""

    name = "induction"
    title = "Induction heads"
    question = (
        "A model of two layers learns to continue what occurred before in the same sequence. Do induction heads form "
        "at that time, from a previous-token head and a later head whose keys read it? And are they what continues "
        "the sequence?"
    )
    seeds = 5
    developed_on = 5

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """Two layers of two heads on both tasks; the near misses have a frozen first layer, one layer, or no repeats.

        All train until the loss has settled. A tenth of the symbols that repeat is replaced by random ones: without
        noise the least possible loss is nearly zero, and the loss falls by a constant share of itself for very long.
        """
        two_layers = _noisy(preset("induction"))
        runs = {
            REPEATED: settled(two_layers, 6000),
            RECALL: settled(_noisy(preset("recall")), 6000),
            ONE_LAYER: settled(shallow(two_layers), 6000),
            FROZEN: settled(_noisy(preset("induction-frozen")), 6000),
            RECALL_FROZEN: settled(_noisy(preset("recall-frozen")), 6000),
            NO_REPEATS: settled(preset("no-repeats"), 6000),
        }
        return {name: sized(config, size) for name, config in runs.items()}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """Losses and scores at every checkpoint; composition and attribution at the last."""
        alignment = probe_of("token_alignment", 64 if size.quick else 512)
        scores = probe_of("induction_scores", 16 if size.quick else 64)
        attribution = probe_of("head_attribution", 32 if size.quick else 256)
        untrained_or_built = ("untrained", "constructed_induction")
        two_layers = [
            Plan(alignment, controls=("untrained", "shuffled_tokens", "best_predictor")),
            Plan(scores, "all", untrained_or_built),
            Plan(probe_of("composition"), controls=untrained_or_built),
            Plan(attribution, controls=untrained_or_built),
        ]
        one_layer = [Plan(alignment, controls=()), Plan(scores, "all", ()), Plan(attribution, controls=())]
        composition = Plan(probe_of("composition"), controls=())
        return {
            REPEATED: two_layers,
            RECALL: two_layers,
            ONE_LAYER: one_layer,
            FROZEN: [*one_layer, composition],
            RECALL_FROZEN: [Plan(alignment, controls=()), Plan(scores, controls=())],
            NO_REPEATS: [Plan(scores, controls=()), composition, Plan(attribution, controls=())],
        }

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """When each score has gone half of its way, and in which order."""
        return order_rows(evidence)

    def claims(self) -> tuple[Claim, ...]:
        """The ten rules; some were amended after a look at seeds 0 to 4, and say so."""
        return CLAIMS

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Effects by layer and head, what they rest on, all verdicts, and how the heads formed."""
        yield attribution_figures.effects(evidence, (REPEATED, RECALL, ONE_LAYER, FROZEN))
        yield attribution_figures.conditions(evidence, (REPEATED, RECALL))
        yield attribution_figures.paths(evidence, (REPEATED, RECALL))
        yield figures.scores(verdicts)
        levels = ("uniform", "unigram", "best")
        yield token_figures.training(
            evidence,
            {REPEATED: levels, RECALL: levels, ONE_LAYER: levels, FROZEN: levels},
            "Every line is a seed. The loss of two layers falls abruptly and comes near the best; on associative "
            "recall it does so after a long plateau. The loss of one layer stays near that of the symbols' "
            "frequencies, and so does the loss of two layers of which the first is random.",
            "One layer or a random first layer at the best loss, or a loss of two layers that falls gradually.",
        )
        # The recall model was not trained on repeated random tokens, so its own prompts are shown.
        conditions = {REPEATED: "repeated", RECALL: "task", ONE_LAYER: "repeated", FROZEN: "repeated"}
        yield formation(evidence, conditions, SCORES)
        yield token_figures.head_scores(evidence, (REPEATED, RECALL, ONE_LAYER, FROZEN, NO_REPEATS), SCORES)
        yield token_figures.compositions(evidence, (REPEATED, RECALL, FROZEN))
        yield token_figures.attention(
            evidence,
            (REPEATED, RECALL),
            "the prompt repeats a block of random symbols. A previous-token head is a line below the diagonal; an "
            "induction head has a line for each earlier repeat, one position after the same symbol.",
        )


def _noisy(config: RunConfig) -> RunConfig:
    """The same run, with a tenth of the task's repeated symbols replaced by random ones."""
    return config.model_copy(update={"task": {**config.task, "noise": 0.1}})
