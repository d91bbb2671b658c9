"""Language models whose heads have weights set by hand to do a known thing."""

from dataclasses import dataclass, replace

import torch

from mesa.construction.induction_head import induction_model
from mesa.construction.pair_step import pair_step_model
from mesa.models.language import TokenTransformer
from mesa.rng import generator
from probes.subject import LanguageSubject

# A construction has one channel for every id and position; above this width it is no small model any more.
_WIDEST = 2048


def constructed_induction(subject: LanguageSubject) -> LanguageSubject | str:
    """A previous-token head and an induction head: the mean of what followed the current token (positive)."""
    sizes = _sizes(subject)
    if isinstance(sizes, str):
        return sizes
    model = induction_model(sizes.d_vocab, sizes.n_ctx, bos=sizes.bos, dtype=sizes.dtype)
    return _replaced(subject, model, "constructed_induction")


def constructed_pair_step(subject: LanguageSubject) -> LanguageSubject | str:
    """A previous-token head and a linear head: one gradient step on the pairs of the sequence (positive)."""
    sizes = _sizes(subject)
    if isinstance(sizes, str):
        return sizes
    model = pair_step_model(1.0, d_vocab=sizes.d_vocab, n_ctx=sizes.n_ctx, bos=sizes.bos, dtype=sizes.dtype)
    return _replaced(subject, model, "constructed_pair_step")


@dataclass(frozen=True)
class _Sizes:
    d_vocab: int
    n_ctx: int
    bos: int
    dtype: torch.dtype


def _sizes(subject: LanguageSubject) -> _Sizes | str:
    """What a construction for this subject's task needs, or why there is none."""
    d_vocab = subject.task.d_vocab
    n_ctx = max(subject.task.n_ctx, 0 if subject.hooked is None else subject.hooked.cfg.n_ctx)
    if 3 * d_vocab + n_ctx > _WIDEST:
        return f"one-hot channels for {d_vocab} ids and {n_ctx} positions would be more than {_WIDEST}"
    bos = int(subject.prompts(1, generator(subject.seed, "control/constructed")).tokens[0, 0])
    return _Sizes(d_vocab, n_ctx, bos, subject.dtype)


def _replaced(subject: LanguageSubject, model: TokenTransformer, name: str) -> LanguageSubject:
    return replace(subject, model=model.to(subject.device, print_details=False), control=name)
