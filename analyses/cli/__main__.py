"""The entry point, also as `python -m analyses.cli`: the verbs together, plugins, and errors in one line."""

import os
import signal
import sys
from typing import Annotated

import typer

from analyses.cli import benching, listing, probing, reporting, reproducing, training
from analyses.cli.common import interruptible

app = typer.Typer(
    name="mesa",
    help="Find out which learning algorithm a transformer runs inside its forward pass.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verbs in (listing, training, probing, reporting, reproducing, benching):
    verbs.add_to(app)


@app.callback()
def with_plugins(
    plugin: Annotated[
        list[str] | None,
        typer.Option(help="A Python module, by its name or its .py file, that adds tasks, probes, ...; repeatable."),
    ] = None,
) -> None:
    """Find out which learning algorithm a transformer runs inside its forward pass."""
    if plugin:
        from mesa.plugin import load_all

        with interruptible():
            load_all(plugin)


def main() -> None:
    """Run a command line: user errors are one line on stderr and exit code 2."""
    from mesa.errors import UserError
    from mesa.plugin_failure import naming_plugins
    from mesa.training.blas import one_blas_thread

    def terminate(*_: object) -> None:
        raise KeyboardInterrupt

    if sys.flags.optimize > 1:
        _fail("PYTHONOPTIMIZE: 2, or python -OO, removes docstrings that transformers needs; the highest level is 1")
    signal.signal(signal.SIGTERM, terminate)
    one_blas_thread()
    try:
        with naming_plugins("mesa"):
            app()
    except UserError as error:
        _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'operating system'}: {error.strerror or error}")


def _fail(message: str) -> None:
    print(f"mesa: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
