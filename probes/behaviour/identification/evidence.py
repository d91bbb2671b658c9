"""The evidence on which `identify` decides, and the rows of its table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from mesa.learners.learner import Parametrised
from probes.behaviour.identification.candidates import Candidate
from probes.behaviour.identification.conditions import Condition, Setting
from probes.behaviour.identification.shares import Shares, resampled_shares, shares_of
from probes.behaviour.identification.unexplained import Unexplained
from probes.behaviour.identification.verdict import Answer, Criterion, Identity, decide, identify, sufficient

Row = dict[str, object]
# Predictions that are larger, in standard deviations of those in distribution, may overflow on the way.
_LARGE = 1e10


@dataclass(frozen=True, eq=False)
class Evidence:
    """What each fitted candidate leaves unexplained under each condition, the one in distribution first.

    `unread` are conditions beyond training that the model cannot read, and `overflowing` those where it predicts
    numbers that are not finite: nothing is measured there.
    """

    conditions: tuple[Condition, ...]
    listed: Sequence[Unexplained]
    unread: tuple[Setting, ...] = ()
    overflowing: tuple[Condition, ...] = ()

    @property
    def shares(self) -> Shares:
        """The shares over all prompts."""
        beyond, diverging = (
            torch.tensor([getter(condition.setting) for condition in self.conditions])
            for getter in (lambda setting: setting.beyond, lambda setting: setting.diverging)
        )
        return shares_of(self.listed, beyond, diverging, self.conditions[0].asymmetry)

    def without(self, taken_off: Sequence[Candidate]) -> "Evidence":
        """The evidence for all other candidates."""
        return replace(self, listed=[item for item in self.listed if item.candidate not in taken_off])

    def identity(self, resamples: int, generator: torch.Generator) -> Identity:
        """The verdict."""
        shares = self.shares
        identity = identify(shares, resampled_shares(self.listed, shares, resamples, generator))
        return replace(identity, answers=tuple(dict.fromkeys(map(self._restricted, identity.answers))))

    def explaining(self) -> tuple[Candidate, ...]:
        """All candidates that suffice in training's range."""
        shares = self.shares
        inside, _ = sufficient(shares)
        return tuple(shares.candidates[index] for index in inside)

    def explained(self) -> bool:
        """Whether a candidate suffices everywhere and leaves no more than what passes for noise."""
        shares = self.shares
        answer = decide(shares)
        if answer.candidate is None or not answer.everywhere:
            return False
        return float(shares.total[shares.candidates.index(answer.candidate), 0]) <= Criterion().noise

    def _restricted(self, answer: Answer) -> Answer:
        """The answer, in distribution only where it predicts moderate numbers and the model none that is finite."""
        if answer.candidate is None or not answer.everywhere:
            return answer
        (item,) = (item for item in self.listed if item.candidate == answer.candidate)
        # A candidate that was not fitted shares the predictor of the most steps.
        step = -1 if answer.candidate.free or not answer.candidate.steps else answer.candidate.steps - 1
        for condition in self.overflowing:
            guess = item.predictor.predict(condition.prompt)[step]
            # One that overflows with the model is large before it does.
            moderate = guess.isfinite() & (guess.abs() < _LARGE * condition.unit**0.5)
            if bool((moderate & ~condition.prediction.isfinite()).any()):
                return replace(answer, everywhere=False)
        return answer

    def rows(self) -> list[Row]:
        """The rows behind the verdict: asymmetry, and what every candidate leaves unexplained in every condition."""
        shares = self.shares
        rows: list[Row] = [
            {"metric": "asymmetry", **condition.labels, "value": condition.asymmetry} for condition in self.conditions
        ]
        rows += [{"metric": "not_compared", **setting.labels, "value": 1.0} for setting in self.unread]
        for condition in self.overflowing:
            share = 1.0 - float(condition.prediction.isfinite().flatten(1).all(dim=1).double().mean())
            rows.append({"metric": "not_compared", **condition.labels, "value": share})
        for index, candidate in enumerate(shares.candidates):
            for at, condition in enumerate(self.conditions):
                labels = {**_labels(candidate), **condition.labels}
                rows.append(
                    {"metric": "unexplained_variance", **labels, "value": float(shares.total[index, at])},
                )
                if candidate.equivariant:
                    value = float(shares.systematic[index, at])
                    rows.append({"metric": "unexplained_systematic", **labels, "value": value})
        return rows

    def verdict(self, identity: Identity) -> list[Row]:
        """The rows of the verdict: the answer, how sure it is, its runner-up and its fitted parameters."""
        first = identity.answers[0]
        metric = "identified" if first.everywhere else "identified_in_distribution"
        if len(identity.answers) > 1:
            metric = "identified_either"
        answers = [{**_labels(answer.candidate), "value": identity.margin} for answer in identity.answers]
        rows: list[Row] = [{"metric": metric, **answer} for answer in answers]
        rows.append({"metric": "certainty", **_labels(first.candidate), "value": identity.certainty})
        rows += [{"metric": "agrees", **_labels(candidate), "value": 1.0} for candidate in identity.agreeing]
        shares = self.shares
        if identity.runner_up is not None:
            distance = shares.largest[shares.candidates.index(identity.runner_up)]
            rows.append({"metric": "runner_up", **_labels(identity.runner_up), "value": distance})
        if first.candidate is None:
            return rows
        index = shares.candidates.index(first.candidate)
        rows.append({"metric": "r_squared", **_labels(first.candidate), "value": 1.0 - float(shares.total[index, 0])})
        return rows + _parameters(self.listed[index])


def _parameters(answer: Unexplained) -> list[Row]:
    """A row for each fitted number of the answer, and one that says where its sums over examples are means."""
    labels = _labels(answer.candidate)
    rows: list[Row] = []
    if isinstance(answer.predictor, Parametrised):
        parameters = answer.predictor.parameters
        rows = [{"metric": "parameter", **labels, "readout": name, "value": parameters[name]} for name in parameters]
    return [*rows, {"metric": "per_example", **labels, "value": float(answer.per_example)}]


def _labels(candidate: Candidate | None) -> Row:
    if candidate is None:
        return {"learner": "none"}
    steps = {"learner_step": candidate.steps} if candidate.steps else {}
    return {"learner": candidate.name, **steps}
