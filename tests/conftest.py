"""A fresh generator, and one thread: small sums are faster so, and have one order."""

import os
from collections.abc import Callable, Iterator

from mesa.training.blas import one_blas_thread

# Before anything loads numpy or torch, and for every process that a test starts: threads wait for each other by
# spinning, which beside other test processes costs more than the work.
one_blas_thread()
os.environ["OMP_NUM_THREADS"] = "1"

import pytest  # noqa: E402
import torch  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Whatever number of threads a test sets, the next one begins with one."""
    yield
    torch.set_num_threads(1)


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    return lambda seed: torch.Generator().manual_seed(seed)
