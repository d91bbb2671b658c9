"""Which seeds were not trained to the end, and why."""

from collections.abc import Mapping, Sequence

from mesa.config.schema import RunConfig
from mesa.storage.records import Evaluation, Outcome
from mesa.training.plateaus import trivial_plateaus
from mesa.training.rates import warm_up
from mesa.training.settling import ON_PLATEAU, Plateau, why_unsettled

_STOPPED = "stopped at the largest number of steps, "


def reason_unsettled(config: RunConfig, seed: int, outcome: Outcome, evaluations: Sequence[Evaluation]) -> str | None:
    """Why a seed's held-out loss is not at its end, in words; None where it is, or where the seed diverged.

    Of a run on a fixed set of prompts it is the training loss that must settle.

    The loss must settle in the stretch at the full learning rate: it can also be flat because its rate was halved.
    """
    training = config.training
    if config.task.get("prompts"):
        # On a fixed set of prompts training can be at its end while the held-out loss is above every plateau.
        evaluations = [{**row, "held_out_loss": row["train_loss"]} for row in evaluations if row["train_loss"]]
    if outcome["status"] == "diverged":
        return None
    if outcome["status"] != "finished":
        return "training has not begun" if outcome["status"] == "not started" else "training was interrupted"
    plateaus = trivial_plateaus(config, seed)
    if training.until == "settled":
        begin = warm_up(training)
        constant = [row for row in evaluations if begin < row["step"] <= outcome.get("cosine_from", 0)]
        reason = _why(constant, plateaus, begin)
        # Whoever trained a model may have asked less of a loss that settles than is asked now.
        before = "settled too early, " if outcome.get("settled") else _STOPPED
        return None if reason is None else f"{before}{reason}"
    full_rate_until = training.halve_every or training.steps
    at_full_rate = _why([row for row in evaluations if row["step"] <= full_rate_until], plateaus)
    if at_full_rate is None or full_rate_until >= training.steps:
        return at_full_rate
    at_the_end = _why(evaluations, plateaus)
    return at_the_end or f"flat only since the learning rate was halved; at the full rate {at_full_rate}"


def is_on_plateau(reason: str) -> bool:
    """Whether a seed that is not at its end is on a trivial plateau when training ends, by its reason.

    A seed that left the plateau once the learning rate was halved is not.

    >>> is_on_plateau("on the plateau of predicting zero"), is_on_plateau("training was interrupted")
    (True, False)
    """
    return reason.removeprefix(_STOPPED).startswith(ON_PLATEAU)


def _why(evaluations: Sequence[Evaluation], plateaus: Mapping[str, Plateau], begin: int = 0) -> str | None:
    losses = [row["held_out_loss"] for row in evaluations]
    return why_unsettled([row["step"] for row in evaluations], losses, plateaus, begin)
