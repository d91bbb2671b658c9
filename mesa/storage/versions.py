"""Which software produced a result."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("mesa-probes", "torch", "transformer-lens", "numpy", "scipy", "pandas", "seaborn", "safetensors")


def versions() -> dict[str, str]:
    """The versions of Python and of every package that a number may depend on.

    >>> sorted(versions())[:2]
    ['mesa-probes', 'numpy']
    """
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
