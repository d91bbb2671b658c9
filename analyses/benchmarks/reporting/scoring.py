"""How answers of `identify` are scored: a fixed rule, and the table that a report prints."""

from collections.abc import Sequence
from dataclasses import dataclass

# Of all answers, the share that may be "A or B"; the share that must be right; the least share of any kind.
EITHER, RIGHT, OF_A_KIND = 0.05, 0.97, 0.90


@dataclass(frozen=True)
class Scored:
    """One answer to a plant: what it runs, what is right, and the answers given, more than one for "A or B".

    `also` holds other names of the same algorithm, which are equally right.

    >>> Scored("one step", "gd 1", ("gd 1",)).points, Scored("one step", "gd 1", ("gd 1", "ridge")).points
    (1.0, 0.5)
    >>> Scored("one step", "gd 1", ("gd 1, in distribution only",)).points
    0.0
    """

    plant: str
    expected: str
    answers: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The expected algorithm without its number of steps: the row of the table."""
        name, comma, scope = self.expected.partition(", ")
        return name.split()[0] + comma + scope

    @property
    def points(self) -> float:
        """1 for exactly what is right, 1/2 where it is one of two answers, 0 for all else."""
        right = {self.expected, *self.also}
        if len(self.answers) == 1:
            return float(self.answers[0] in right)
        return 0.5 if len(self.answers) == 2 and right.intersection(self.answers) else 0.0

    @property
    def names_an_impostor(self) -> bool:
        """Whether an algorithm is named where none is right; "A or none" names none."""
        return self.expected == "none" and not {"none", *self.also}.intersection(self.answers)


def table(scored: Sequence[Scored]) -> list[str]:
    """Lines: the share right of each kind with every wrong answer, then the totals and the goals that are not met."""
    lines = []
    shares = {}
    for kind in dict.fromkeys(row.kind for row in scored):
        rows = [row for row in scored if row.kind == kind]
        shares[kind] = sum(row.points for row in rows) / len(rows)
        lines.append(f"  {kind}: {sum(row.points for row in rows):g} of {len(rows)}")
        lines += [
            f"    {row.plant}: {' or '.join(row.answers)}, not {row.expected}" for row in rows if row.points < 1.0
        ]
    if not scored:
        return ["  no plant"]
    right = sum(row.points for row in scored) / len(scored)
    either = sum(len(row.answers) > 1 for row in scored) / len(scored)
    named = sum(row.names_an_impostor for row in scored)
    goals = {
        f"right: {right:.1%}, goal {RIGHT:.0%}": right >= RIGHT,
        f'"A or B": {either:.1%}, at most {EITHER:.0%}': either <= EITHER,
        f"lowest kind: {min(shares.values()):.0%}, goal {OF_A_KIND:.0%}": min(shares.values()) >= OF_A_KIND,
        f"impostors named: {named}, goal 0": named == 0,
    }
    return [*lines, *(f"  {goal}: {'met' if met else 'not met'}" for goal, met in goals.items())]
