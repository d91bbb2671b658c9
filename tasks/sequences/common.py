"""What distributions of token sequences share: checks of sizes, the first token, and noisy copies of symbols."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tasks.limits import LARGEST
from tasks.prompt import TokenPrompt


def check(noise: float, **sizes: tuple[int, int]) -> None:
    """Raise ValueError, naming the field, for a size outside of its bounds or a noise outside 0..1.

    A size is given as (value, least value); the largest one is `LARGEST`.
    """
    for name, (value, least) in sizes.items():
        if not least <= value <= LARGEST:
            raise ValueError(f"{name}: {value} must be at least {least} and at most {LARGEST}")
    if not 0 <= noise < 1:
        raise ValueError(f"noise: {noise} must be at least 0 and below 1, the share of tokens that are random")


@dataclass(frozen=True)
class ClosedForm:
    """A token predictor that is a function of prompts."""

    function: Callable[[TokenPrompt], Float[Tensor, "batch pos d_vocab"]]
    name: str = "bayes"

    def log_probabilities(self, prompt: TokenPrompt) -> Float[Tensor, "batch pos d_vocab"]:
        """The values of the function."""
        return self.function(prompt)


def with_bos(symbols: Int[Tensor, "batch symbol"], bos: int) -> Int[Tensor, "batch pos"]:
    """The sequences with the token `bos` in front."""
    return torch.cat([symbols.new_full((len(symbols), 1), bos), symbols], dim=1)


def uniform_guess(prompt: TokenPrompt, d_vocab: int, low: int, high: int) -> Float[Tensor, "batch pos d_vocab"]:
    """Logits of a uniform guess among the ids low..high-1, for every next token.

    >>> prompt = TokenPrompt(torch.tensor([[3, 0]]), torch.tensor([[False, True]]))
    >>> uniform_guess(prompt, d_vocab=4, low=0, high=2).softmax(dim=-1).tolist()
    [[[0.5, 0.5, 0.0, 0.0]]]
    """
    logits = torch.full((d_vocab,), -torch.inf, device=prompt.tokens.device)
    logits[low:high] = 0.0
    return logits.expand(len(prompt), prompt.tokens.shape[1] - 1, d_vocab)


def corrupted(
    symbols: Int[Tensor, "batch symbol"], noise: float, low: int, high: int, generator: torch.Generator
) -> Int[Tensor, "batch symbol"]:
    """Each symbol, with probability `noise`, replaced by one drawn uniformly from low..high-1, itself included."""
    like = {"generator": generator, "device": generator.device}
    draw = torch.randint(low, high, symbols.shape, **like)
    return torch.where(torch.rand(symbols.shape, **like) < noise, draw, symbols)


def posterior_of_copy(counts: Float[Tensor, "*position symbol"], noise: float) -> Float[Tensor, "*position symbol"]:
    """The next copy's distribution, given counts of noisy copies of one hidden symbol, drawn uniformly.

    A copy is the hidden symbol v with probability a = (1 - noise) + noise/V and any other with b = noise/V, so that
    P(v | counts) is proportional to a^counts[v] b^(sum of the other counts), and the next copy is v with probability
    (1 - noise) P(v | counts) + noise/V. Counts that cannot be copies of one symbol give NaN.

    >>> posterior_of_copy(torch.tensor([1.0, 0.0]), noise=0.2)
    tensor([0.8200, 0.1800])
    """
    size = counts.shape[-1]
    p_hit, p_miss = 1 - noise + noise / size, torch.tensor(noise / size, dtype=counts.dtype, device=counts.device)
    misses = counts.sum(dim=-1, keepdim=True) - counts
    posterior = (torch.xlogy(counts, p_hit) + torch.xlogy(misses, p_miss)).softmax(dim=-1)
    return (1 - noise) * posterior + noise / size


def log_with_bos(probabilities: Float[Tensor, "batch pos symbol"]) -> Float[Tensor, "batch pos d_vocab"]:
    """Logarithms, with one more id at the end: the first token's, whose probability is always 0."""
    return torch.nn.functional.pad(probabilities, (0, 1)).log()
