"""A fresh generator, and one thread: small sums are faster so, and have one order."""

from collections.abc import Callable, Iterator

from mesa.training.blas import one_blas_thread

one_blas_thread()  # before anything loads numpy

import pytest  # noqa: E402
import torch  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    return lambda seed: torch.Generator().manual_seed(seed)
