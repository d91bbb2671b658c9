"""Where results are kept: with the sources of this project where we stand in them, else beside the output."""

import re
from pathlib import Path

_PROJECT = re.compile(r'^name\s*=\s*"mesa-probes"', re.MULTILINE)


def results_folder(out: Path, here: Path | None = None) -> Path:
    """The folder of kept results for a report in `out`.

    In a checkout, which is `here` or a folder around it, by default the working directory, it is docs/results.
    Elsewhere it is the folder `results` beside the report.
    """
    checkout = checkout_results(here)
    return out.parent / "results" if checkout is None else checkout


def checkout_results(here: Path | None = None) -> Path | None:
    """The results that a checkout holds; None outside of one.

    A checkout has this project's pyproject.toml; a folder `here` that has docs/results counts as one.
    """
    here = (here or Path.cwd()).resolve()
    if (here / "docs" / "results").is_dir():
        return here / "docs" / "results"
    return next((folder / "docs" / "results" for folder in (here, *here.parents) if _is_project(folder)), None)


def _is_project(folder: Path) -> bool:
    try:
        return _PROJECT.search((folder / "pyproject.toml").read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False
