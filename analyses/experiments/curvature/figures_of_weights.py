"""Three layers' weights compared with GD++'s, and the loss between the weights of seeds that ended apart."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.experiments.curvature.optima import SHARES, STARTS, STEPS, connection, far_seeds
from analyses.plots.plot import Plot
from analyses.plots.style import HALF, grid, legend, look_of, nothing_to_draw
from analyses.plots.weights import heatmap
from probes.readings.arrays import find_array


def three_layers(evidence: Evidence, run: str) -> Plot:
    """A and V of the first layer of the first seed, rescaled, compared with the construction's."""
    key = find_array(evidence.arrays, "A", run=run)
    names = ("A", "A_construction", "V", "V_construction")
    images = {} if key is None else {name: evidence.arrays[key._replace(name=name)][0] for name in names}
    frames = []
    for name, image in images.items():
        row, column = np.indices(image.shape)
        values = {"row": row.flatten(), "column": column.flatten(), "value": image.flatten()}
        frames.append(pd.DataFrame({"product": name, **values}))
    data = (
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["product", "row", "column", "value"])
    )

    def draw() -> Figure:
        figure, panels = grid(1, 4, 3.0, 2.8)
        for axes, name in zip(panels, names, strict=True):
            if name not in images:
                nothing_to_draw(axes, "not measured")
                continue
            image = images[name]
            heatmap(axes, image, np.ones_like(image, dtype=bool), float(np.abs(image).max()))
            axes.set_title(name.replace("_construction", ", tuned GD++"), fontsize=8)
        return figure

    return Plot(
        "three-layers",
        "Three tied layers: their weights",
        "A / beta and V * beta of three tied layers, first seed, compared with those of three steps of GD++. A is the "
        "identity on x; V is -gamma on x and minus the step size on y.",
        "Entries off the diagonal as large as those on it, or diagonals that are not constant on x.",
        draw,
        data,
    )


def between_seeds(evidence: Evidence, runs: Mapping[int, str]) -> Plot:
    """For every seed that ended at a higher loss: the loss on the way to the best seed, and after more training."""
    rows = []
    for count, run in runs.items():
        best, far = far_seeds(evidence, run) if run in set(evidence.curves["run"]) else (0, ())
        for seed in far:
            way = connection(evidence.runs[run], seed, best)
            labels = {"context": count, "seed": seed, "best_seed": best}
            rows += [{**labels, "kind": "path", "share": p, "loss": n} for p, n in zip(SHARES, way.path, strict=True)]
            rows += [
                {**labels, "kind": "trained", "share": p, "loss": n} for p, n in zip(STARTS, way.trained, strict=True)
            ]
    data = pd.DataFrame(rows, columns=["context", "seed", "best_seed", "kind", "share", "loss"])

    def draw() -> Figure:
        pairs = list(data[["context", "seed", "best_seed"]].drop_duplicates().itertuples(index=False))
        figure, panels = grid(1, max(len(pairs), 1), 3.1, 3.0)
        if not pairs:
            nothing_to_draw(panels[0], "all seeds ended alike")
            return figure
        for axes, (count, seed, best) in zip(panels, pairs, strict=True):
            of_pair = data[(data["context"] == count) & (data["seed"] == seed)]
            path, trained = (of_pair[of_pair["kind"] == kind] for kind in ("path", "trained"))
            axes.plot(
                path["share"], path["loss"], color=look_of("model").colour, label="between the two seeds' weights"
            )
            label = f"after {STEPS} more steps from there"
            axes.scatter(trained["share"], trained["loss"], color=look_of("gd").colour, marker="D", s=20, label=label)
            axes.set(title=f"N = {count}", yscale="log", ylabel=f"loss ({HALF})")
            axes.set_xticks([0, 1], [f"seed {seed}", f"seed {best}"])
        legend(figure, panels[0], columns=2)
        return figure

    return Plot(
        "between-seeds",
        "Seeds that ended apart",
        "For each seed that ended more than 5 % above the best seed of its context length: the loss on the straight "
        "line between their rescaled weights, and after more training from three points on it, on the seed's own "
        "training prompts and at a falling rate. A hill between the two, which more training does not cross, means an "
        "optimum of the seed's own.",
        "A line that only falls, or diamonds at one height: the seed was not yet at its end.",
        draw,
        data,
    )
