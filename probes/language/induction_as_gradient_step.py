"""Is what an induction head writes one gradient step on the pairs (x_t -> x_(t+1)) of its context? (after [VO])"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mesa.registry import TOKEN_PREDICTORS
from probes.language.heads import LARGE, ROUNDING, Unembedding, per_head, pieces, token_heads, watched, weights
from probes.readings.reading import Reading
from probes.subject import LanguageSubject
from tasks.prompt import TokenPrompt

# Explicit predictors tie by construction; sums of ones in float64 are exact, logarithms of equal numbers too.
_TIE = 1e-9
# The writer of the logits, () for the model and (layer, head) for a head, and the learner compared with it.
_Pair: TypeAlias = tuple[tuple[int, ...], str]


@dataclass(frozen=True)
class InductionAsGradientStep:
    """Compare the logits that the model, and each head alone, writes with explicit predictors of the next symbol.

    The learners are those of `mesa.registry.TOKEN_PREDICTORS`. `gradient_step` is one step from zero on the pairs, and
    equals the raw counts of successors. f are logits of the model or of one head, g the answers of a learner, both at
    scored positions. Both are mean-centred over the symbols, the ids that are scored at all, because a mean does not
    change softmax. A final norm keeps the scale that it has in the model.

    Metrics per learner, with `scope` model or head:

    - `scale`: the factor a with the least |f - a g|, fitted on other prompts than those that are scored.
    - `relative_distance`: |f - a g| / |f| over all positions; 0 where f is a g, 1 where g explains nothing of f.
    - `cosine`: the cosine of f and g, from -1 to 1; it does not depend on the scale.
    - `top_agreement`: how often f and g have the same largest symbol, from 0 to 1. Positions where g has several are
      left out. Where f has several, each counts in part.

    Metric of every f:

    - `norm`: its root mean square over positions and symbols.

    Undefined numbers are missing: the cosine with `uniform`, and all numbers of a head that writes nothing. With more
    than 4,096 ids fewer prompts are drawn; they have about 4,096 tokens together.

    Where few tokens have occurred twice, all learners but `unigram` nearly coincide: a token that occurred once has one
    successor. In a Markov chain states recur with different successors, which tells the learners apart best.

    >>> from mesa.construction import pair_step_model
    >>> from tasks import MarkovChain, NextTokenReader
    >>> model = pair_step_model(0.5, d_vocab=5, n_ctx=20, bos=4)
    >>> subject = LanguageSubject(model, NextTokenReader(), MarkovChain(length=20))
    >>> table = InductionAsGradientStep(prompts=20)(subject, torch.Generator().manual_seed(0)).table
    >>> step = table[(table.learner == "gradient_step") & (table.scope == "model")].set_index("metric")["value"]
    >>> step.round(6).to_dict()
    {'scale': 0.5, 'relative_distance': 0.0, 'cosine': 1.0, 'top_agreement': 1.0}
    """

    prompts: int = 256
    learners: tuple[str, ...] = tuple(TOKEN_PREDICTORS)
    name: str = "induction_as_gradient_step"

    def __post_init__(self) -> None:
        unknown = [name for name in self.learners if name not in TOKEN_PREDICTORS]
        if unknown:
            raise ValueError(f"learners: {unknown[0]!r} is not one of {', '.join(TOKEN_PREDICTORS)}")

    @LanguageSubject.needed_to_apply
    def applies(self, subject: LanguageSubject) -> str | None:
        """Any language model with hooks."""
        return token_heads(subject)

    @LanguageSubject.needed_to_measure
    def __call__(self, subject: LanguageSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness fits the scales, the second scores."""
        most = max(8, LARGE // subject.task.n_ctx) if subject.task.d_vocab > LARGE else self.prompts
        tuning, prompt = (subject.prompts(min(self.prompts, most), generator) for _ in range(2))
        symbols = torch.unique(torch.cat([batch.tokens[:, 1:][batch.scored[:, 1:]] for batch in (tuning, prompt)]))
        out = Unembedding.of(subject, symbols)
        totals = [self._totals(subject, batch, out, symbols) for batch in (tuning, prompt)]
        scales = {key: fit.fg / fit.gg if fit.gg > 0 else fit.fg for key, fit in totals[0].items()}
        distances = self._distances(subject, prompt, out, symbols, scales)
        rows: list[dict[str, object]] = []
        for key, sums in totals[1].items():
            head, learner = dict(zip(("layer", "head"), key[0], strict=False)), key[1]
            columns = {"scope": "head" if head else "model", **head}
            values = {
                "scale": scales[key] if sums.gg > 0 else torch.nan,
                "relative_distance": (distances[key] / sums.ff).sqrt(),
                "cosine": sums.fg / (sums.ff * sums.gg).sqrt(),
                "top_agreement": sums.agreed / sums.decided if sums.ff > 0 else torch.nan,
            }
            if learner == self.learners[0]:
                rows.append(
                    {"metric": "norm", **columns, "value": float((sums.ff / sums.positions / len(symbols)).sqrt())}
                )
            rows += [{"metric": m, **columns, "learner": learner, "value": float(value)} for m, value in values.items()]
        return Reading.of(rows)

    def _totals(
        self, subject: LanguageSubject, prompt: TokenPrompt, out: Unembedding, symbols: Tensor
    ) -> "dict[_Pair, _Totals]":
        totals: dict[_Pair, _Totals] = {}
        for writer, learner, f, g, answer in self._pairs(subject, prompt, out, symbols):
            totals.setdefault((writer, learner), _Totals()).add(f, g, answer)
        return totals

    def _distances(
        self,
        subject: LanguageSubject,
        prompt: TokenPrompt,
        out: Unembedding,
        symbols: Tensor,
        scales: dict[_Pair, Tensor],
    ) -> dict[_Pair, Tensor]:
        """|f - a g|^2 from the differences; from sums of squares, an exact agreement would have a distance of 1e-8."""
        total: dict[_Pair, Tensor] = {}
        for writer, learner, f, g, _ in self._pairs(subject, prompt, out, symbols):
            gap = (f - scales[writer, learner] * g).square().sum()
            total[writer, learner] = total.get((writer, learner), torch.zeros_like(gap)) + gap
        return total

    def _pairs(
        self, subject: LanguageSubject, prompt: TokenPrompt, out: Unembedding, symbols: Int[Tensor, " symbol"]
    ) -> Iterator[tuple[tuple[int, ...], str, Tensor, Tensor, Tensor]]:
        """The writer, the learner, their centred logits and answers (place symbol), and the answers before centring."""
        for batch in pieces(prompt, part_size(prompt, len(symbols))):
            scored = batch.scored[:, 1:]
            guesses = {name: TOKEN_PREDICTORS[name].rule()(batch, symbols)[scored] for name in self.learners}
            for writer, f in _written(subject, batch, out, symbols):
                for name, g in guesses.items():
                    yield writer, name, f, g - g.mean(dim=1, keepdim=True), g


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


@dataclass(eq=False)
class _Totals:
    """Sums over places, piece by piece."""

    ff: Tensor = field(default_factory=_zero)
    fg: Tensor = field(default_factory=_zero)
    gg: Tensor = field(default_factory=_zero)
    agreed: Tensor = field(default_factory=_zero)
    decided: Tensor = field(default_factory=_zero)
    positions: int = 0

    def add(self, f: Tensor, g: Tensor, answer: Tensor) -> None:
        if not len(f):
            return
        first = answer >= answer.amax(dim=1, keepdim=True) - _TIE
        single = first.sum(dim=1) == 1
        top = f >= f.amax(dim=1, keepdim=True) - ROUNDING * f.abs().amax()
        hit = (top & first).sum(dim=1).double() / top.sum(dim=1)
        self.ff, self.fg, self.gg = self.ff + (f * f).sum(), self.fg + (f * g).sum(), self.gg + (g * g).sum()
        self.agreed, self.decided = self.agreed + (hit * single).sum(), self.decided + single.sum()
        self.positions += len(f)


def part_size(prompt: TokenPrompt, symbols: int) -> int:
    """How many numbers one prompt needs in memory: its matches, and the answers of all learners and of one head."""
    pos = prompt.tokens.shape[1]
    return pos * (pos + len(TOKEN_PREDICTORS) * symbols)


def _written(
    subject: LanguageSubject, prompt: TokenPrompt, out: Unembedding, symbols: Int[Tensor, " symbol"]
) -> Iterator[tuple[tuple[int, ...], Float[Tensor, "place symbol"]]]:
    """The centred logits at scored positions of the model, (), and of each head (layer, head) alone."""
    model = subject.with_hooks()
    layers = range(model.cfg.n_layers)
    scale = [out.scale_name] if out.scale_name else []
    logits, activations = watched(subject, prompt, [*(f"blocks.{layer}.attn.hook_z" for layer in layers), *scale])
    scored = prompt.scored[:, 1:]
    model_logits = logits[scored][:, symbols.to(logits.device)]
    yield (), model_logits - model_logits.mean(dim=1, keepdim=True)
    size = activations[out.scale_name][scored] if out.scale_name else None
    for layer in layers:
        z, W_O = per_head(activations[f"blocks.{layer}.attn.hook_z"], model.cfg.n_heads), weights(model, "W_O", layer)
        for head in range(model.cfg.n_heads):
            yield (layer, head), out(z[:, :, head][scored] @ W_O[head], size)
