"""Writing so that a reader sees the old file or the new one, never half of either."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from mesa.errors import UserError

# What a run needs before its first checkpoint: below this, an error now beats a failure hours later.
ROOM = 64 * 2**20


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk; an OSError names the file, of which nothing is left."""
    with open(path, "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            path.unlink()
            # The system names no file where a write or a flush fails.
            raise OSError(error.errno, error.strerror, str(path)) from None


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Replace a file in one step: a temporary neighbour, flushed, then renamed.

    Raises OSError, which names the file, and leaves the old file and no temporary one, where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        write_synced(temporary, data.encode() if isinstance(data, str) else data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
    sync_directory(path.parent)


def leftover(path: Path) -> bool:
    """Is this a file that a process was killed over before it could rename or remove it?"""
    return path.name.startswith(".") and (".tmp-" in path.name or path.name.startswith(".trial-"))


def writable(path: Path, room: int = ROOM) -> None:
    """Make a directory and prove that it can be written; UserError where it cannot, or where the disk is full."""
    shown = str(path) if str(path).isprintable() else ascii(str(path))
    if ".." in path.parts or not path.name or not path.name[0].isalnum() or shown != str(path):
        rule = "no '..', only printable characters, and it starts with a letter or digit"
        raise UserError(f"{shown}: is no name for a directory of results: {rule}")
    prove_writable(path, room)


def prove_writable(path: Path, room: int = ROOM) -> None:
    """Write a trial file into a directory, made where it is not there; UserError, and nothing left, where that fails.

    `room`: the bytes that must be free there.
    """
    trial, new_folders = path / f".trial-{os.getpid()}", []
    try:
        new_folders = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        write_synced(trial, bytes(4096))
        trial.unlink()
        free = shutil.disk_usage(path).free
        if free >= room:
            return
        problem = f"only {free / 2**20:.0f} MiB are free there, {room / 2**20:.0f} MiB are needed"
    except FileExistsError:
        problem = "is a file, not a directory"
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
    # A refusal leaves nothing behind.
    for undo in (trial.unlink, *(folder.rmdir for folder in new_folders)):
        with suppress(OSError):
            undo()
    raise UserError(f"{path}: {problem}")
