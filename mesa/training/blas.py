"""How many threads numpy and scipy use."""

import os


def one_blas_thread() -> None:
    """Limit this process's numpy and scipy to one thread, where they are not loaded yet.

    Their threads wait by spinning. On matrices this small that takes half of the processor time, and more when other
    seeds run at the same time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
