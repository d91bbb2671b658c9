"""The command line, run in the process of the test."""

import sys

import pytest

from analyses import cli


def mesa(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command line in this process: exit code, stdout, stderr."""
    before = sys.argv
    sys.argv = ["mesa", *map(str, arguments)]
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    out, err = capfd.readouterr()
    return code, out, err
