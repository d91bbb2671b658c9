"""What a run directory has lost: compared with its configuration and with the outcome of every seed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mesa.errors import UserError
from mesa.storage.schedule import schedule

if TYPE_CHECKING:
    from mesa.storage.run import Run


def missing(run: "Run") -> list[UserError]:
    """One error for each seed, checkpoint or end of metrics that should be there and is not.

    A seed that has not begun is missing unless training was plainly interrupted. Where none has begun there is one
    error for all: nothing tells a run that was never trained from one whose seeds were deleted, and neither is whole.
    """
    statuses = {seed: run.outcome(seed)["status"] for seed in run.seeds}
    if set(statuses.values()) == {"not started"}:
        rule = f"the configuration has {run.config.seeds}, and `mesa resume` trains them"
        return [UserError(f"{run.path}: no seed is there: {rule}")]
    may_not_have_begun = "interrupted" in statuses.values()
    errors = []
    for seed, status in statuses.items():
        if status == "not started":
            if not may_not_have_begun:
                rule = f"the configuration has {run.config.seeds} seeds, and `mesa resume` trains it"
                errors.append(UserError(f"{run.seed_path(seed)}: seed {seed} is missing: {rule}"))
        else:
            errors += map(UserError, _of_seed(run, seed))
    return errors


def _of_seed(run: "Run", seed: int) -> Iterator[str]:
    home, training, outcome = run.seed_path(seed), run.config.training, run.outcome(seed)
    saved = run.checkpoints(seed, rolling=True)
    reached = max(outcome.get("step", -1), *saved, -1)
    expected = {reached}
    if outcome["status"] == "diverged":
        # The weights of the step that diverged were not saved; those before it may have been kept for resuming only.
        reached -= 1
        expected = {int(str(outcome.get("last_good_checkpoint")).partition("-")[2] or -1)}
    kept = schedule(training.steps, training.checkpoints_per_decade, training.dense_checkpoints)
    expected |= {step for step in kept if step <= reached}
    for step in sorted(expected - saved.keys()):
        yield f"{home}: the checkpoint of step {step} is missing; training came to step {reached}"
    evaluations = run.metrics(seed)
    if outcome["status"] == "finished" and (not evaluations or evaluations[-1]["step"] < outcome["step"]):
        last = f"ends at step {evaluations[-1]['step']}" if evaluations else "holds no evaluation"
        yield f"{home / 'metrics.jsonl'}: {last}; training ended at step {outcome['step']}"
