"""The ten claims of `induction`; some were amended after a look at seeds 0 to 4, and say so.

Near misses are trained: two layers of which the first keeps its random weights and positions (`frozen_first`), so that
nothing can be composed; one layer; and two layers on sequences in which no symbol occurs twice (`no_repeats`).

Seeds 0 to 4 were looked at on sequences without noise, for a fixed number of steps. The noise of the present runs was
chosen so that training has an end; no bound was changed for it.
"""

import math

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.attribution import key_lead, without_layer
from analyses.claims.measures.language import best_head, token_gap
from analyses.experiments.induction.measures import (
    PREVIOUS_FIRST,
    TOGETHER,
    final_prefix_matching,
    log_distance,
    log_lateness,
    of_induction_head,
    qk_trace,
)

OLSSON, ELHAGE = "Olsson et al. 2022", "Elhage et al. 2021"
REPEATED, RECALL, ONE_LAYER = "repeated", "recall", "one-layer"
FROZEN, RECALL_FROZEN, NO_REPEATS = "frozen-first", "recall-frozen-first", "no-repeats"

_ONE_LAYER, _NO_REPEATS = {"one_layer": Source(ONE_LAYER)}, {"no_repeats": Source(NO_REPEATS)}
_FROZEN, _RECALL_FROZEN = {"frozen_first": Source(FROZEN)}, {"frozen_first": Source(RECALL_FROZEN)}
_UNTRAINED = controls_of(REPEATED, "untrained")
_CONSTRUCTED = controls_of(REPEATED, "constructed_induction")
_GAP_CLOSED = Measure("share of the gap closed", "at least", 0.85, token_gap("uniform", "best"), ideal=1.0)

_ENDS_MATCHING = Measure("prefix matching at the end", "at least", 0.5, final_prefix_matching, ideal=1.0)

_LEARNING = (
    Claim(
        "learns",
        "Two layers learn to continue repeated random tokens; one layer does not.",
        f"{ELHAGE}, {OLSSON}; the number is ours",
        "at least 85 % of the gap between the uniform predictor's loss and the best closed",
        (_GAP_CLOSED,),
        Source(REPEATED),
        # The same data and the same layers, less what trains in the first of them, or less one layer.
        near_miss={**_FROZEN, **_ONE_LAYER},
        negative=controls_of(REPEATED, "untrained", "shuffled_tokens"),
        positive=controls_of(REPEATED, "best_predictor"),
    ),
    Claim(
        "recalls",
        "Two layers learn to recall a key's value.",
        "our task; the rule of the claim `learns`",
        "at least 85 % of the gap between the uniform predictor's loss and the best closed",
        (_GAP_CLOSED,),
        Source(RECALL),
        # The same data and layers, of which the first does not train.
        near_miss=_RECALL_FROZEN,
        negative=controls_of(RECALL, "untrained", "shuffled_tokens"),
        positive=controls_of(RECALL, "best_predictor"),
    ),
)

_HEADS = (
    Claim(
        "induction-head",
        "A head of the second layer attends to the token that followed earlier occurrences, and copies it.",
        f"{OLSSON}; the numbers are ours",
        "the head of layer 1 with the best prefix matching: prefix matching at least 0.5, copying eigenvalues at least "
        "0.5 and copied share of logits at least 0.2, where chance is 0 and 0.03",
        (
            Measure("prefix matching", "at least", 0.5, best_head("prefix_matching", 1), ideal=1.0),
            Measure("copying eigenvalues", "at least", 0.5, of_induction_head("copying_eigenvalues"), ideal=1.0),
            Measure("copied share", "at least", 0.2, of_induction_head("copied_share"), ideal=1.0),
        ),
        Source(REPEATED),
        # Second layers that were trained as well, without a first layer to compose with or without repeats to match.
        near_miss={**_FROZEN, **_NO_REPEATS},
        negative=_UNTRAINED,
        positive=_CONSTRUCTED,
        amended="the bound on the copied share was 0.5; a head that copies raises the logits of other tokens too",
    ),
    Claim(
        "recall-head",
        "On pairs of keys and values, too, a head of the second layer attends to the token that followed the same key.",
        "prefix matching as in `induction-head`, on prompts of the task",
        "prefix matching on the task's own prompts at least 0.5 in layer 1",
        (Measure("prefix matching", "at least", 0.5, best_head("task_prefix_matching", 1), ideal=1.0),),
        Source(RECALL),
        # Its second layer attends to values, and cannot know after which key they stand.
        near_miss=_RECALL_FROZEN,
        negative=controls_of(RECALL, "untrained"),
        positive=controls_of(RECALL, "constructed_induction"),
        amended="added after a look at one of seeds 0 to 4",
    ),
    Claim(
        "previous-token",
        "A head of the first layer attends to the previous token.",
        f"{ELHAGE}; the number is ours",
        "the best previous-token score in layer 0 at least 0.3; untrained heads have about 0.08",
        (Measure("previous-token score", "at least", 0.3, best_head("previous_token", 0), ideal=1.0),),
        Source(REPEATED),
        # First layers that were trained as well, where no later layer reads them or where nothing repeats.
        near_miss={**_ONE_LAYER, **_NO_REPEATS},
        negative=_UNTRAINED,
        positive=_CONSTRUCTED,
    ),
)

_TRAINING = (
    Claim(
        "together",
        "The loss falls when prefix matching rises.",
        f"{OLSSON}; the factor is our reading of when",
        "the loss on scored tokens and the best prefix matching have gone half of their way at steps that differ at "
        "most by a factor of 1.5, and prefix matching ends at 0.5 at least",
        (
            Measure("|log of their ratio|", "at most", math.log(1.5), log_distance(*TOGETHER)),
            _ENDS_MATCHING,
        ),
        Source(REPEATED),
        # Their losses fall as well, on the same data, without a head that matches prefixes.
        near_miss={**_FROZEN, **_ONE_LAYER},
        negative=controls_of(REPEATED, "previous_token"),
        amended="the rule used the in-context score, but these models are not trained on its first repeat; the control "
        "`previous_token` puts the previous-token score in the place of prefix matching. Where a score hardly rises, "
        "as with one layer, half of its way says nothing: so the rule asks for prefix matching at the end",
    ),
    Claim(
        "previous-first",
        "Previous-token heads form before the induction heads that need them.",
        f"a hypothesis from {OLSSON}, to be tested",
        "the previous-token score has gone half of its way at least a tenth earlier than prefix matching, which ends "
        "at 0.5 at least",
        (
            Measure(
                "log(prefix matching / previous token)",
                "at least",
                math.log(1.1),
                log_lateness(*PREVIOUS_FIRST),
                ideal=1.0,
            ),
            _ENDS_MATCHING,
        ),
        Source(REPEATED),
        # Scores of both kinds change in their training too, and no induction head forms.
        near_miss={**_FROZEN, **_ONE_LAYER},
        amended="the rule did not ask for prefix matching at the end, so that a model without induction heads met it. "
        "Known then: seeds 0 to 4 break it, prefix matching being half-way at a third of the other's step",
    ),
)

_CIRCUIT = (
    Claim(
        "both-layers",
        "Heads of both layers are needed for the behaviour.",
        "by attribution; the number is ours",
        "at most 20 % of the behaviour is left when all heads of one layer are mean-ablated, for either layer",
        (
            Measure("left without layer 0's heads", "at most", 0.2, without_layer(0)),
            Measure("left without layer 1's heads", "at most", 0.2, without_layer(1)),
        ),
        Source(REPEATED),
        # Two trained heads read a first layer that mixes tokens at random: the behaviour does not need that layer.
        near_miss=_FROZEN,
        positive=_CONSTRUCTED,
        amended="the rule used the smallest sufficient set of heads, which turned out to be all heads: that set keeps "
        "everything and says nothing",
    ),
    Claim(
        "composed",
        "By their weights, the keys of induction heads match, token for token, what a previous-token head writes.",
        f"{ELHAGE}; the numbers are ours",
        "the largest QK trace through the head of layer 0 with the best previous-token score at least 0.5, where "
        "chance is 0, and that score at least 0.3",
        (
            Measure("QK trace", "at least", 0.5, qk_trace, ideal=1.0),
            Measure("its previous-token score", "at least", 0.3, best_head("previous_token", 0), ideal=1.0),
        ),
        Source(REPEATED),
        # Keys that were trained to read a random first layer, and layers that were trained where nothing repeats.
        near_miss={**_FROZEN, **_NO_REPEATS},
        negative=_UNTRAINED,
        positive=_CONSTRUCTED,
        amended="added after a look at seeds 0 to 4, as a rule on the trace alone. Then one seed with a frozen first "
        "layer had a trace of 0.98 and no previous-token head (0.08): its keys match tokens that a random head mixes. "
        "So the head must be a previous-token head, with the bound of the claim `previous-token`",
    ),
    Claim(
        "by-keys",
        "What the first layer's heads write reaches the second layer's heads through their keys.",
        f"K-composition: {ELHAGE}, {OLSSON}; the number is ours",
        "all paths to the keys of the second layer together carry at least 0.2 more of the behaviour than all paths to "
        "its queries, or to its values",
        (Measure("lead of the keys", "at least", 0.2, key_lead, ideal=1.0),),
        Source(REPEATED),
        # Two layers that read their context as well, and have no earlier occurrence to find by a key.
        near_miss=_NO_REPEATS,
        positive=_CONSTRUCTED,
        # Its keys read the random layer: in one seed they lead by 0.25. So it is an example of the sentence, although
        # it has no induction head.
        explaining=_FROZEN,
        amended="the rule added up single paths, which are not additive; all are now taken at once, with the same "
        "bound. Known then: by the sums, keys lead by 0.72 to 0.78 in seeds 0 to 4",
    ),
)

CLAIMS = (*_LEARNING, *_HEADS, *_TRAINING, *_CIRCUIT)
