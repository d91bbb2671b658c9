"""Run independent jobs: in one thread, in local processes, or in an executor that is passed in."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TypeVar

from mesa.errors import UserError
from mesa.plugin import load_all, loaded
from mesa.training.blas import one_blas_thread

T = TypeVar("T")


@contextmanager
def pool(workers: int, jobs: int, executor: Executor | None = None) -> Iterator[Executor]:
    """An executor for `jobs` jobs: the one given, one thread for a single worker, else local processes.

    After an interruption the local processes are told to end.
    """
    if executor is not None:
        yield executor
    elif workers <= 1 or jobs <= 1:
        with ThreadPoolExecutor(1) as threads:
            try:
                yield threads
            except KeyboardInterrupt:
                threads.shutdown(cancel_futures=True)
                raise
    else:
        before = set(multiprocessing.active_children())
        count = min(workers, jobs)
        # Each process has its share of the cores: threads that outnumber them wait for one another by spinning.
        threads = max(1, cores() // count)
        context, start = multiprocessing.get_context("spawn"), (loaded(), threads)
        with ProcessPoolExecutor(count, mp_context=context, initializer=_serve, initargs=start) as processes:
            try:
                yield processes
            except KeyboardInterrupt:
                end_children(before)
                raise


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_children(before: set[BaseProcess]) -> None:
    """Tell the child processes that were started since `before` to end."""
    for child in set(multiprocessing.active_children()) - before:
        child.terminate()


def watch(jobs: Collection[Future[T]], tick: Callable[[set[Future[T]]], None]) -> None:
    """Wait until all jobs have ended; `tick` is called with those that have not, five times a second and at the end."""
    pending = set(jobs)
    while pending:
        _, pending = wait(pending, timeout=0.2)
        tick(pending)


def results(
    jobs: Sequence[Future[T]], report: Callable[[int, int], None] | None = None, label: str = "the work"
) -> list[T]:
    """What the jobs returned, in their order. `report` gets the number of finished jobs and of all jobs.

    Raises the error of the first job that failed. UserError, which begins with `label`, where a process died.
    """
    if report is not None:
        watch(jobs, lambda pending: report(len(jobs) - len(pending), len(jobs)))
    try:
        return [job.result() for job in jobs]
    except BrokenProcessPool:
        # It is not known which process died. The pool then ends the others, and they save.
        reason = "a worker process died (out of memory, or killed); what was saved is kept"
        raise UserError(f"{label}: {reason}") from None


def _serve(plugins: Sequence[str], threads: int) -> None:
    one_blas_thread()
    import torch

    torch.set_num_threads(threads)
    load_all(plugins)
    # Ctrl-C reaches every process of the terminal. Only the parent handles it, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # Without its parent, a process would take the next job or wait for one for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
