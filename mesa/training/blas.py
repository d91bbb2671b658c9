"""How many threads numpy and scipy use."""

import os


def one_blas_thread() -> None:
    """Have this process's numpy and scipy, where they are not loaded yet, keep to one thread.

    Their threads wait by spinning, which costs half of the work on matrices this small, and more beside other seeds.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
