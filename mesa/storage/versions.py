"""Which software produced a result."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tasks", "mesa", "probes", "analyses")
PACKAGES = ("mesa-probes", "torch", "transformer-lens", "numpy", "scipy", "pandas", "seaborn", "safetensors")


def versions() -> dict[str, str]:
    """The versions of Python and of every package that a number may depend on.

    >>> sorted(versions())[:2]
    ['mesa-probes', 'numpy']
    """
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def code_digest() -> str:
    """The sha256 digest of this package's sources: every Python file and template of its four folders.

    Two installations with the same digest run the same code, whatever their version number says.

    >>> len(code_digest())
    64
    """
    files = [file for folder in FOLDERS for suffix in ("py", "jinja") for file in (ROOT / folder).rglob(f"*.{suffix}")]
    digest = hashlib.sha256()
    for name, file in sorted((file.relative_to(ROOT).as_posix(), file) for file in files):
        digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
