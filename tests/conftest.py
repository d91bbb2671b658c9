"""A fresh generator, and one thread: small sums are faster so, and have one order."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

# Before the first module of the package: see `pytest_configure`.
import beartype  # noqa: F401

from mesa.training.blas import one_blas_thread

# Before anything loads numpy or torch, and for every process that a test starts: threads wait for each other by
# spinning, which beside other test processes costs more than the work.
one_blas_thread()
os.environ["OMP_NUM_THREADS"] = "1"

import pytest  # noqa: E402

if TYPE_CHECKING:
    import torch

# What the package imports from elsewhere, and takes long to load.
HEAVY = (
    *("pydantic.main", "rich.progress", "torch", "transformer_lens", "safetensors.torch"),
    *("pandas", "scipy.stats", "seaborn", "matplotlib.backends.backend_pdf"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Load the heavy packages before the package's own modules, in every process that collects tests.

    While jaxtyping imports a module it looks for bytecode under a name of its own, also for the modules that this one
    imports. Packages from elsewhere would be compiled again in every test process, which takes seconds.
    """
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        gc.disable()
        for name in HEAVY:
            import_module(name)


def pytest_collection_finish() -> None:
    """Set apart what was loaded: it stays to the end, and every full garbage collection would go through all of it."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Whatever number of threads a test sets, the next one begins with one."""
    import torch

    yield
    torch.set_num_threads(1)


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    import torch

    return lambda seed: torch.Generator().manual_seed(seed)
