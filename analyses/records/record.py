"""Where an analysis leaves its record: its judgements with those of all analyses, its result in a folder of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analyses.claims.judgements import Judgement, Judgements, record, recorded_in


@dataclass(frozen=True)
class Record:
    """The folder of judgements, the folder of this analysis's result, and all judgements that are recorded so far.

    `rules` are the digests of the rules, by the claims' ids, and `digest` is that of all that the result follows from.
    """

    folder: Path
    result: Path
    judgements: Judgements
    rules: Mapping[str, str]
    digest: str

    def all_judgements(self) -> Judgements:
        """Those recorded so far and those that other processes have added to the folder since; UserError if damaged."""
        return self.judgements.with_(recorded_in(self.folder).listed)

    def add(self, new: Iterable[Judgement]) -> None:
        """Write judgements to the folder; UserError where that fails."""
        record(self.folder, new)
