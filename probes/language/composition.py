"""Which later head reads what an earlier head writes? Q, K and V composition, and the QK trace ([EL])."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import FactoredMatrix
from transformer_lens.utilities import composition_scores

from probes.hooks import HookedModel
from probes.language.heads import first_norm, fold_norm, positivity, token_heads, weights
from probes.readings.reading import Reading
from probes.subject import LanguageSubject

INPUTS = ("q", "k", "v")
Pairs = Float[Tensor, "layer head to_layer to_head"]


@dataclass(frozen=True)
class Composition:
    """How much each later head reads of what each earlier head writes, computed from weights alone.

    W_OV = W_V W_O and W_QK = W_Q W_K^T act on row vectors. Metrics of every pair of heads:

    - `composition`: |W_OV M| / (|W_OV| |M|) in Frobenius norms, with W_OV of the earlier head. M is the later head's
      W_QK for `to_input` q, W_QK^T for k, and W_OV for v. From 0 to 1; random weights give about 1/sqrt(d_model), so
      compare with the untrained model. Missing where a product is zero. These are TransformerLens's
      `all_composition_scores`.
    - `qk_trace`: the trace of T over the sum of the moduli of its eigenvalues, with T = W_E W_QK W_OV^T W_E^T. 1 where
      each token matches only itself, about 0 where the later head does not read a token from the earlier head's write.

    The entry (a, b) of T is the score of a query token a with a key at which the earlier head has written the token b.
    A head that attends to what followed its own token raises the diagonal. T has the nonzero eigenvalues of a matrix of
    d_head squared, and no matrix of d_vocab squared is made. The trace means this only for earlier heads that
    `induction_scores` finds to be previous-token heads.

    The gains of norms are multiplied into the weights. Their scale and all positions, rotary ones too, are left out.

    Arrays (layer head to_layer to_head): `q`, `k`, `v`, `qk_trace`; NaN where the later layer is not later.

    >>> from mesa.construction import induction_model
    >>> from tasks import RepeatedTokens, NextTokenReader
    >>> subject = LanguageSubject(induction_model(33, 48, bos=32), NextTokenReader(), RepeatedTokens())
    >>> table = Composition()(subject, torch.Generator().manual_seed(0)).table
    >>> round(table[table.metric == "qk_trace"]["value"].item(), 6)
    1.0
    """

    name: str = "composition"

    @LanguageSubject.needed_to_apply
    def applies(self, subject: LanguageSubject) -> str | None:
        """Any language model of at least two layers with TransformerLens's weights."""
        reason = token_heads(subject)
        if reason is None and subject.n_layers < 2:
            return "one layer has no later one to compose with"
        return reason

    @LanguageSubject.needed_to_measure
    def __call__(self, subject: LanguageSubject, generator: torch.Generator) -> Reading:
        """Measure; nothing is random."""
        model = subject.with_hooks()
        with torch.no_grad():
            arrays = _scores(model)
            arrays["qk_trace"] = _traces(model, subject.task.d_vocab)
        rows = list(_rows(arrays))
        return Reading.of(rows, {name: array.cpu().numpy() for name, array in arrays.items()})


def _rows(arrays: dict[str, Pairs]) -> Iterator[dict[str, object]]:
    for name, scores in arrays.items():
        to_input = name if name in INPUTS else "k"
        metric = "composition" if name in INPUTS else name
        for layer, head, to_layer, to_head in torch.cartesian_prod(*map(torch.arange, scores.shape)).tolist():
            if to_layer > layer:
                columns = {"layer": layer, "head": head, "to_layer": to_layer, "to_head": to_head, "to_input": to_input}
                yield {"metric": metric, **columns, "value": float(scores[layer, head, to_layer, to_head])}


def _scores(model: HookedModel) -> dict[str, Pairs]:
    """The compositions to every input, in the model's own precision; NaN where the later layer is not later."""
    W_Q, W_K, W_V = (_folded(model, name) for name in ("W_Q", "W_K", "W_V"))
    W_O = torch.stack([weights(model, "W_O", layer) for layer in range(model.cfg.n_layers)]).to(model.W_O.dtype)
    OV, QK = FactoredMatrix(W_V, W_O), FactoredMatrix(W_Q, W_K.mT)
    scores = {to_input: composition_scores(OV, right).double() for to_input, right in zip(INPUTS, (QK, QK.T, OV))}
    return {name: score.where(_later(score), torch.full_like(score, torch.nan)) for name, score in scores.items()}


def _folded(model: HookedModel, name: str) -> Float[Tensor, "layer head d_model d_head"]:
    """A weight of every layer as it reads the residual stream: the gains of the norm before it are multiplied in."""
    layers = range(model.cfg.n_layers)
    folded = [fold_norm(model, first_norm(model, layer), weights(model, name, layer)) for layer in layers]
    return torch.stack(folded).to(getattr(model, name).dtype)


def _later(scores: Tensor) -> Tensor:
    layer = torch.arange(scores.shape[0], device=scores.device)
    return (layer[:, None, None, None] < layer[:, None]).expand(scores.shape)


def _traces(model: HookedModel, symbols: int) -> Pairs:
    layers, heads = model.cfg.n_layers, model.cfg.n_heads
    W_E = model.W_E.detach().double()[:symbols]
    between = W_E.mT @ W_E
    traces = torch.full((layers, heads, layers, heads), torch.nan, dtype=torch.float64, device=W_E.device)
    for layer in range(layers - 1):
        W_V = fold_norm(model, first_norm(model, layer), weights(model, "W_V", layer))
        W_O = weights(model, "W_O", layer)
        for later in range(layer + 1, layers):
            norm = first_norm(model, later)
            W_Q, W_K = (fold_norm(model, norm, weights(model, name, later)) for name in ("W_Q", "W_K"))
            # R L = W_K^T W_O^T W_V^T (W_E^T W_E) W_Q, for every earlier head (first axis) and later one (second).
            left = torch.einsum("hmk,ldm->lhkd", W_K, W_O)
            right = torch.einsum("lmd,mn,hnk->lhdk", W_V, between, W_Q)
            traces[layer, :, later] = positivity(left, right)
    return traces
