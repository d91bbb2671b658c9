"""Does a layer also transform the inputs, as GD++ does: x_j <- (I - gamma S) x_j? ([VO] appendix A.10)"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.construction.products import weight_products
from probes.activations.residual_stream import paired, residual_stream
from probes.activations.token_decoder import TokenDecoder
from probes.readings.reading import Reading
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from probes.weights.normalised_products import why_not_attention_only
from tasks.prompt import RegressionPrompt

# A change smaller than this, relative to the changed entries and in units of machine epsilon, is rounding.
_ROUNDING = 100.0


@dataclass(frozen=True)
class Curvature:
    """Estimate gamma and the step size c = eta/N of every layer from its residual stream, and from its weights.

    A layer receives context tokens with x entries x_j and y entries r_j; S = sum_i x_i x_i^T. The change of the x
    entries is regressed on -S x_j, and the change of the y entries on -(sum_i r_i x_i^T) x_j, both through zero and
    over all prompts. In the last layer the second regression is at the queries, because only they are read.

    Metrics of every layer:

    - `gamma`: the slope of the first regression; 0 for a layer that leaves x as it is.
    - `gamma_median`: the median of the slope over prompts; a few prompts with huge tokens do not change it.
    - `r_squared`: R^2 of the first regression; 1 where the change is exactly that of GD++.
    - `cosine`: the cosine of the change of x and its regressor, mean over prompts.
    - `step_size`, `step_r_squared`, `step_cosine`: slope, R^2 and cosine of the second regression.
    - `identified`: 1 where a later layer reads x, or tied layers share gamma with an earlier one; else 0, and the
      metrics of the first regression are missing (NaN).
    - `condition_number_before`, `condition_number_after`, `condition_number_predicted`: the ratio of the largest to the
      smallest eigenvalue of S, median over prompts. It is taken within the span of a context shorter than d_in.
    - `spectrum_distance`: |predicted - after| / |after| of the eigenvalues, median over prompts; 0: they are equal.
    - `decoding_r_squared`: see below, with `target` x or y.

    R^2 and cosine are missing where a layer does not change its entries. `source` is `residual` for these metrics. With
    `source` `weights`, gamma is -sum_h mean diag A_h * mean diag V_h over the x entries, and the step size is the same
    with the y entries of V_h. This is exact where these blocks are multiples of I. The weights read-out needs linear
    attention without norm, MLP or bias.

    S has the eigenvectors v_k and the eigenvalues l_k, and S' is that of the layer's output. Arrays (layer prompt d_in)
    for the first `shown` prompts: `eigenvalues_before` l_k, `eigenvalues_after` v_k^T S' v_k, and
    `eigenvalues_predicted` l_k (1 - gamma l_k)^2. Array `spectrum` (stage d_in): the mean sorted eigenvalues before the
    first layer and after each.

    Where tokens are embedded, x and y are first decoded by the affine map of least norm that fits the first residual
    stream of other prompts. `decoding_r_squared` is the map's R^2 on the measured prompts.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> model = gradient_step_model(0.3, d_in=3, steps=2, gamma=0.2)
    >>> subject = RegressionSubject(model, PairedReader(), LinearRegression(d_in=3))
    >>> table = Curvature(prompts=100)(subject, torch.Generator().manual_seed(0)).table
    >>> table[table.metric == "gamma"].value.round(8).tolist()
    [0.2, nan, 0.2, nan]
    """

    prompts: int = 2_000
    shown: int = 200
    name: str = "curvature"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any HookedTransformer on paired tokens in which every token sees the whole context."""
        reason = paired(subject)
        if reason is None and subject.with_hooks().cfg.attention_dir == "causal":
            return "in a causal model a token attends to only a part of the context, so it sees only a part of S"
        return reason

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness is for the map that decodes embedded tokens."""
        tuning, prompt = (subject.prompts(self.prompts, generator) for _ in range(2))
        decoder = TokenDecoder.fitted(subject, tuning)
        measured = _Measured.of(subject, prompt, decoder)
        tied = subject.transformer is not None and subject.transformer.config.tied
        layers = subject.n_layers
        identified = [layer < layers - 1 or (tied and layers > 1) for layer in range(layers)]
        gamma = np.where(identified, measured.gamma, math.nan)
        rows = [*decoder.worth(subject, prompt), *measured.rows(identified), *measured.spectra(gamma)]
        rows += _from_weights(subject, prompt, identified)
        return Reading.of(rows, measured.arrays(gamma, self.shown))


@dataclass(frozen=True, eq=False)
class _Measured:
    """The fits of each layer, the eigenvalues of S (stage prompt d_in), and v_k^T S' v_k (layer prompt d_in)."""

    x_fits: list["_Fit"]
    y_fits: list["_Fit"]
    eigenvalues: np.ndarray
    quotients: np.ndarray
    rank: int

    @classmethod
    def of(cls, subject: RegressionSubject, prompt: RegressionPrompt, decoder: TokenDecoder) -> "_Measured":
        count = prompt.x.shape[1]
        layers = subject.n_layers
        x_fits, y_fits = ([_Fit(prompt) for _ in range(layers)] for _ in range(2))
        value_chunks, quotient_chunks = [], []
        for chunk in chunks(prompt):
            stream = residual_stream(subject, chunk)
            (x, r), (dx, dr) = decoder.resid(stream.resid), decoder.change(stream.written)
            context = x[:, :, :count]
            S = context.mT @ context
            moment = context[:-1].mT @ r[:-1, :, :count]
            for layer in range(layers):
                x_fits[layer].add(dx[layer, :, :count], -context[layer] @ S[layer], context[layer])
                read_positions = slice(None) if layer < layers - 1 else slice(count, None)
                y_fits[layer].add(dr[layer, :, read_positions], -x[layer, :, read_positions] @ moment[layer], r[layer])
            values, vectors = torch.linalg.eigh(S)
            quotients = torch.einsum("lbik,lbij,lbjk->lbk", vectors[:-1], S[1:], vectors[:-1])
            value_chunks.append(values.flip(-1))
            quotient_chunks.append(quotients.flip(-1))
        eigenvalues, quotients = (
            torch.cat(tensors, dim=1).cpu().numpy() for tensors in (value_chunks, quotient_chunks)
        )
        return cls(x_fits, y_fits, eigenvalues, quotients, min(prompt.x.shape[1:]))

    @property
    def gamma(self) -> np.ndarray:
        """Every layer's slope, whether a later layer reads x or not."""
        return np.array([fit.slope for fit in self.x_fits])

    def rows(self, identified: list[bool]) -> Iterator[dict[str, object]]:
        """The regressions of every layer; those of x only where a later layer reads it."""
        for layer, x_is_read in enumerate(identified):
            labels = {"source": "residual", "layer": layer}
            yield {"metric": "identified", **labels, "value": float(x_is_read)}
            x, y = self.x_fits[layer], self.y_fits[layer]
            x_values = {"gamma": x.slope, "gamma_median": x.median, "r_squared": x.r_squared, "cosine": x.cosine}
            for metric, value in x_values.items():
                yield {"metric": metric, **labels, "value": value if x_is_read else math.nan}
            y_values = {"step_size": y.slope, "step_r_squared": y.r_squared, "step_cosine": y.cosine}
            yield from ({"metric": metric, **labels, "value": value} for metric, value in y_values.items())

    def spectra(self, gamma: np.ndarray) -> Iterator[dict[str, object]]:
        """Condition numbers, medians over prompts, and how far the spectrum is from the predicted one."""
        predicted = self.predicted(gamma)
        for layer in range(len(gamma)):
            x_is_read = not math.isnan(gamma[layer])
            before, after = self.eigenvalues[layer], self.eigenvalues[layer + 1]
            spectra = {"before": before, "after": after, "predicted": predicted[layer]}
            for name, values in spectra.items():
                number = _condition(values[:, : self.rank]) if x_is_read or name == "before" else math.nan
                yield {"metric": f"condition_number_{name}", "source": "residual", "layer": layer, "value": number}
            gap = np.linalg.norm(predicted[layer] - self.quotients[layer], axis=-1)
            distance = float(np.median(gap / np.linalg.norm(self.quotients[layer], axis=-1)))
            yield {"metric": "spectrum_distance", "source": "residual", "layer": layer, "value": distance}

    def predicted(self, gamma: np.ndarray) -> np.ndarray:
        """l (1 - gamma l)^2, which GD++ with this gamma makes of every eigenvalue l."""
        before = self.eigenvalues[:-1]
        return before * (1.0 - gamma[:, None, None] * before) ** 2

    def arrays(self, gamma: np.ndarray, shown: int) -> dict[str, np.ndarray]:
        """The arrays that `Curvature` describes."""
        spectra = {"before": self.eigenvalues[:-1], "after": self.quotients, "predicted": self.predicted(gamma)}
        by_prompt = {f"eigenvalues_{name}": values[:, :shown] for name, values in spectra.items()}
        return {"spectrum": self.eigenvalues.mean(axis=1), **by_prompt}


class _Fit:
    """A regression through zero, added up over chunks of a batch, of changes on what they should be proportional to."""

    def __init__(self, prompt: RegressionPrompt) -> None:
        self.rounding = _ROUNDING * torch.finfo(prompt.x.dtype).eps
        self.products = torch.zeros(4, dtype=torch.float64)
        self.cosines: list[Tensor] = []
        self.slopes: list[Tensor] = []

    def add(self, change: Tensor, regressor: Tensor, changed: Tensor) -> None:
        """Add (batch pos d) changes, their regressor, and the entries that were changed."""
        products = (change * regressor, regressor.square(), change.square(), changed.square())
        self.products += torch.stack([product.sum() for product in products]).cpu()
        self.slopes.append(products[0].sum(dim=(1, 2)) / products[1].sum(dim=(1, 2)))
        self.cosines.append(cosine_similarity(change.flatten(1), regressor.flatten(1), dim=1, eps=1e-300))

    @property
    def slope(self) -> float:
        product, regressor, _, _ = self.products.tolist()
        return product / regressor if regressor else math.nan

    @property
    def median(self) -> float:
        return float(torch.cat(self.slopes).median())

    @property
    def r_squared(self) -> float:
        product, _, change, _ = self.products.tolist()
        return product * self.slope / change if self.moved else math.nan

    @property
    def cosine(self) -> float:
        return float(torch.cat(self.cosines).mean()) if self.moved else math.nan

    @property
    def moved(self) -> bool:
        """Whether the change is larger than rounding and its regressor is not zero."""
        _, regressor, change, changed = self.products.tolist()
        return regressor > 0 and math.sqrt(change) > self.rounding * math.sqrt(changed)


def _condition(values: np.ndarray) -> float:
    """The median ratio of the largest to the smallest eigenvalue of (prompt d_in)."""
    least = np.maximum(values.min(axis=-1), 0.0)
    with np.errstate(divide="ignore"):
        return float(np.median(values.max(axis=-1) / least))


def _from_weights(
    subject: RegressionSubject, prompt: RegressionPrompt, identified: list[bool]
) -> Iterator[dict[str, object]]:
    """gamma and step size from the weight products; no rows for a model that is more than linear attention."""
    if why_not_attention_only(subject) is not None:
        return
    model = subject.with_weights()
    if set(model.config.kernels) != {"linear"} or model.config.bias:
        return
    d_in, d_out = prompt.x.shape[-1], prompt.y.shape[-1]
    A, V = (product.diagonal(dim1=-2, dim2=-1) for product in weight_products(model))
    beta = A[..., :d_in].mean(dim=-1)
    gamma, size = (-(beta * diagonal.mean(dim=-1)).sum(dim=1) for diagonal in (V[..., :d_in], V[..., -d_out:]))
    for layer, x_is_read in enumerate(identified):
        labels = {"source": "weights", "layer": layer}
        yield {"metric": "identified", **labels, "value": float(x_is_read)}
        yield {"metric": "gamma", **labels, "value": float(gamma[layer]) if x_is_read else math.nan}
        yield {"metric": "step_size", **labels, "value": float(size[layer])}
