"""What a call of `mesa reproduce` requests: which seeds, written where, and whether it is kept already."""

from dataclasses import dataclass, replace
from pathlib import Path

from analyses.claims.analysis import Analysis, Size
from analyses.claims.judgements import recorded_in
from analyses.digests.result import result_digest
from analyses.digests.rule import rule_digests
from analyses.records.folder import checkout_results, results_folder
from analyses.records.record import Record
from analyses.records.result_files import is_kept
from mesa.config.yaml import load
from mesa.storage.files import prove_writable


@dataclass(frozen=True)
class Request:
    """The size with its seeds, the folder of the report, and the record; a quick run has no record."""

    size: Size
    out: Path
    record: Record | None
    is_kept: bool = False


def requested(
    analysis: Analysis, size: Size, seeds_from: int | None, out: Path | None, results: Path | None
) -> Request:
    """Choose what was not given: the seeds that can confirm every rule, and the folders.

    Judgements that a checkout records count also where results are kept elsewhere. UserError where a record is damaged
    or the folder of results cannot be written.
    """
    name = analysis.name if size.name == "default" else f"{analysis.name}-{size.name}"
    if size.quick:
        return Request(replace(size, first_seed=seeds_from or 0), out or Path("out") / name, None)
    folder = results or results_folder(out or Path("out") / name)
    prove_writable(folder, room=2**20)
    judgements = recorded_in(*(each for each in (checkout_results(), folder) if each is not None))
    rules = rule_digests(analysis, size)
    first = judgements.confirming_block(analysis.name, rules.values()) if seeds_from is None else seeds_from
    size = replace(size, first_seed=first)
    other = name if seeds_from is None else f"{name}-from-{first}"
    out, result = out or _free_of_other_seeds(Path("out") / other, first), folder / other
    if result.exists():
        prove_writable(result, room=2**20)
    record = Record(folder, result, judgements, rules, result_digest(analysis, size, rules))
    return Request(size, out, record, is_kept(record))


def _free_of_other_seeds(out: Path, first: int) -> Path:
    """This folder, or one beside it where its runs are of other seeds: they would be refused as other runs."""
    runs = sorted((out / "runs").glob("*/config.yaml"))
    return out.with_name(f"{out.name}-from-{first}") if any(load(run).first_seed != first for run in runs) else out
