"""The unit of work: one seed of one run, resumed from its last checkpoint, on one thread."""

import fcntl
import json
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mesa.errors import UserError
from mesa.plugin import load_all
from mesa.plugin_failure import naming_plugins
from mesa.storage import checkpoint
from mesa.storage.files import leftover, write_atomic
from mesa.storage.records import Evaluation, Outcome
from mesa.storage.run import Run, checked
from mesa.storage.schedule import schedule
from mesa.training.deciding import Decider
from mesa.training.trainer import Diverged, Progress, Ticker, Trainer, one_thread

Stop = Callable[[], bool]


def train_seed(path: Path, seed: int, stop: Stop = lambda: False) -> Outcome:
    """Train one seed of a run to its end, and return how it ended (the content of outcome.json).

    Continues from the last checkpoint; the weights are bitwise those of an uninterrupted run on the same machine and
    versions. When `stop` turns true it saves, and the outcome is `interrupted`. A non-finite loss or gradient is the
    outcome `diverged`, with the step and the last good checkpoint. UserError if another process trains this seed, or
    if it cannot be written any more.
    """
    run = Run.open(path)
    home = run.seed_path(seed)
    # An OSError in a plugin's code is about a file of its own, so plugins come first.
    with _writes_to(home), _locked(home / ".lock"), one_thread(), naming_plugins(str(home)):
        if run.outcome(seed)["status"] in ("finished", "diverged"):
            return run.outcome(seed)
        for item in filter(leftover, home.iterdir()):
            item.unlink()
        outcome = _loop(run, seed, stop)
        if outcome["status"] == "finished":
            # Before the outcome is written: a finished seed is not opened again.
            _drop_rolling(run, seed, but=None)
        write_atomic(home / "outcome.json", json.dumps(outcome) + "\n")
        return outcome


def _loop(run: Run, seed: int, stop: Stop) -> Outcome:
    settings = run.config.training
    trainer = Trainer(run.config, seed)
    start = _restore(run, seed, trainer)
    checkpoint_steps = set(schedule(settings.steps, settings.checkpoints_per_decade, settings.dense_checkpoints))
    due = Ticker(settings.rolling_seconds)
    with _metrics(run, seed, start) as log:
        decider = Decider(run.config, seed, run.metrics(seed))
        if start < 0:
            _log(log, trainer, Progress(0, float("nan"), float("nan")))
            _save(run, seed, trainer, 0)
        step = max(start, 0)
        while step < trainer.last_step:
            step += 1
            try:
                progress = trainer.step(step)
                if step % settings.evaluate_every == 0 or step == trainer.last_step:
                    decider.evaluations.append(_log(log, trainer, progress))
                trainer.decision = trainer.decision or decider.decide(step)
                stopped = stop()
                kept = step in checkpoint_steps or step == trainer.last_step
                if kept or stopped or due():
                    # Evaluations before a checkpoint must be on the disk before the checkpoint is.
                    os.fsync(log.fileno())
                    _save(run, seed, trainer, step, rolling=not kept)
            except Diverged as error:
                last = max(run.checkpoints(seed, rolling=True).items())[1].name
                return {"status": "diverged", "step": step, "reason": str(error), "last_good_checkpoint": last}
            if stopped and step < trainer.last_step:
                return {"status": "interrupted", "step": step}
    if trainer.decision is None:
        return {"status": "finished", "step": step}
    begin, settled = trainer.decision["cosine_from"], trainer.decision["settled"]
    return {"status": "finished", "step": step, "cosine_from": begin, "settled": settled}


def _restore(run: Run, seed: int, trainer: Trainer) -> int:
    """Load the last checkpoint and return its step; -1 where there is none. A damaged one is refused, not skipped."""
    paths = run.checkpoints(seed, rolling=True)
    if not paths:
        return -1
    step, path = max(paths.items())
    saved = checked(path, run, seed)
    # Both are checked before either is used, so that nothing is half loaded.
    state = {name: tensor.clone() for name, tensor in trainer.trainer_state().items()}
    checkpoint.fill(path, state, saved.trainer, checkpoint.TRAINER)
    checkpoint.fill(path, trainer.model_state(), saved.model)
    trainer.restore_trainer(state)
    trainer.decision = saved.decision
    return step


def _save(run: Run, seed: int, trainer: Trainer, step: int, rolling: bool = False) -> None:
    path = run.seed_path(seed) / "checkpoints" / f"{'rolling' if rolling else 'step'}-{step:06d}"
    config = run.config.model_dump()
    model, state = trainer.model_state(), trainer.trainer_state()
    for name, tensor in {**model, **state}.items():
        # The step can give weights that are not finite from a finite loss and gradient. Reading would refuse them.
        if not checkpoint.finite(tensor):
            raise Diverged(step, f"new {name}")
    checkpoint.save(path, config=config, seed=seed, step=step, model=model, trainer=state, decision=trainer.decision)
    _drop_rolling(run, seed, but=path)


def _drop_rolling(run: Run, seed: int, but: Path | None) -> None:
    for path in (run.seed_path(seed) / "checkpoints").iterdir():
        if (path.name.startswith("rolling-") or leftover(path)) and path != but:
            checkpoint.remove(path)


@contextmanager
def _metrics(run: Run, seed: int, start: int) -> Iterator[IO[str]]:
    """metrics.jsonl, cut back to the step of the checkpoint, and open for appending."""
    file = run.seed_path(seed) / "metrics.jsonl"
    lines = [json.dumps(row) + "\n" for row in run.metrics(seed) if row["step"] <= start]
    write_atomic(file, "".join(lines))
    with open(file, "a", encoding="utf-8") as log:
        yield log


def _log(log: IO[str], trainer: Trainer, progress: Progress) -> Evaluation:
    trained, held_out = progress.step > 0, trainer.held_out_loss()
    if trained and not math.isfinite(held_out):
        raise Diverged(progress.step, "held-out loss")
    row: Evaluation = {
        "step": progress.step,
        "train_loss": progress.train_loss if trained else None,
        "held_out_loss": held_out,
        "gradient_norm": progress.gradient_norm if trained else None,
    }
    log.write(json.dumps(row) + "\n")
    log.flush()
    return row


@contextmanager
def _writes_to(home: Path) -> Iterator[None]:
    try:
        (home / "checkpoints").mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        file = error.filename or home
        raise UserError(f"{file}: cannot be written: {error.strerror}; what was saved is kept") from None


@contextmanager
def _locked(file: Path, patience: float = 10.0) -> Iterator[None]:
    # Workers of a killed parent need a moment to notice and stop. The lock ends with its process, however that ends.
    with open(file, "w") as handle:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise UserError(f"{file.parent}: another process is training this seed") from None
                time.sleep(0.1)
        yield


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A flag that SIGINT and SIGTERM set in place of ending the process; then the previous handlers are restored."""
    raised = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield raised.is_set
        return
    before = {number: signal.signal(number, lambda *_: raised.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield raised.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def work(path: Path, seed: int, plugins: Sequence[str] = ()) -> Outcome:
    """`train_seed` as a pool's worker runs it: on a signal, or when its parent is gone, it saves and stops.

    After a signal the process ends. It must not take the next seed from the pool, or wait for ever on a queue that a
    process locked before it died.
    """
    load_all(plugins)
    parent = os.getppid()
    with stop_on_signals() as signalled:
        try:
            return train_seed(path, seed, stop=lambda: signalled() or os.getppid() != parent)
        finally:
            if signalled() and multiprocessing.parent_process() is not None:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGTERM)
