"""What the operating system knows of a process."""

from pathlib import Path


def runs(process: int) -> bool:
    """Neither gone nor a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
