"""The four claims of `fixed-tasks`."""

from analyses.claims.claim import Claim, Measure, Source, controls_of
from analyses.claims.measures.regression import loss_gap, loss_ratio
from analyses.experiments.fixed_tasks.measures import ENDLESS, FRESH, block_of, compared, layer_of

PAPER = "von Oswald et al. 2023"
EIGHT, FEW, MANY = layer_of(8), layer_of(128), layer_of(8192)
BLOCK_FEW, BLOCK_MANY = block_of(128), block_of(8192)
_ENDLESS = {"endless": Source(ENDLESS)}

CLAIMS = (
    Claim(
        "enough-tasks",
        "Trained on 8192 tasks, the layer does on new teachers what gradient descent does.",
        f"{PAPER}, appendix A.11 (test loss almost at GD's)",
        "on fresh teachers, loss within 2 % of tuned GD's on the same prompts",
        (Measure("|loss / GD's loss - 1|", "at most", 0.02, loss_gap("gd")),),
        Source(MANY, FRESH),
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
        negative={"many_tasks": Source(MANY)},
        positive={"eight_tasks": Source(EIGHT)},
    ),
    Claim(
        "no-memory",
        "One linear layer cannot memorise 128 tasks: it stays near gradient descent on these teachers and on others.",
        "our addition: a layer predicts x_q times a fixed matrix times X^T y, too little to store teachers",
        "at most 5 % above tuned GD's loss on fresh teachers, and at most 5 % below it on the trained ones",
        (
            Measure("fresh: loss / GD's loss", "at most", 1.05, compared("fresh"), ideal=1.0),
            Measure("trained: loss / GD's loss", "at least", 0.95, loss_ratio("gd"), ideal=1.0),
        ),
        Source(FEW),
        negative={"eight_tasks": Source(EIGHT), **controls_of(FEW, "untrained")},
        positive=_ENDLESS,
    ),
    Claim(
        "block",
        "A whole block, attention and MLP, trained on 8192 tasks ends near gradient descent on new teachers.",
        f"{PAPER}, appendix A.11 (the block's test loss ends almost at GD's)",
        "on fresh teachers, loss at most 5 % above tuned GD's",
        (Measure("loss / GD's loss", "at most", 1.05, loss_ratio("gd"), ideal=0.95),),
        Source(BLOCK_MANY, FRESH),
        negative=controls_of(BLOCK_MANY, "untrained", "shuffled_labels"),
        positive=_ENDLESS,
        explaining={"block_few": Source(BLOCK_FEW, FRESH)},
    ),
)
