"""The candidates that a model is identified from: every learner, at every number of steps, the simplest first."""

from dataclasses import dataclass

from mesa.learners.learner import Learner
from mesa.learners.teacher_pool import TeacherPool
from mesa.registry import LEARNERS, CandidateSpace
from tasks.regression.linear_regression import LinearRegression


@dataclass(frozen=True)
class Candidate:
    """A learner at a number of steps, 0 for one without steps; `free` counts the parameters that are fitted.

    `equivariant`: changing all inputs and the teacher by the same signed permutation leaves its predictions as they
    are. `continuous`: its predictions are continuous in the context's inputs. `costly`: it is fitted only where cheaper
    candidates leave something to explain. `limit`: the candidate that it becomes in a limit.
    """

    name: str
    steps: int
    free: int
    equivariant: bool = True
    continuous: bool = True
    costly: bool = False
    limit: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.steps}" if self.steps else self.name

    @property
    def simplicity(self) -> tuple[int, int]:
        """Fewer free parameters come first, then fewer steps."""
        return self.free, self.steps

    def learner(self, task: LinearRegression) -> Learner:
        """The learner, not yet fitted; a pool's teachers are those of the task."""
        if self.name == "teacher_pool":
            return TeacherPool(task.teacher_set)
        row = LEARNERS[self.name]
        return row.learner(max(self.steps, 1), **row.candidate_settings)


def candidates(space: CandidateSpace, teachers: bool = False) -> tuple[Candidate, ...]:
    """All candidates, simplest first; equally simple ones in the order of their rows.

    With `teachers`, the task draws its teachers from a fixed set, and the posterior over them is a candidate.

    >>> [candidate.name for candidate in candidates(CandidateSpace(d_in=3, max_steps=1, max_costly_steps=1))][:3]
    ['averaging', 'least_squares', 'mean_label']
    """
    listed = [
        Candidate(
            name,
            steps,
            row.free_parameters(steps, space.d_in),
            row.equivariant,
            row.continuous,
            row.costly,
            row.limit,
        )
        for name, row in LEARNERS.items()
        for steps in row.candidate_steps(space)
    ]
    if teachers:
        # A set of teachers prefers its own directions.
        listed.append(Candidate("teacher_pool", 0, 1, equivariant=False))
    return tuple(sorted(listed, key=lambda candidate: candidate.simplicity))
