"""Which rule was judged on which seeds: a record, and what follows from it for a verdict."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import get_args

from analyses.claims.verdict import Status, Verdict
from mesa.errors import UserError
from mesa.storage.files import prove_writable, write_atomic

FILE = "judged.json"
# Seeds are used in blocks; below the first one lie those that rules are developed on.
BLOCK = 100


@dataclass(frozen=True, order=True)
class Judgement:
    """One claim of an analysis, judged by the rule with this digest on the models of these seeds."""

    analysis: str
    claim: str
    digest: str
    size: str
    seeds: tuple[int, ...]
    status: Status


@dataclass(frozen=True)
class Judgements:
    """All judgements that are recorded."""

    listed: tuple[Judgement, ...] = ()

    def looked_at(self, analysis: str, digest: str, seeds: Iterable[int]) -> list[int]:
        """Those of some seeds that cannot confirm this rule, because the analysis was judged on them without it.

        A rule that was confirmed on a seed can be judged there again. One that was changed or added later cannot: who
        wrote it may have known what the models of this seed do.

        >>> record = Judgements((Judgement("a", "id", "first rule", "default", (100, 101), "holds"),))
        >>> record.looked_at("a", "first rule", [100]), record.looked_at("a", "second rule", [100, 102])
        ([], [100])
        """
        return [seed for seed in seeds if self._spent(analysis, digest, seed)]

    def confirming_block(self, analysis: str, digests: Iterable[str]) -> int:
        """The multiple of 100, from 100 on, such that each rule can be confirmed on the 100 seeds from there.

        It is the last one where all these rules were judged already, so that a result is not made again on other seeds;
        else the first one.

        >>> record = Judgements((Judgement("a", "id", "first rule", "default", (100, 101), "holds"),))
        >>> record.confirming_block("a", ["first rule"]), record.confirming_block("a", ["second rule"])
        (100, 200)
        """
        digests, last = set(digests), max((seed for each in self.listed for seed in each.seeds), default=0)
        blocks = [range(start, start + BLOCK) for start in range(BLOCK, last + 2 * BLOCK, BLOCK)]
        free = [seeds for seeds in blocks if not any(self.looked_at(analysis, each, seeds) for each in digests)]
        judged = [seeds for seeds in free if digests and all(self._judged(analysis, each, seeds) for each in digests)]
        return (judged[-1] if judged else free[0]).start

    def with_(self, new: Iterable[Judgement]) -> "Judgements":
        """These and new ones. A judgement of the same rule on the same seeds replaces the one that was there."""
        by_key = {replace(each, status="undefined"): each for each in (*self.listed, *new)}
        return Judgements(tuple(sorted(by_key.values())))

    def on_other_seeds(self, analysis: str, digest: str, seeds: Iterable[int]) -> list[Judgement]:
        """What the same rule said of other seeds, or of other sets of seeds; without exploratory judgements."""
        rules = [each for each in self.listed if (each.analysis, each.digest) == (analysis, digest)]
        return [each for each in rules if each.status != "exploratory" and set(each.seeds) != set(seeds)]

    def _judged(self, analysis: str, digest: str, seeds: range) -> bool:
        rules = ((each.analysis, each.digest, each.seeds) for each in self.listed)
        return any((name, rule) == (analysis, digest) and set(judged) & set(seeds) for name, rule, judged in rules)

    def _spent(self, analysis: str, digest: str, seed: int) -> bool:
        of_seed = [each for each in self.listed if each.analysis == analysis and seed in each.seeds]
        return bool(of_seed) and not any(each.digest == digest and each.status != "exploratory" for each in of_seed)


def exploratory(
    verdicts: Iterable[Verdict],
    recorded: Judgements,
    analysis: str,
    developed_on: int,
    digests: Mapping[str, str],
    seeds: Sequence[int],
) -> tuple[Verdict, ...]:
    """The same verdicts; those whose rule may have been chosen by looking at some of the seeds are exploratory.

    `digests` are those of the rules, by the claims' ids. Seeds 0 .. developed_on - 1 were looked at by definition. A
    rule that is judged on some seeds of an earlier judgement and leaves others out is exploratory too. Where the same
    rule holds on some seeds and fails on others, the claim is inconclusive.
    """
    judged = []
    for verdict in verdicts:
        own = [seed for seed in seeds if seed < developed_on]
        earlier = recorded.looked_at(analysis, digests[verdict.claim.id], seeds)
        reasons = [f"the rule was developed on seeds {ranges(own)}"] if own else []
        reasons += [f"the analysis was judged on seeds {ranges(earlier)} before it had this rule"] if earlier else []
        others = recorded.on_other_seeds(analysis, digests[verdict.claim.id], seeds)
        left_out = sorted({seed for each in others if {*each.seeds} & {*seeds} for seed in {*each.seeds} - {*seeds}})
        reasons += (
            [f"seeds {ranges(left_out)}, judged by this rule together with them, are left out"] if left_out else []
        )
        opposite = [each.seeds for each in others if {each.status, verdict.status} == {"holds", "fails"}]
        if reasons:
            words = f"{' and '.join(reasons)}; by the numbers alone: {verdict.status}, {verdict.reason}"
            verdict = replace(verdict, status="exploratory", reason=words)
        elif opposite:
            listed = " and ".join(ranges(each) for each in opposite)
            words = f"{verdict.reason}, but on seeds {listed} the same rule says the opposite"
            verdict = replace(verdict, status="inconclusive", reason=words)
        judged.append(verdict)
    return tuple(judged)


def ranges(seeds: Sequence[int]) -> str:
    """Seeds in few words.

    >>> ranges([0, 1, 2, 7])
    '0-2, 7'
    """
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and runs[-1][-1] == seed - 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def recorded_in(*folders: Path) -> Judgements:
    """All judgements that these folders record in judged.json; UserError where a file is damaged."""
    listed = [judgement for folder in dict.fromkeys(folders) for judgement in _read(folder / FILE)]
    return Judgements().with_(listed)


def record(folder: Path, new: Iterable[Judgement]) -> None:
    """Add judgements to the folder's judged.json, which is made where it is not there.

    UserError where it cannot be written, or is damaged: it is then left as it is.
    """
    prove_writable(folder, room=2**20)
    with _locked(folder):
        judgements = recorded_in(folder).with_(new)
        lines = [json.dumps(asdict(each)) for each in judgements.listed]
        write_atomic(folder / FILE, "[\n" + ",\n".join(lines) + "\n]\n")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two analyses that end at the same time write one after the other."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(file: Path) -> list[Judgement]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"not JSON: {error}") from None
    if not isinstance(data, list):
        raise _damaged(file, "not a list of judgements")
    return [_judgement(file, position, row) for position, row in enumerate(data, start=1)]


def _judgement(file: Path, position: int, row: object) -> Judgement:
    names = [item.name for item in fields(Judgement)]
    if isinstance(row, dict) and sorted(row) == sorted(names):
        texts, seeds = [row[name] for name in names if name != "seeds"], row["seeds"]
        listed = isinstance(seeds, list) and len(seeds) > 0 and all(type(seed) is int and seed >= 0 for seed in seeds)
        if listed and all(isinstance(text, str) for text in texts) and row["status"] in get_args(Status):
            return Judgement(**{**row, "seeds": tuple(seeds)})
    raise _damaged(file, f"entry {position} is not a judgement with {', '.join(names)}")


def _damaged(file: Path, problem: str) -> UserError:
    return UserError(f"{file}: {problem}; restore the file, or move it away: then no seed counts as looked at")
