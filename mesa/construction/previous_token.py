"""A head that attends to the token before and writes which it was: the first half of an induction head ([OL], [EL]).

The residual stream (rows) has channels for the token, its position, the previous token and the output, all one-hot.
With W_Q = S sum_i p_i^T p_(i-1) on positions, W_K = I on positions, the score of query i and key j is S where j = i - 1
and 0 elsewhere; W_V W_O copies the token's channels to those of the previous token. The first position attends only to
itself, so it writes its own token there. `Channels.without_bos` subtracts it again.

Saturation: a softmax row of n keys puts 1/(1 + (n - 1) e^-S) on the key of score S. What is missing is below n e^-S, so
S = 50 + log n leaves less than 2e-22 of a row, and adding it to numbers about 1 changes nothing in float64 (1.1e-16).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.config.model import Kernel, LanguageConfig
from mesa.models.language import TokenTransformer


@dataclass(frozen=True)
class Channels:
    """Which channels of the residual stream hold what, for `d_vocab` ids and `n_ctx` positions.

    >>> channels = Channels(d_vocab=3, n_ctx=5)
    >>> channels.position, channels.width
    (slice(3, 8, None), 14)
    """

    d_vocab: int
    n_ctx: int

    @property
    def token(self) -> slice:
        """The token at a position."""
        return slice(0, self.d_vocab)

    @property
    def position(self) -> slice:
        """The position."""
        return slice(self.d_vocab, self.d_vocab + self.n_ctx)

    @property
    def previous(self) -> slice:
        """The token at the position before."""
        return slice(self.position.stop, self.position.stop + self.d_vocab)

    @property
    def output(self) -> slice:
        """What the unembedding reads."""
        return slice(self.previous.stop, self.previous.stop + self.d_vocab)

    @property
    def width(self) -> int:
        """All channels."""
        return self.output.stop

    def without_bos(self, bos: int, channels: slice) -> Float[Tensor, "d_model d_vocab"]:
        """The matrix that reads the id in these channels, and zero at the first position, where the token is `bos`.

        `channels` are those of the token or, behind a previous-token head, of the previous token: at the first position
        both hold `bos`. The channel of that position, which is 1 nowhere else, subtracts it.
        """
        matrix = torch.zeros(self.width, self.d_vocab, dtype=torch.float64)
        matrix[channels] = torch.eye(self.d_vocab, dtype=torch.float64)
        matrix[self.position.start, bos] = -1.0
        return matrix


def saturated(n_ctx: int) -> float:
    """The score of a key that leaves less than 2e-22 of a softmax row to `n_ctx` - 1 keys of score 0."""
    return 50.0 + math.log(n_ctx)


def blank(
    d_vocab: int, n_ctx: int, kernel: tuple[Kernel, ...], n_heads: int, d_head: int, dtype: torch.dtype
) -> TokenTransformer:
    """A model whose embeddings are one-hot and whose heads and unembedding are zero; ValueError for an empty size."""
    for name, value in (("d_vocab", d_vocab), ("n_ctx", n_ctx), ("n_heads", n_heads)):
        if value < 1:
            raise ValueError(f"{name}: {value} must be at least 1")
    channels = Channels(d_vocab, n_ctx)
    config = LanguageConfig(
        n_layers=len(kernel),
        n_heads=n_heads,
        d_model=channels.width,
        d_head=d_head,
        kernel=list(kernel),
        attn_scale=1.0,
    )
    model = TokenTransformer(config, d_vocab, n_ctx, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.embed.W_E[:, channels.token] = torch.eye(d_vocab, dtype=dtype)
        model.pos_embed.W_pos[:, channels.position] = torch.eye(n_ctx, dtype=dtype)
    return model


def write_previous_token(model: TokenTransformer, layer: int = 0, head: int = 0) -> None:
    """Make a head of a `blank` model attend to the position before and copy its token to the `previous` channels."""
    n_ctx = model.cfg.n_ctx
    channels = Channels(model.cfg.d_vocab, n_ctx)
    attn = model.blocks[layer].attn
    with torch.no_grad():
        attn.W_Q[head, channels.position, :n_ctx] = saturated(n_ctx) * torch.eye(n_ctx).roll(-1, dims=1).to(attn.W_Q)
        # The first position has none before it; `roll` made its query match the last one.
        attn.W_Q[head, channels.position.start] = 0.0
        attn.W_K[head, channels.position, :n_ctx] = torch.eye(n_ctx).to(attn.W_K)
        eye = torch.eye(channels.d_vocab).to(attn.W_V)
        attn.W_V[head, channels.token, : channels.d_vocab] = eye
        attn.W_O[head, : channels.d_vocab, channels.previous] = eye


def previous_token_model(
    d_vocab: int, n_ctx: int, *, n_heads: int = 1, strength: float = 1.0, dtype: torch.dtype = torch.float64
) -> TokenTransformer:
    """One softmax layer whose logits are `strength` at the token before, its own at the first position, else 0.

    Head 0 works, other heads are zero. Raises ValueError for an empty size.

    >>> model = previous_token_model(d_vocab=4, n_ctx=5)
    >>> model(torch.tensor([[3, 0, 2]]))[0].argmax(dim=-1).tolist()
    [3, 3, 0]
    """
    model = blank(d_vocab, n_ctx, ("softmax",), n_heads, max(d_vocab, n_ctx), dtype)
    write_previous_token(model)
    with torch.no_grad():
        channels = Channels(d_vocab, n_ctx)
        model.unembed.W_U[channels.previous] = strength * torch.eye(d_vocab, dtype=dtype)
    return model
