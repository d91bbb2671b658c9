"""The digest of a claim's rule: another one wherever another rule, or other models, would be judged."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from analyses.digests.code import Code
from mesa.config.yaml import flat

if TYPE_CHECKING:
    from analyses.claims.analysis import Analysis, Size
    from analyses.claims.claim import Claim, Measure
    from mesa.config.schema import RunConfig
    from probes.plan import Plan

# Fields of a claim and of a measure that change no verdict: names, words, and controls that only explain.
_WORDS = frozenset({"id", "sentence", "source", "answer", "amended", "explaining", "label"})
_SEEDS = ("seeds", "first_seed")


def rule_digests(analysis: "Analysis", size: "Size") -> dict[str, str]:
    """The digest of each claim's rule with its hyperparameters, by the claim's id.

    It covers the text of the rule; senses, bounds and ideals; the subject and the controls; the code that computes the
    numbers, with the functions of this package's analyses that it calls, and the values that they hold; the
    configurations of the runs that the rule looks at, without seeds; and the plans of the probes that the code names.
    It does not change with comments, docstrings, annotations, or the place of the code.
    """
    runs, plans = analysis.runs(size), analysis.plans(size)
    return {claim.id: _rule_digest(analysis, claim, runs, plans) for claim in analysis.claims()}


def digest(text: str) -> str:
    """Sixteen hexadecimal digits of the text's SHA-256 digest."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(config: "RunConfig") -> dict[str, object]:
    """Every setting of a run that has a value, by its dotted name, without the seeds.

    A setting that is null is left out, so that a new one that is switched off changes no digest.
    """
    return {name: value for name, value in flat(config).items() if value is not None and name not in _SEEDS}


def _rule_digest(
    analysis: "Analysis", claim: "Claim", runs: Mapping[str, "RunConfig"], plans: Mapping[str, list["Plan"]]
) -> str:
    home = type(analysis).__module__.partition(".")[0]
    code = Code(frozenset({"analyses", home}))
    rule = [code.text(_compared_fields(claim)), code.text(type(analysis).compared)]
    rule += code.collected()
    names = {source.run for source in (claim.subject, *claim.contradicting.values(), *claim.positive.values())}
    looked_at = sorted(names | set(claim.beside))
    settings = {name: configuration(runs[name]) for name in looked_at if name in runs}
    # A probe that the code does not name has no part in the rule.
    used = {
        name: [plan for plan in plans.get(name, ()) if repr(plan.probe.name) in "".join(rule)] for name in looked_at
    }
    return digest("\n".join([*rule, code.text(settings), Code(frozenset()).text(used)]))


def _compared_fields(claim: "Claim") -> dict[str, object]:
    """What decides a verdict, by field."""
    return {**_fields(claim), "measures": [_fields(measure) for measure in claim.measures]}


def _fields(claim: "Claim | Measure") -> dict[str, object]:
    return {item.name: getattr(claim, item.name) for item in fields(claim) if item.name not in _WORDS}
