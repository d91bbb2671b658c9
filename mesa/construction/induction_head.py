"""A two-layer induction head: it finds earlier occurrences of a token and writes what followed them ([OL], [EL]).

Layer 0 writes the previous token into channels of its own (`previous_token`). In layer 1 the score of query i and key j
is 2S where the token before j is the token at i, S for the first position, and 0 elsewhere. This is K composition: the
key reads what layer 0 wrote. The value is the token at j, and zero for the first position. With m matches the head
writes the mean of the m tokens that followed. Without a match it attends to the first position and writes zero. This is
the rule `normalised_bigram` at every position.

It is exact up to n e^-S of a softmax row, with S = 50 + log n (`previous_token`). The pair (x_0, x_1) counts too: the
key at position 1 matches where the first token occurs again. At position 0 the key would match itself;
`Channels.without_bos` removes this.
"""

import torch

from mesa.construction.previous_token import Channels, blank, saturated, write_previous_token
from mesa.models.language import TokenTransformer


def induction_model(
    d_vocab: int,
    n_ctx: int,
    bos: int,
    *,
    n_heads: int = 1,
    strength: float = 10.0,
    dtype: torch.dtype = torch.float64,
) -> TokenTransformer:
    """Its logits are `strength` times the share of each symbol among those that followed the current token, else 0.

    `bos` is the id that every sequence begins with. Head 0 of each layer works, other heads are zero. Raises
    ValueError for an empty size and for a `bos` that is no id.

    >>> model = induction_model(d_vocab=5, n_ctx=8, bos=4)
    >>> model(torch.tensor([[4, 0, 2, 1, 0, 3, 0]]))[0, -1].round(decimals=9).tolist()
    [0.0, 0.0, 5.0, 5.0, 0.0]
    """
    if not 0 <= bos < d_vocab:
        raise ValueError(f"bos: {bos} must be an id, 0 to {d_vocab - 1}")
    model = blank(d_vocab, n_ctx, ("softmax", "softmax"), n_heads, max(d_vocab + 1, n_ctx), dtype)
    write_previous_token(model)
    channels, score = Channels(d_vocab, n_ctx), saturated(n_ctx)
    attn = model.blocks[1].attn
    with torch.no_grad():
        attn.W_Q[0, channels.token, :d_vocab] = 2 * score * torch.eye(d_vocab, dtype=dtype)
        attn.W_K[0, :, :d_vocab] = channels.without_bos(bos, channels.previous).to(dtype)
        # The sum of the position channels is 1 at every query: each gives this score to the first position.
        attn.W_Q[0, channels.position, d_vocab] = score
        attn.W_K[0, channels.position.start, d_vocab] = 1.0
        write_copy(model, bos, strength)
    return model


def write_copy(model: TokenTransformer, bos: int, strength: float) -> None:
    """Make head 0 of layer 1 copy the token it attends to, but not the first one, to logits of size `strength`."""
    d_vocab = model.cfg.d_vocab
    channels = Channels(d_vocab, model.cfg.n_ctx)
    attn, eye = model.blocks[1].attn, torch.eye(d_vocab, dtype=model.cfg.dtype)
    with torch.no_grad():
        attn.W_V[0, :, :d_vocab] = channels.without_bos(bos, channels.token).to(eye)
        attn.W_O[0, :d_vocab, channels.output] = eye
        model.unembed.W_U[channels.output] = strength * eye
