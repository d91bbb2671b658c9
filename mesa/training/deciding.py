"""Where `training.until` is settled: at which evaluation the loss has settled, so that the cosine can begin."""

from collections.abc import Sequence

from mesa.config.schema import RunConfig
from mesa.storage.records import Decision, Evaluation
from mesa.training.plateaus import trivial_plateaus
from mesa.training.rates import latest_cosine, warm_up
from mesa.training.settling import why_unsettled


class Decider:
    """The evaluations of one seed so far, and the decision that follows from them.

    A decision is a function of the configuration, the seed and the evaluations, so a resumed run makes the same one.
    """

    def __init__(self, config: RunConfig, seed: int, evaluations: Sequence[Evaluation]) -> None:
        self.settings, self.evaluations = config.training, list(evaluations)
        self.may_settle = self.settings.until == "settled"
        self.plateaus = trivial_plateaus(config, seed) if self.may_settle else {}

    def decide(self, step: int) -> Decision | None:
        """Decide after a step: to begin the cosine, settled or because few steps are left; None: to go on."""
        if not self.may_settle:
            return None
        if self.evaluations and self.evaluations[-1]["step"] == step and self._settled():
            return {"cosine_from": step, "settled": True}
        return {"cosine_from": step, "settled": False} if step >= latest_cosine(self.settings) else None

    def _settled(self) -> bool:
        begin = warm_up(self.settings)
        constant = [(row["step"], row["held_out_loss"]) for row in self.evaluations if row["step"] > begin]
        steps, losses = [step for step, _ in constant], [loss for _, loss in constant]
        return why_unsettled(steps, losses, self.plateaus, begin) is None
