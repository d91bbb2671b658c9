"""Which sources a report was made with."""

import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of this package's sources, with a mark for uncommitted changes; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
