"""Random blocks of symbols, repeated: the sequences on which induction heads are scored ([OL])."""

import torch
from jaxtyping import Bool
from torch import Tensor

from probes.subject import LanguageSubject
from tasks.prompt import TokenPrompt

# A longer block costs more and shows no more.
LONGEST = 25


def block_length(subject: LanguageSubject, repeats: int) -> int:
    """How long a block may be, at most 25, to fit so many times behind the first token, no symbol twice in it."""
    model = subject.with_hooks()
    return min((model.cfg.n_ctx - 1) // repeats, subject.task.d_vocab - 1, LONGEST)


def repeated(subject: LanguageSubject, like: TokenPrompt, repeats: int, generator: torch.Generator) -> TokenPrompt:
    """As many sequences as `like`, prompts of the task, has: their first token, the repeats, and one token more.

    A reader shows a model all but the last token: it then reads the repeats to their end. Each block is drawn anew,
    from all ids of the task but the first token's. Every token but the first is scored.
    """
    block, first = block_length(subject, repeats), like.tokens[:, :1]
    order = torch.rand(len(like), subject.task.d_vocab - 1, generator=generator, device=generator.device).argsort(dim=1)
    symbols = order[:, :block].to(first.device)
    symbols = symbols + (symbols >= first)
    body = symbols.repeat(1, repeats + 1)[:, : repeats * block + 1]
    tokens = torch.cat([first, body], dim=1)
    scored = torch.ones_like(tokens, dtype=torch.bool)
    scored[:, 0] = False
    return TokenPrompt(tokens, scored)


def induction_targets(prompt: TokenPrompt) -> Bool[Tensor, "batch pos key"]:
    """Whether a key stands right after an earlier occurrence of the token at a position.

    >>> prompt = TokenPrompt(torch.tensor([[9, 0, 1, 0, 1]]), torch.zeros(1, 5, dtype=torch.bool))
    >>> induction_targets(prompt)[0].int().tolist()
    [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    """
    read = prompt.tokens[:, :-1]
    targets = (read[:, :, None] == read.roll(1, dims=1)[:, None, :]).tril()
    # Nothing stands before the first token; rolled around, the last one would.
    targets[..., 0] = False
    return targets
