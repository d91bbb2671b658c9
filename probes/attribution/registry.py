"""The read-outs by name: what of a model's behaviour head attribution attributes to its heads."""

from dataclasses import dataclass

from probes.controls.registry import BOTH, REGRESSION, TOKENS
from tasks.kinds import Prompts
from tasks.registry import Registry, Row


@dataclass(frozen=True, kw_only=True)
class ReadoutRow(Row):
    """A read-out: the kinds of prompts that it reads. Its target is a `Readout` whose name is the row's."""

    prompts: tuple[Prompts, ...]


READOUTS = Registry(
    "readout",
    ReadoutRow,
    {
        "prediction": ReadoutRow(
            target="probes.attribution.readouts:PREDICTION",
            about="<f, target> / mean |target|^2: zero gives 0, perfect gives 1",
            prompts=REGRESSION,
        ),
        "loss": ReadoutRow(
            target="probes.attribution.readouts:LOSS",
            about="half the squared error, or the last token's cross-entropy in nats",
            prompts=BOTH,
        ),
        "logit_minus_mean": ReadoutRow(
            target="probes.attribution.readouts:LOGIT_MINUS_MEAN",
            about="the target's logit minus the mean of all others'",
            prompts=TOKENS,
        ),
        "log_probability": ReadoutRow(
            target="probes.attribution.readouts:LOG_PROBABILITY",
            about="the target's log-probability, in nats",
            prompts=TOKENS,
        ),
        "probability": ReadoutRow(
            target="probes.attribution.readouts:PROBABILITY",
            about="the target's probability",
            prompts=TOKENS,
        ),
    },
)
