"""The claims of an analysis, judged, with regard to the seeds that their rules were judged on before."""

from collections.abc import Mapping

from analyses.claims.analysis import Analysis, Result, Size, judged
from analyses.claims.judgements import Judgement, Judgements, exploratory
from analyses.claims.verdict import Circumstances, Verdict, judge
from analyses.digests.rule import rule_digests
from analyses.evidence import Evidence


def verdicts_of(
    analysis: Analysis, evidence: Evidence, size: Size, recorded: Judgements | None = None
) -> tuple[Verdict, ...]:
    """The analysis's claims, judged; a quick run decides nothing, also not that a claim is exploratory."""
    circumstances = Circumstances(
        size.quick,
        evidence.diverged,
        evidence.undertrained,
        evidence.prompts,
        evidence.plateau_prompts,
        {name: run.seeds for name, run in evidence.runs.items()},
    )
    rows = judged(analysis, evidence)
    verdicts = tuple(judge(claim, rows, circumstances) for claim in analysis.claims())
    if size.quick:
        return verdicts
    digests, seeds = rule_digests(analysis, size), size.seed_numbers
    return exploratory(verdicts, recorded or Judgements(), analysis.name, analysis.developed_on, digests, seeds)


def judgements_of(result: Result, rules: Mapping[str, str]) -> list[Judgement]:
    """What is to be recorded of a result's verdicts; `rules` are the digests of the rules, by the claims' ids."""
    name, size, seeds = result.analysis.name, result.size.name, tuple(result.size.seed_numbers)
    return [
        Judgement(name, verdict.claim.id, rules[verdict.claim.id], size, seeds, verdict.status)
        for verdict in result.verdicts
    ]
