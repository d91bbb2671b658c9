"""Which files a report wrote, so that the next report in the same folder can remove those that it does not write."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mesa.storage.files import write_atomic

LIST = "files.json"
_FOLDERS = ("figures", "data")


def remember(out: Path, digests: Mapping[str, str]) -> None:
    """Write the list of a report's figures and data: the sha256 digest of each, by its path below `out`.

    What an earlier report lists and this one does not is removed, where its content is as that report wrote it. Other
    files are left alone.
    """
    earlier = _listed(out)
    write_atomic(out / LIST, json.dumps(dict(sorted(digests.items())), indent=1) + "\n")
    for name in earlier.keys() - digests.keys():
        with suppress(OSError):
            if digest((out / name).read_bytes()) == earlier[name]:
                (out / name).unlink()


def digest(data: bytes) -> str:
    """The sha256 digest of a file's content."""
    return hashlib.sha256(data).hexdigest()


def _listed(out: Path) -> dict[str, str]:
    """What the report that is there lists; nothing where it has no list that can be read."""
    try:
        listed = json.loads((out / LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    entries = listed.items() if isinstance(listed, dict) else ()
    return {name: str(value) for name, value in entries if _may_be_ours(PurePosixPath(name))}


def _may_be_ours(path: PurePosixPath) -> bool:
    """Whether a report writes such files: a list that somebody changed must not lead elsewhere."""
    return len(path.parts) == 2 and path.parts[0] in _FOLDERS and path.parts[1] != ".."
