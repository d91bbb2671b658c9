"""Are the weights those of gradient descent? A = W_Q W_K^T and V = W_V W_O, compared with [VO] proposition 1."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mesa.construction.products import weight_products
from probes.readings.reading import Reading
from probes.subject import RegressionSubject
from probes.weights.normalised_products import construction_products, identified, scaled, why_not_single_linear_head
from tasks.prompt import RegressionPrompt


@dataclass(frozen=True)
class WeightProducts:
    """Compare the rescaled products with the construction's, on the entries that the loss can see.

    Metrics of a layer's `product` M, A or V, where the construction's is M*:

    - `relative_distance`: |M - M*| / |M*| (Frobenius); 0 where the two are equal.
    - `off_diagonal_mass`: the norm of the entries where M* is zero, relative to that of the others; 0 in M*.
    - `diagonal_spread`, of A only: the standard deviation of the d_in diagonal entries relative to their mean; 0 in A*.

    Metrics of a layer:

    - `beta`: the scale of A, by which A is divided and V multiplied.
    - `step_size`: minus the last diagonal entry of the rescaled V.

    All but `beta` are missing (NaN) while beta is near zero. Arrays: A, V, their constructions, and masks of identified
    entries; `pattern` is the last layer's attention on one prompt, divided by beta.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=10), PairedReader(), LinearRegression())
    >>> table = WeightProducts(prompts=500)(subject, torch.Generator().manual_seed(0)).table
    >>> bool((table[table.metric == "off_diagonal_mass"].value == 0).all())
    True
    """

    prompts: int = 10_000
    name: str = "weight_products"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """One-head linear self-attention on paired tokens only."""
        return why_not_single_linear_head(subject)

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the randomness only tunes the construction's step size."""
        model = subject.with_weights()
        tuning = subject.prompts(self.prompts, generator)
        d_in, d_out = tuning.x.shape[-1], tuning.y.shape[-1]
        _, products = construction_products(subject, tuning)
        trained, constructed = scaled(*weight_products(model), d_in), scaled(*products, d_in)
        masks = dict(zip("AV", identified(model.cfg.n_layers, d_in, d_out), strict=True))
        rows, arrays = [], {}
        for product in "AV":
            M, target = (trained.A, constructed.A) if product == "A" else (trained.V, constructed.V)
            mask = masks[product].to(M.device)
            for layer in range(model.cfg.n_layers):
                for metric, number in _compare(M[layer], target[layer], mask[layer], d_in, product):
                    value = number if trained.defined else float("nan")
                    rows.append({"metric": metric, "product": product, "layer": layer, "head": 0, "value": value})
            arrays |= {product: M, f"{product}_construction": target, f"{product}_identified": mask}
        for layer in range(model.cfg.n_layers):
            size = -float(trained.V[layer, -1, -1]) if trained.defined else float("nan")
            rows += [{"metric": "beta", "layer": layer, "head": 0, "value": float(trained.beta[layer])}]
            rows += [{"metric": "step_size", "layer": layer, "head": 0, "value": size}]
        arrays["pattern"] = self._pattern(subject, tuning) / trained.beta[-1]
        return Reading.of(rows, {name: array.cpu().numpy() for name, array in arrays.items()})

    def _pattern(self, subject: RegressionSubject, prompt: RegressionPrompt) -> Tensor:
        """The last layer's attention on the first prompt, (query_pos key_pos)."""
        inputs = subject.encode(prompt.batch(0, 1))
        model = subject.with_weights()
        with torch.no_grad():
            _, cache = model.run_with_cache(inputs, names_filter=lambda name: name.endswith("hook_pattern"))
        return cache["pattern", model.cfg.n_layers - 1][0, 0]


def _compare(M: Tensor, target: Tensor, mask: Tensor, d_in: int, product: str) -> Iterator[tuple[str, float]]:
    M, target = M * mask, target * mask
    yield "relative_distance", float((M - target).norm() / target.norm())
    yield "off_diagonal_mass", float(M[target == 0].norm() / M[target != 0].norm())
    if product == "A":
        diagonal = M.diagonal()[:d_in]
        yield "diagonal_spread", float(diagonal.std(correction=0) / diagonal.mean())
