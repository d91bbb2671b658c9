"""The results that are kept of an analysis: its numbers, its claim table, and the digest of what made them."""

import json
from collections.abc import Sequence

from analyses.claims.analysis import Result
from analyses.claims.claim import Claim
from analyses.claims.judgements import ranges
from analyses.records.record import Record
from analyses.report.results import results
from analyses.report.views import VerdictView, verdict_view
from mesa.storage.files import prove_writable, write_atomic

RESULTS, TABLE = "results.json", "claims.md"
_COLUMNS = ("claim", "verdict", "measured: mean [95 % interval], rule", "seeds that meet it", "controls that meet it")


def keep(result: Result, record: Record) -> None:
    """Write results.json and claims.md into the record's folder of this result; UserError where that fails."""
    prove_writable(record.result, room=2**20)
    data = results(result.analysis.name, result.size.name, result.evidence, result.verdicts)
    data = {"digest": record.digest, "rules": dict(record.rules), **data}
    write_atomic(record.result / TABLE, table(result))
    # Last: a folder with a digest is complete.
    write_atomic(record.result / RESULTS, json.dumps(data, indent=1, allow_nan=False) + "\n")


def is_kept(record: Record) -> bool:
    """Whether the folder of this result holds it whole, with the digest that it would have now."""
    try:
        data = json.loads((record.result / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    is_whole = isinstance(data, dict) and (record.result / TABLE).is_file()
    return is_whole and data.get("digest") == record.digest


def table(result: Result) -> str:
    """The claims, their verdicts and numbers as a page of Markdown."""
    analysis, size = result.analysis, result.size
    views = [verdict_view(verdict) for verdict in result.verdicts]
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *(_row(view) for view in views)]
    reasons = [f"- **{view.claim.id}**: {view.status}: {view.reason}." for view in views if view.status != "holds"]
    lines = [
        f"# {analysis.title}",
        analysis.question,
        f"Size {size.name}, seeds {ranges(size.seed_numbers)}. Made by `mesa reproduce {analysis.name}`.",
        "\n".join("| " + " | ".join(row) + " |" for row in rows),
        *(["Why not every claim holds:", "\n".join(reasons)] if reasons else []),
        "Rules, with their sources (docs/verdicts.md says what a verdict is, and what each kind of control is for):",
        rules([view.claim for view in views]),
    ]
    return "\n\n".join(lines) + "\n"


def rules(claims: Sequence[Claim]) -> str:
    """The rule of each claim with its source, and what was amended in it, as a Markdown list.

    >>> from analyses.claims.claim import Measure, Source
    >>> measure = Measure("loss", "at most", 0.1, lambda rows: 0.0)
    >>> print(rules([Claim("id", "It learns.", "our claim", "loss at most 0.1", (measure,), Source("run"))]))
    - **id**: loss at most 0.1 (our claim).
    """
    lines = []
    for claim in claims:
        amended = f" Amended: {claim.amended.rstrip('.')}." if claim.amended else ""
        lines.append(f"- **{claim.id}**: {claim.rule} ({claim.source}).{amended}")
    return "\n".join(lines)


def _row(view: VerdictView) -> Sequence[str]:
    claim = view.claim
    measured = [f"{measure.mean}, {measure.bound} ({measure.label})" for measure in view.measures]
    controls = [f"{control.name} ({control.kind}): {control.met}" for control in view.controls]
    status = f"**{view.status}**" + (f": {view.words}" if view.words else "")
    cells = (f"**{claim.id}**: {claim.sentence}", status, "<br>".join(measured), view.seeds, "<br>".join(controls))
    # A bar would end the cell.
    return [cell.replace("|", "\\|") for cell in cells]
