"""Does a layer also improve the curvature, as GD++ does: x_j <- (I - gamma S) x_j? ([VO] appendix A.10)"""

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

# A change this small beside what it changes, in units of the last place, is rounding and has no direction.
_ROUNDING = 100.0


@dataclass(frozen=True)
class Curvature:
    """Read gamma and the step size c = eta/N of every layer off its residual stream, and off its weights.

    With S = sum_i x_i x_i^T of the context tokens as they enter a layer, the change of their x entries is regressed on
    -S x_j, through zero and over all prompts: `gamma`, `r_squared`, and `cosine`, its mean over prompts; `gamma_median`
    is the median of each prompt's own gamma, where a few prompts with huge tokens count no more. The change of
    the y entries, r, is regressed on -(sum_i r_i x_i^T) x_j likewise: `step_size`, `step_r_squared`, `step_cosine`; of
    the last layer only queries are looked at there, as only they are read. `source` is `residual`, or `weights`:
    gamma = -sum_h mean diag A_h * mean diag V_h over the x entries, the step size with V_h's y entries; the sum over
    heads is exact where these blocks are multiples of I. The weights read-out needs linear attention without norm,
    MLP or bias.
    Nothing reads x after the last layer, so that its gamma has `identified` 0 and is missing (NaN), unless tied layers
    share it with earlier ones. R^2 and cosine are missing where a layer leaves its entries as they are.

    With v_k, l_k the eigenvectors and eigenvalues of S, arrays hold l_k, v_k^T S' v_k for the layer's output, and
    l_k (1 - gamma l_k)^2: `eigenvalues_before`, `_after`, `_predicted` (layer prompt d_in) for the first prompts, and
    `spectrum` (stage d_in), the mean sorted eigenvalues before the first layer and after each. Rows: the median
    `condition_number_before`, `_after` and `_predicted`, within the span of a context shorter than d_in, and
    `spectrum_distance`, |predicted - after| / |after|, their median too.

    Where tokens are embedded, x and y are first decoded by one affine map of least norm, fitted to the first residual
    stream of other prompts; `decoding_r_squared`, with `target` x or y, is its worth on those that are measured.

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

    def applies(self, subject: RegressionSubject) -> str | None:
        """Any HookedTransformer on paired tokens in which every token sees the whole context."""
        reason = paired(subject)
        if reason is None and subject.with_hooks().cfg.attention_dir == "causal":
            return "a causal model's tokens see only a part of S"
        return reason

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
    """Two regressions of each layer, the eigenvalues of S (stage prompt d_in), and v_k^T S' v_k (layer prompt d_in)."""

    curves: list["_Fit"]
    steps: list["_Fit"]
    values: np.ndarray
    turned: np.ndarray
    rank: int

    @classmethod
    def of(cls, subject: RegressionSubject, prompt: RegressionPrompt, decoder: TokenDecoder) -> "_Measured":
        count = prompt.x.shape[1]
        layers = subject.n_layers
        curves, steps = ([_Fit(prompt) for _ in range(layers)] for _ in range(2))
        spectra, quotients = [], []
        for part in chunks(prompt):
            stream = residual_stream(subject, part)
            (x, r), (dx, dr) = decoder.resid(stream.resid), decoder.change(stream.written)
            context = x[:, :, :count]
            S = context.mT @ context
            moment = context[:-1].mT @ r[:-1, :, :count]
            for layer in range(layers):
                curves[layer].add(dx[layer, :, :count], -context[layer] @ S[layer], context[layer])
                read_positions = slice(None) if layer < layers - 1 else slice(count, None)
                steps[layer].add(dr[layer, :, read_positions], -x[layer, :, read_positions] @ moment[layer], r[layer])
            values, vectors = torch.linalg.eigh(S)
            turned = torch.einsum("lbik,lbij,lbjk->lbk", vectors[:-1], S[1:], vectors[:-1])
            spectra.append(values.flip(-1))
            quotients.append(turned.flip(-1))
        values, turned = (torch.cat(parts, dim=1).cpu().numpy() for parts in (spectra, quotients))
        return cls(curves, steps, values, turned, min(prompt.x.shape[1:]))

    @property
    def gamma(self) -> np.ndarray:
        """Every layer's, read by a later layer or not."""
        return np.array([fit.slope for fit in self.curves])

    def rows(self, identified: list[bool]) -> Iterator[dict[str, object]]:
        """The regressions of every layer; those of x only where a later layer reads it."""
        for layer, known in enumerate(identified):
            where = {"source": "residual", "layer": layer}
            yield {"metric": "identified", **where, "value": float(known)}
            curve, step = self.curves[layer], self.steps[layer]
            bent = {"gamma": curve.slope, "gamma_median": curve.median}
            bent |= {"r_squared": curve.r_squared, "cosine": curve.cosine}
            for metric, value in bent.items():
                yield {"metric": metric, **where, "value": value if known else math.nan}
            step_values = {"step_size": step.slope, "step_r_squared": step.r_squared, "step_cosine": step.cosine}
            yield from ({"metric": metric, **where, "value": value} for metric, value in step_values.items())

    def spectra(self, gamma: np.ndarray) -> Iterator[dict[str, object]]:
        """Condition numbers, medians over prompts, and how far the spectrum is from the predicted one."""
        predicted = self.predicted(gamma)
        for layer in range(len(gamma)):
            known = not math.isnan(gamma[layer])
            kinds = {"before": self.values[layer], "after": self.values[layer + 1], "predicted": predicted[layer]}
            for name, values in kinds.items():
                number = _condition(values[:, : self.rank]) if known or name == "before" else math.nan
                yield {"metric": f"condition_number_{name}", "source": "residual", "layer": layer, "value": number}
            gap = np.linalg.norm(predicted[layer] - self.turned[layer], axis=-1)
            gap = float(np.median(gap / np.linalg.norm(self.turned[layer], axis=-1)))
            yield {"metric": "spectrum_distance", "source": "residual", "layer": layer, "value": gap}

    def predicted(self, gamma: np.ndarray) -> np.ndarray:
        """l (1 - gamma l)^2, what GD++ with this gamma leaves of every eigenvalue."""
        before = self.values[:-1]
        return before * (1.0 - gamma[:, None, None] * before) ** 2

    def arrays(self, gamma: np.ndarray, shown: int) -> dict[str, np.ndarray]:
        """The spectra, as the class says."""
        kinds = {"before": self.values[:-1], "after": self.turned, "predicted": self.predicted(gamma)}
        some = {f"eigenvalues_{name}": values[:, :shown] for name, values in kinds.items()}
        return {"spectrum": self.values.mean(axis=1), **some}


class _Fit:
    """A regression through zero of changes on what they should be proportional to, added up over parts of a batch."""

    def __init__(self, prompt: RegressionPrompt) -> None:
        self.rounding = _ROUNDING * torch.finfo(prompt.x.dtype).eps
        self.products = torch.zeros(4, dtype=torch.float64)
        self.cosines: list[Tensor] = []
        self.slopes: list[Tensor] = []

    def add(self, change: Tensor, along: Tensor, of: Tensor) -> None:
        """Take in (batch pos d) changes, the regressor, and what was changed."""
        parts = (change * along, along.square(), change.square(), of.square())
        self.products += torch.stack([part.sum() for part in parts]).cpu()
        self.slopes.append(parts[0].sum(dim=(1, 2)) / parts[1].sum(dim=(1, 2)))
        self.cosines.append(cosine_similarity(change.flatten(1), along.flatten(1), dim=1, eps=1e-300))

    @property
    def slope(self) -> float:
        product, along, _, _ = self.products.tolist()
        return product / along if along else math.nan

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
        """Whether there is a change, and something that it could be proportional to."""
        _, along, change, of = self.products.tolist()
        return along > 0 and math.sqrt(change) > self.rounding * math.sqrt(of)


def _condition(values: np.ndarray) -> float:
    """The median ratio of the largest to the smallest eigenvalue of (prompt d_in)."""
    least = np.maximum(values.min(axis=-1), 0.0)
    with np.errstate(divide="ignore"):
        return float(np.median(values.max(axis=-1) / least))


def _from_weights(
    subject: RegressionSubject, prompt: RegressionPrompt, identified: list[bool]
) -> Iterator[dict[str, object]]:
    """gamma and step size off the products; nothing for a model that is more than linear attention."""
    if why_not_attention_only(subject) is not None:
        return
    model = subject.with_weights()
    if set(model.config.kernels) != {"linear"} or model.config.bias:
        return
    d_in, d_out = prompt.x.shape[-1], prompt.y.shape[-1]
    A, V = (product.diagonal(dim1=-2, dim2=-1) for product in weight_products(model))
    beta = A[..., :d_in].mean(dim=-1)
    gamma, size = (-(beta * diagonal.mean(dim=-1)).sum(dim=1) for diagonal in (V[..., :d_in], V[..., -d_out:]))
    for layer, known in enumerate(identified):
        where = {"source": "weights", "layer": layer}
        yield {"metric": "identified", **where, "value": float(known)}
        yield {"metric": "gamma", **where, "value": float(gamma[layer]) if known else math.nan}
        yield {"metric": "step_size", **where, "value": float(size[layer])}
