"""Weight products and attention patterns, compared with those of the construction."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyses.evidence import Evidence
from analyses.plots.plot import Plot
from analyses.plots.style import grid
from probes.readings.arrays import find_array

# The seed, and A or V of its first layer: trained, constructed, and which entries are identified.
Products: TypeAlias = tuple[int, np.ndarray, np.ndarray, np.ndarray]


def weights(evidence: Evidence, runs: Sequence[str]) -> Plot:
    """Rescaled weight products of one seed and of the construction; unidentified entries are hatched."""
    shown = {run: _products(evidence, run) for run in runs}
    frames = [_long(run, name, arrays) for run, products in shown.items() for name, arrays in products.items()]
    columns = ["run", "seed", "product", "row", "column", "trained", "constructed", "identified"]
    data = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def draw() -> Figure:
        figure, panels = grid(len(runs), 4, 2.75, 2.6)
        for row, run in enumerate(runs):
            for column, (product, kind) in enumerate((p, k) for p in "AV" for k in ("trained", "constructed")):
                axes = panels[4 * row + column]
                if product not in shown[run]:
                    axes.set_axis_off()
                    continue
                seed, trained, constructed, identified = shown[run][product]
                image = trained if kind == "trained" else constructed
                heatmap(axes, image, identified, 1.2 * float(np.abs(constructed).max()))
                label = "A / beta" if product == "A" else "V beta"
                axes.set_title(f"{label}, {kind}", fontsize=8)
                axes.set_xlabel("channel" if row == len(runs) - 1 else "")
                if column == 0:
                    axes.set_ylabel(f"{run}, seed {seed}\nchannel")
        return figure

    return Plot(
        "weights",
        "Weight products, trained and constructed",
        "A = W_Q W_K^T and V = W_V W_O after rescaling; channels 0 to 9 are x, 10 is y. Hatched entries cannot change "
        "the prediction and are not scored. The first row matches its construction. The trained negative in the second "
        "row does not: the diagonal of its A has two levels. Colours end at 1.2 times its largest entry.",
        "Off-diagonal structure in A, or x entries in V's last column, of the size of the diagonal.",
        draw,
        data,
    )


def attention(evidence: Evidence, run: str) -> Plot:
    """Attention of the trained layer and of the construction on one and the same prompt."""
    patterns = {
        kind: evidence.arrays[key]
        for control, kind in (("none", "trained"), ("constructed", "constructed"))
        if (key := find_array(evidence.arrays, "pattern", run=run, control=control)) is not None
    }
    rows = [
        {"model": kind, "query_pos": q, "key_pos": k, "pattern": float(array[q, k])}
        for kind, array in patterns.items()
        for q in range(array.shape[0])
        for k in range(array.shape[1])
    ]
    data = pd.DataFrame(rows, columns=["model", "query_pos", "key_pos", "pattern"])

    def draw() -> Figure:
        figure, panels = grid(1, 2, 3.8, 3.4)
        limit = max((float(np.abs(array).max()) for array in patterns.values()), default=1.0)
        for axes, (kind, array) in zip(panels, patterns.items(), strict=False):
            heatmap(axes, array, np.ones_like(array, dtype=bool), limit, bar=True)
            axes.set(title=f"{kind}, scores / beta", xlabel="key position", ylabel="query position")
        return figure

    return Plot(
        "attention",
        "Attention patterns on one prompt",
        "Linear attention's pattern is its scores; divided by beta they are the inner products of the inputs. Position "
        "10 is the query. Its column is empty, because no token attends to the query in this model.",
        "Patterns that differ between trained and constructed, or a query that attends to itself.",
        draw,
        data,
    )


def _products(evidence: Evidence, run: str) -> dict[str, Products]:
    """The first seed's last products of its first layer by name: (seed, trained, constructed, identified)."""
    products = {}
    for product in ("A", "V"):
        key = find_array(evidence.arrays, product, run=run)
        if key is not None:
            names = (product, f"{product}_construction", f"{product}_identified")
            products[product] = (key.seed or 0, *(evidence.arrays[key._replace(name=name)][0] for name in names))
    return products


def _long(run: str, product: str, arrays: Products) -> pd.DataFrame:
    seed, trained, constructed, identified = arrays
    row, column = np.indices(trained.shape)
    values = {"row": row, "column": column, "trained": trained, "constructed": constructed, "identified": identified}
    flat = {name: array.flatten() for name, array in values.items()}
    return pd.DataFrame({"run": run, "seed": seed, "product": product, **flat})


def heatmap(axes: Axes, image: np.ndarray, identified: np.ndarray, limit: float, bar: bool = True) -> None:
    """Draw a matrix with colours from -limit to limit; entries that are not `identified` are hatched."""
    # Hatching shows through where an entry is masked: it cannot be mistaken for a value.
    axes.grid(visible=False)
    axes.set_facecolor("0.92")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("0.7")
    sns.heatmap(
        image, mask=~identified, cmap="vlag", center=0, vmin=-limit, vmax=limit, square=True, cbar=bar, ax=axes,
        cbar_kws={"shrink": 0.75},
    )  # fmt: skip
    ticks = [0, image.shape[0] // 2, image.shape[0] - 1]
    axes.set_xticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
    axes.set_yticks([tick + 0.5 for tick in ticks], labels=[str(tick) for tick in ticks], rotation=0)
