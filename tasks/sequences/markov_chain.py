"""A fresh Markov chain per sequence ([EDEL] Edelman et al. 2024, arXiv 2402.11004)."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from tasks.predictor import TokenPredictor
from tasks.prompt import TokenPrompt
from tasks.sequences.common import ClosedForm, check, log_with_bos, uniform_guess, with_bos


@dataclass(frozen=True)
class MarkovChain:
    """Each prompt has its own transition matrix, its rows uniform on the simplex; the first symbol is uniform.

    With probability `noise` a symbol is drawn uniformly instead, and the chain goes on from that symbol. Symbols are
    0 .. vocabulary-1; the first token has the next id. Every symbol but the first is scored. Raises
    ValueError, naming the field, for a value outside its range.

    >>> task = MarkovChain(vocabulary=3, length=5)
    >>> task.sample(1, torch.Generator().manual_seed(0)).tokens.shape
    torch.Size([1, 6])
    """

    vocabulary: int = field(default=4, metadata={"about": "states of the chain"})
    length: int = field(default=64, metadata={"about": "symbols in a sequence"})
    noise: float = field(default=0.0, metadata={"about": "share of symbols drawn uniformly instead of by the chain"})

    __pydantic_config__: ClassVar[Any] = {"strict": True, "extra": "forbid"}

    def __post_init__(self) -> None:
        check(self.noise, vocabulary=(self.vocabulary, 2), length=(self.length, 2))

    @property
    def d_vocab(self) -> int:
        """Symbols and the first token."""
        return self.vocabulary + 1

    @property
    def n_ctx(self) -> int:
        """Tokens that a model reads."""
        return self.length

    def sample(self, batch: int, generator: torch.Generator) -> TokenPrompt:
        """Draw `batch` sequences (batch length+1)."""
        like = {"generator": generator, "device": generator.device}
        # Normalised exponentials are uniform on the simplex.
        rows = torch.empty(batch, self.vocabulary, self.vocabulary, device=generator.device)
        rows = rows.exponential_(generator=generator)
        rows = (1 - self.noise) * rows / rows.sum(dim=-1, keepdim=True) + self.noise / self.vocabulary
        bounds = rows.cumsum(dim=-1)
        draws = torch.rand(batch, self.length, 1, **like)
        symbol = (draws[:, 0, 0] * self.vocabulary).long().clamp(max=self.vocabulary - 1)
        drawn_symbols = [symbol]
        sequences = torch.arange(batch, device=generator.device)
        for position in range(1, self.length):
            # Rounding may leave the last bound below 1.
            symbol = (draws[:, position] > bounds[sequences, symbol]).sum(dim=-1).clamp(max=self.vocabulary - 1)
            drawn_symbols.append(symbol)
        symbols = torch.stack(drawn_symbols, dim=1)
        scored = torch.ones(batch, self.length + 1, dtype=torch.bool, device=generator.device)
        scored[:, :2] = False
        return TokenPrompt(with_bos(symbols, self.vocabulary), scored)

    def trivial_predictions(self, prompt: TokenPrompt) -> dict[str, Tensor]:
        """A uniform guess among all states."""
        return {"a uniform guess": uniform_guess(prompt, self.d_vocab, 0, self.vocabulary)}

    def bayes_predictor(self) -> TokenPredictor:
        """The posterior of each next token given the tokens before it."""
        return ClosedForm(self._log_probabilities)

    def _log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """Log-probabilities of each next token: for noise 0, (count of the transition + 1) / (count of the state + V).

        A state's row p, uniform on the simplex, gives the transitions' counts n the likelihood
        prod_j ((1 - noise) p_j + noise/V)^n_j. Multiplied out, with E prod p_j^m_j = (V-1)! prod m_j! / (V-1 + sum m)!,
        its mean is a sum over M = sum m of the coefficients of prod_j sum_m C(n_j, m) (1-noise)^m (noise/V)^(n_j-m) m!
        t^m, a product of polynomials in t. The next symbol is j with the ratio of two such means, n_j once more.
        """
        symbols = prompt.tokens[:, 1:]
        hot = torch.nn.functional.one_hot(symbols, self.vocabulary).double()
        probabilities = torch.full_like(hot, 1 / self.vocabulary)
        if symbols.shape[1] > 1:
            # The transitions out of the current state, among those before it.
            same_state = (symbols[:, :-1, None] == symbols[:, None, :-1]).tril(-1).double()
            probabilities[:, 1:] = self._next(same_state @ hot[:, 1:])
        return log_with_bos(probabilities)

    def _next(self, counts: Float[Tensor, "batch pos symbol"]) -> Float[Tensor, "batch pos symbol"]:
        if self.noise == 0:
            return (counts + 1) / (counts.sum(dim=-1, keepdim=True) + self.vocabulary)
        once_more = counts[..., None, :] + torch.eye(self.vocabulary, dtype=counts.dtype, device=counts.device)
        counts_and_next = torch.cat([counts[..., None, :], once_more], dim=-2)
        # Many positions have the same counts: each set of counts is computed once.
        distinct, index = torch.unique(counts_and_next.flatten(0, -2), dim=0, return_inverse=True)
        means = _log_mean(distinct, self.noise)[index].view(counts_and_next.shape[:-1])
        return (means[..., 1:] - means[..., :1]).exp()


def _log_mean(counts: Float[Tensor, "*position symbol"], noise: float) -> Float[Tensor, "*position"]:
    """The logarithm of E prod_j ((1 - noise) p_j + noise/V)^counts_j for p uniform on the simplex."""
    size, largest = counts.shape[-1], int(counts.max())
    power = torch.arange(largest + 1, dtype=counts.dtype, device=counts.device)
    n = counts[..., None]
    remaining = n - power
    log_choices = torch.lgamma(n + 1) - torch.lgamma(remaining.clamp(min=0) + 1)  # C(n, m) m!, in logarithms
    terms = log_choices + power * math.log1p(-noise) + remaining * math.log(noise / size)
    terms = terms.masked_fill(remaining < 0, -torch.inf)
    product = terms[..., 0, :]
    for symbol in range(1, size):
        product = _log_product(product, terms[..., symbol, :])
    degree = torch.arange(product.shape[-1], dtype=counts.dtype, device=counts.device)
    constant = math.lgamma(size) - torch.lgamma(degree + size)
    return (product + constant).logsumexp(dim=-1)


def _log_product(first: Tensor, second: Tensor) -> Tensor:
    """The coefficients of a product of polynomials whose coefficients are positive, all in logarithms."""
    shift = first.amax(-1, keepdim=True), second.amax(-1, keepdim=True)
    # Positive terms cannot cancel, so a term that underflows here would not change the sum.
    left, right = ((terms - largest).exp() for terms, largest in zip((first, second), shift, strict=True))
    product = torch.nn.functional.pad(torch.zeros_like(left), (0, right.shape[-1] - 1))
    for degree in range(right.shape[-1]):
        product[..., degree : degree + left.shape[-1]] += left * right[..., degree : degree + 1]
    return product.log() + shift[0] + shift[1]
