"""The verbs that show what there is: list and config."""

from collections.abc import Mapping
from typing import Annotated

import typer

from tasks.registry import Row

# The papers that rows of registries cite; the README lists all that the code cites.
SOURCES = {
    "VO": "von Oswald et al. 2023 (arXiv 2212.07677)",
    "OL": "Olsson et al. 2022 (arXiv 2209.11895)",
    "EDEL": "Edelman et al. 2024 (arXiv 2402.11004)",
}


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.command("list")(list_)
    app.command()(config)


def list_() -> None:
    """List tasks, readers, models, learners, probes, controls, read-outs, analyses and benchmarks, a line each."""
    from analyses.registry import ANALYSES, BENCHES
    from mesa.config.presets import CONFIGURATIONS
    from mesa.registry import LEARNERS, TOKEN_PREDICTORS
    from probes.attribution.registry import READOUTS
    from probes.controls.registry import CONTROLS
    from probes.registry import PROBES
    from tasks.registry import READERS, TASKS

    sections: dict[str, Mapping[str, Row]] = {
        "tasks": TASKS,
        "readers": READERS,
        "models (mesa config NAME)": CONFIGURATIONS,
        "learners": LEARNERS,
        "token predictors": TOKEN_PREDICTORS,
        "probes": PROBES,
        "controls": CONTROLS,
        "read-outs (mesa attribute --readout NAME)": READOUTS,
        "analyses (mesa reproduce NAME)": ANALYSES,
        "benchmarks (mesa bench NAME)": BENCHES,
    }
    for title, rows in sections.items():
        typer.echo(f"{title}:")
        width = max(24, *(len(name) + 2 for name in rows))
        for name, row in rows.items():
            duration = f"; {ANALYSES[name].duration}" if rows is ANALYSES else ""
            typer.echo(f"  {name:<{width}}{row.about}{duration}")
    typer.echo(f"sources: {', '.join(f'[{key}] {source}' for key, source in SOURCES.items())}")


def config(name: Annotated[str, typer.Argument(help="A model of `mesa list`.")]) -> None:
    """Print a complete, commented YAML configuration to start from."""
    from mesa.config.presets import CONFIGURATIONS, preset

    about = CONFIGURATIONS[name].about
    from mesa.config.yaml import dump

    typer.echo(dump(preset(name), f"{name}: {about}\nTrain it with: mesa train FILE --out runs/{name}"), nl=False)
