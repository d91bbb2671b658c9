"""What follows for a claim from its outcomes: holds, fails, inconclusive or undefined, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from analyses.claims.claim import Claim, Source
from analyses.claims.outcome import Outcome, apply, clearly_broken, undecided

# Exploratory: the rule may have been chosen by looking at the models that it is judged on.
Status = Literal["holds", "fails", "inconclusive", "undefined", "exploratory"]

# A single seed has no interval, and may be an exception.
FEWEST_SEEDS = 2
# A control that must break a rule, and whose loss stays on a trivial plateau, counts once it was trained on this many
# times the prompts of the models that it is compared with. After fewer prompts it may only lack training.
PROMPTS_ON_PLATEAU = 3


@dataclass(frozen=True)
class Verdict:
    """A claim's status, why, and the numbers behind it."""

    claim: Claim
    status: Status
    reason: str
    outcome: Outcome
    controls: dict[str, Outcome]


@dataclass(frozen=True)
class Circumstances:
    """What limits every verdict: a smoke run, seeds that diverged, seeds that were not trained to the end.

    The text of a seed starts with the name of its run, and a space. `seeds` has all seeds of each run, `prompts` the
    largest number of prompts that a seed of each run has seen, and `plateau_prompts` that of each undertrained seed
    whose loss is flat on a trivial plateau, by its text.
    """

    quick: bool = False
    diverged: tuple[str, ...] = ()
    undertrained: tuple[str, ...] = ()
    prompts: Mapping[str, int] = field(default_factory=dict)
    plateau_prompts: Mapping[str, int] = field(default_factory=dict)
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def without_stuck(self, compared: set[str]) -> "Circumstances":
        """The same without seeds that stayed on a plateau for long enough to count.

        That is for `PROMPTS_ON_PLATEAU` times the prompts of the `compared` runs.
        """
        prompts_of_compared = [self.prompts[run] for run in compared if run in self.prompts]
        if not prompts_of_compared:
            return self
        enough = PROMPTS_ON_PLATEAU * max(prompts_of_compared)
        stuck = {seed for seed, prompts in self.plateau_prompts.items() if prompts >= enough}
        return replace(self, undertrained=tuple(seed for seed in self.undertrained if seed not in stuck))


def judge(claim: Claim, rows: pd.DataFrame, circumstances: Circumstances) -> Verdict:
    """Apply a claim's rule to the model and to every control, and say what follows.

    Undefined: the rule is not decided for any seed. Holds: every seed meets the rule, every seed of every negative
    control and near miss breaks it, there is a near miss, and every positive control meets it. Fails: no seed meets it,
    or the mean over seeds breaks a bound and the 95 % t interval excludes the bound; and positive controls meet it.

    Inconclusive otherwise, and always in a quick run, with one seed, with a seed that is undefined, that diverged or
    that was not trained to the end. For "holds" these conditions include the runs of the controls. A near miss or
    negative control whose loss stays on a trivial plateau counts once it was trained on `PROMPTS_ON_PLATEAU` times the
    prompts of the subject.
    """
    outcome = apply(claim, rows, claim.subject)
    controls = {name: apply(claim, rows, source) for name, source in claim.controls.items()}
    status, reason = _status(claim, outcome, controls, circumstances)
    return Verdict(claim, status, reason, outcome, controls)


def _status(
    claim: Claim, outcome: Outcome, controls: Mapping[str, Outcome], circumstances: Circumstances
) -> tuple[Status, str]:
    if not outcome.met:
        return "undefined", "nothing was measured"
    if len(outcome.undefined_seeds) == len(outcome.met):
        return "undefined", f"no seed has a value of: {', '.join(outcome.undefined_measures)}"
    counted = _counted(outcome)
    if circumstances.quick:
        return "inconclusive", f"{counted}, but a quick run decides nothing"
    compared = {claim.subject.run, *claim.beside}
    if objection := _objection(claim, outcome, compared, circumstances):
        return "inconclusive", f"{counted}, but {objection}"
    broken = [measure.label for measure in claim.measures if clearly_broken(measure, outcome)]
    if not broken and (unclear := undecided(claim, outcome)):
        return "inconclusive", f"{counted}, but other seeds might decide otherwise: {', '.join(unclear)}"
    if outcome.all_met:
        missing = (
            _missing_for_holds(claim, controls)
            or _unfinished_controls(claim, compared, circumstances)
            or _unmeasured_controls(claim, controls, circumstances)
        )
        if missing:
            return "inconclusive", f"{counted}, but {missing}"
        return "holds", f"{counted}, and every negative control breaks it"
    if outcome.seeds_met and not broken:
        return "inconclusive", counted
    if unmet := _unmet(claim.positive, controls):
        return "inconclusive", f"{counted}, but neither does the positive control: {unmet}"
    return "fails", counted + (f"; mean and interval break: {', '.join(broken)}" if broken else "")


def _objection(claim: Claim, outcome: Outcome, runs: set[str], circumstances: Circumstances) -> str:
    """Why the numbers of the subject are no evidence either way; empty where they are."""
    if outcome.undefined_seeds:
        seeds, measures = _listed(outcome.undefined_seeds), ", ".join(outcome.undefined_measures)
        return f"seed {seeds} has no value of: {measures}"
    if len(outcome.met) < FEWEST_SEEDS:
        return f"{FEWEST_SEEDS} seeds are the fewest that decide"
    if unfinished := _unfinished(runs, circumstances):
        return unfinished
    unmeasured = _unmeasured(claim.subject, outcome, circumstances)
    return f"seed {unmeasured} was not measured" if unmeasured else ""


def _unmeasured(source: Source, outcome: Outcome, circumstances: Circumstances) -> str:
    """The seeds of a source's run that have no row, in words; empty where all have rows."""
    return _listed(seed for seed in circumstances.seeds.get(source.run, ()) if seed not in outcome.met)


def _unmeasured_controls(claim: Claim, controls: Mapping[str, Outcome], circumstances: Circumstances) -> str:
    """Seeds on which a control that matters was not measured, in words; empty where there are none."""
    sources = {**claim.contradicting, **claim.positive}
    unmeasured = {name: _unmeasured(source, controls[name], circumstances) for name, source in sources.items()}
    listed = [f"{name} on seed {seeds}" for name, seeds in unmeasured.items() if seeds]
    return f"these controls are not measured: {', '.join(listed)}" if listed else ""


def _unfinished(runs: set[str], circumstances: Circumstances) -> str:
    """The seeds of some runs that diverged or were not trained to the end, in words; empty where there are none."""
    if diverged := _of_runs(runs, circumstances.diverged):
        return f"these diverged: {', '.join(diverged)}"
    if unsettled := _of_runs(runs, circumstances.undertrained):
        return f"these were not trained to the end: {', '.join(unsettled)}"
    return ""


def _missing_for_holds(claim: Claim, controls: Mapping[str, Outcome]) -> str:
    """Which control does not do what it must where a claim holds; empty where all do."""
    if met := [name for name in claim.contradicting if controls[name].seeds_met]:
        return f"so do controls that should not: {', '.join(met)}"
    if undefined := [name for name in claim.contradicting if not controls[name].all_broken]:
        return f"these controls are not measured or not defined: {', '.join(undefined)}"
    if unmet := _unmet(claim.positive, controls):
        return f"the positive control does not: {unmet}"
    if not claim.near_miss:
        return "no near miss could have contradicted it"
    return ""


def _unmet(positive: Mapping[str, Source], controls: Mapping[str, Outcome]) -> str:
    return ", ".join(name for name in positive if not controls[name].all_met)


def _unfinished_controls(claim: Claim, compared: set[str], circumstances: Circumstances) -> str:
    positive = {source.run for source in claim.positive.values()}
    contradicting = {source.run for source in claim.contradicting.values()} - positive
    return _unfinished(positive, circumstances) or _unfinished(contradicting, circumstances.without_stuck(compared))


def _counted(outcome: Outcome) -> str:
    """How many seeds meet the rule, and which do not where some do."""
    broken = [seed for seed, met in outcome.met.items() if met is False]
    counted = f"{outcome.seeds_met} of {len(outcome.met)} seeds meet the rule"
    return counted + (f" (not seed {_listed(broken)})" if broken and outcome.seeds_met else "")


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(str(seed) for seed in seeds)


def _of_runs(runs: set[str], seeds: Sequence[str]) -> list[str]:
    """Those of some named seeds that belong to some runs."""
    return [name for name in seeds if name.startswith(tuple(f"{run} " for run in runs))]
