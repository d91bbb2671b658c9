"""How much memory there is for this process."""

import os
import resource
from contextlib import suppress
from pathlib import Path

# Where Linux says how much a container may use, in its second and its first version.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def available() -> int:
    """Bytes of memory: the machine's, or what a container or `ulimit -v` leaves of them."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _LIMITS:
        # The file is absent outside a container, and holds a word where there is no limit.
        with suppress(OSError, ValueError):
            limits.append(int(file.read_text()))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min(limits + ([] if address_space == resource.RLIM_INFINITY else [address_space]))
