"""The seven claims of `fixed-tasks`.

A layer predicts x_q times a matrix of d^2 = 100 free numbers times X^T y. Numbers that are fitted by least squares to n
prompts have an expected loss of about 1 - 100/n on these and 1 + 100/n on others, in units of the best one's:
1.24 on others for 512, 1.05 for 2048 and 1.012 for 8192. The bounds of the claims on sets
of prompts lie between neighbouring sizes.
"""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import distance_ratio, loss_gap, loss_ratio
from analyses.experiments.fixed_tasks.measures import (
    ENDLESS,
    FITTED,
    FRESH,
    LATE,
    POOL,
    block_of,
    block_set_of,
    compared,
    layer_of,
    set_of,
)

PAPER = "von Oswald et al. 2023"
EIGHT, FEW, MANY = layer_of(8), layer_of(128), layer_of(8192)
BLOCK_FEW, BLOCK_MANY, BLOCK_SET = block_of(128), block_of(8192), block_set_of(8192)
_ENDLESS = {"endless": Source(ENDLESS)}

# The claims on sets of prompts were written before any model was trained on such a set.
CLAIMS = (
    Claim(
        "enough-prompts",
        "Trained on a fixed set of 8192 prompts, the layer does on fresh prompts what gradient descent does.",
        f"{PAPER}, appendix A.11 (a fixed training set)",
        "on fresh prompts, loss at most 2.5 % above tuned GD's",
        (Measure("fresh: loss / GD's loss", "at most", 1.025, loss_ratio("gd"), ideal=1.0),),
        Source(set_of(8192), FRESH),
        # A quarter of the prompts: about 5 % above it.
        near_miss={"2048_prompts": Source(set_of(2048), FRESH)},
        negative={"128_prompts": Source(set_of(128), FRESH), **controls_of(set_of(8192), "untrained")},
        positive={**controls_of(set_of(8192), "constructed"), **_ENDLESS},
    ),
    Claim(
        "few-prompts",
        "Trained on a fixed set of 128 prompts, the layer fits these prompts and fails on others.",
        f"{PAPER}, appendix A.11 (a fixed training set)",
        "in units of GD's on the same prompts: loss on fresh prompts at least three times that on the set, and below "
        "0.7 on the set",
        (
            Measure("fresh / trained - 1", "at least", 2.0, compared("advantage"), ideal=10.0),
            Measure("trained: loss / GD's loss", "at most", 0.7, loss_ratio("gd"), ideal=0.2),
        ),
        Source(set_of(128)),
        near_miss={"512_prompts": Source(set_of(512))},
        negative={"8192_prompts": Source(set_of(8192)), **controls_of(set_of(128), "untrained")},
        # The layer whose numbers fit the 128 prompts best.
        positive=controls_of(set_of(128), FITTED),
    ),
    Claim(
        "grokking",
        "A whole block, attention and MLP, first fits a fixed set of 8192 prompts and does as well on others only much "
        "later.",
        f"{PAPER}, appendix A.11 (grokking)",
        "the held-out loss has gone nine tenths of its way down at least twice as many steps after the start as the "
        "training loss is that low",
        (Measure("steps of held-out / of training loss", "at least", 2.0, compared("delay"), ideal=4.0),),
        Source(BLOCK_SET),
        # The same block with new inputs for every prompt cannot fit its prompts first.
        near_miss={"fresh_inputs": Source(BLOCK_MANY)},
        # No weights can be written that learn late, but a learning curve can be: that of the training loss, four times
        # as late.
        positive=controls_of(BLOCK_SET, LATE),
    ),
    Claim(
        "enough-tasks",
        "Trained on 8192 tasks, the layer does on new teachers what gradient descent does.",
        f"{PAPER}, appendix A.11 (test loss almost at GD's)",
        "on fresh teachers, loss within 1 % of tuned GD's on the same prompts",
        (Measure("|loss / GD's loss - 1|", "at most", 0.01, loss_gap("gd")),),
        Source(MANY, FRESH),
        # The best preconditioned step for 128 teachers is 2 % worse than GD on others.
        near_miss={"128_tasks": Source(FEW, FRESH)},
        negative={**controls_of(MANY, "untrained", "shuffled_labels"), "eight_tasks": Source(EIGHT, FRESH)},
        positive={**controls_of(MANY, "constructed"), **_ENDLESS},
    ),
    Claim(
        "few-tasks",
        "Trained on 128 tasks, the layer has learnt something about them that does not hold for new teachers.",
        "our addition: the best preconditioned step for 128 teachers is 2 % better than GD on them, 2 % worse on "
        "others",
        "in units of GD's on the same prompts: loss at least 2 % higher on fresh teachers than on the trained ones, "
        "and at most 1.02 on the trained ones",
        (
            Measure("fresh / trained - 1", "at least", 0.02, compared("advantage"), ideal=0.04),
            Measure("trained: loss / GD's loss", "at most", 1.02, loss_ratio("gd"), ideal=0.98),
        ),
        Source(FEW),
        # Four times as many teachers: a quarter of the advantage.
        near_miss={"512_tasks": Source(layer_of(512))},
        negative={"many_tasks": Source(MANY)},
        positive={"eight_tasks": Source(EIGHT)},
    ),
    Claim(
        "no-memory",
        "One linear layer cannot memorise 128 tasks: it stays near gradient descent on these teachers and on others.",
        "our addition: a layer predicts x_q times a fixed matrix times X^T y, too little to store teachers",
        "at most 5 % above tuned GD's loss on fresh teachers, and at most 5 % below it on the trained ones; there, "
        "|f - g| / |g| to GD at most half of that to the Bayes predictor, which knows the teachers",
        (
            Measure("distance to GD / to the Bayes predictor", "at most", 0.5, distance_ratio("gd", (POOL,))),
            Measure("fresh: loss / GD's loss", "at most", 1.05, compared("fresh"), ideal=1.0),
            Measure("trained: loss / GD's loss", "at least", 0.95, loss_ratio("gd"), ideal=1.0),
        ),
        Source(FEW),
        # Eight teachers do not span the inputs, so a fixed matrix can use what it knows of them.
        near_miss={"eight_tasks": Source(EIGHT)},
        negative=controls_of(FEW, "untrained"),
        positive=_ENDLESS,
        amended="The Bayes predictor was no rival before.",
    ),
    Claim(
        "block",
        "A whole block, attention and MLP, trained on 8192 tasks ends near gradient descent on new teachers.",
        f"{PAPER}, appendix A.11 (the block's test loss ends almost at GD's)",
        "on fresh teachers, loss at most 5 % above tuned GD's",
        (Measure("loss / GD's loss", "at most", 1.05, loss_ratio("gd"), ideal=0.95),),
        Source(BLOCK_MANY, FRESH),
        # A step of 0.7 of the tuned size: 9 % above its loss.
        near_miss=controls_of(ENDLESS, "short_steps"),
        negative=controls_of(BLOCK_MANY, "untrained", "shuffled_labels"),
        positive=_ENDLESS,
        explaining={"block_few": Source(BLOCK_FEW, FRESH)},
    ),
)
