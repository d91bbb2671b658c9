"""Where independent work is done: a thread here, local processes, or an executor that is passed in."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from mesa.errors import UserError

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
            yield threads
    else:
        ours = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, jobs), mp_context=context, initializer=_serve) as processes:
            try:
                yield processes
            except KeyboardInterrupt:
                for child in set(multiprocessing.active_children()) - ours:
                    child.terminate()
                raise


def results(jobs: Sequence[Future[T]], report: Callable[[int, int], None] | None = None) -> list[T]:
    """What the jobs gave, in their order, reporting (done, in all); UserError where a process died."""
    pending = set(jobs)
    while pending:
        _, pending = wait(pending, timeout=0.2)
        if report is not None:
            report(len(jobs) - len(pending), len(jobs))
    try:
        return [job.result() for job in jobs]
    except BrokenProcessPool:
        raise UserError("a worker process died (out of memory, or killed); what was saved is kept") from None


def one_blas_thread() -> None:
    """Have this process's numpy and scipy, where they are not loaded yet, keep to one thread.

    Their threads wait by spinning, which costs half of the work on matrices this small, and more beside other seeds.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _serve() -> None:
    one_blas_thread()
    # Ctrl-C reaches every process of the terminal; the parent alone answers it, and tells the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A process whose parent was killed would take the next job, or wait for one for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
