"""Linear attention that does one gradient step on the pairs (x_t -> x_(t+1)) of a sequence (after [VO] Prop. 1).

Tokens are one-hot rows. On the pairs up to position p, t + 1 <= p, the loss L(W) = 1/(2N) sum_t |x_t W - x_(t+1)|^2
has at W = 0 the gradient -(1/N) sum_t x_t^T x_(t+1). One step of size eta makes W = c sum_t x_t^T x_(t+1), c = eta/N,
and predicts x_p W = c sum_t (x_p . x_t) x_(t+1): c times how often each symbol followed x_p. QED: this is a linear
head whose query is the current token, whose key is the token before the key's, and whose value is c times the key's
token. The key needs the token before it. Where tokens are pairs (x_(j-1), x_j), one causal layer is enough. Otherwise a
previous-token head writes it, and the linear layer is the second one. All positions have the same c.
"""

import torch

from mesa.config.model import InContextConfig
from mesa.construction.induction_head import write_copy
from mesa.construction.previous_token import Channels, blank, write_previous_token
from mesa.construction.products import from_products
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from tasks.prompt import TokenPrompt
from tasks.readers.reader import Inputs


def pair_tokens(prompt: TokenPrompt, d_vocab: int, dtype: torch.dtype = torch.float64) -> Inputs:
    """Tokens (the one before, this one, zeros), one-hot, 3 d_vocab wide; the first has none before it.

    >>> pair_tokens(TokenPrompt(torch.tensor([[1, 0, 1]]), torch.zeros(1, 3, dtype=torch.bool)), 2).values.tolist()
    [[[0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]]]
    """
    now = torch.nn.functional.one_hot(prompt.tokens[:, :-1], d_vocab).to(dtype)
    before = torch.nn.functional.pad(now, (0, 0, 1, -1))
    return Inputs(torch.cat([before, now, torch.zeros_like(now)], dim=-1), queries=0)


def pair_step_layer(step_size: float, *, d_vocab: int, dtype: torch.dtype = torch.float64) -> InContextTransformer:
    """One causal layer of linear attention on `pair_tokens`: its last d_vocab channels are the step's prediction.

    `step_size` is c = eta/N.

    >>> prompt = TokenPrompt(torch.tensor([[2, 0, 1, 0, 1, 0, 2]]), torch.zeros(1, 7, dtype=torch.bool))
    >>> pair_step_layer(0.5, d_vocab=3)(pair_tokens(prompt, 3))[0, -1, -3:].tolist()
    [0.0, 1.0, 0.0]
    """
    width = 3 * d_vocab
    model = InContextTransformer(InContextConfig(causal=True), width, dtype=dtype)
    A, V = torch.zeros(2, 1, 1, width, width, dtype=dtype)
    eye, now = torch.eye(d_vocab, dtype=dtype), slice(d_vocab, 2 * d_vocab)
    A[0, 0, now, :d_vocab] = eye
    V[0, 0, now, 2 * d_vocab :] = step_size * eye
    return from_products(model, A, V)


def pair_step_model(
    step_size: float,
    *,
    d_vocab: int,
    n_ctx: int,
    bos: int,
    n_heads: int = 1,
    dtype: torch.dtype = torch.float64,
) -> TokenTransformer:
    """A previous-token head and a linear one behind it: logits are the step's prediction, at every position.

    `step_size` is c = eta/N, `bos` the id that every sequence begins with. Head 0 of each layer works, other heads are
    zero. Raises ValueError for an empty size and for a `bos` that is no id.

    >>> model = pair_step_model(0.5, d_vocab=3, n_ctx=6, bos=2)
    >>> model(torch.tensor([[2, 0, 1, 0, 1, 0]]))[0, -1].round(decimals=9).tolist()
    [0.0, 1.0, 0.0]
    """
    if not 0 <= bos < d_vocab:
        raise ValueError(f"bos: {bos} must be an id, 0 to {d_vocab - 1}")
    model = blank(d_vocab, n_ctx, ("softmax", "linear"), n_heads, max(d_vocab, n_ctx), dtype)
    write_previous_token(model)
    channels, attn = Channels(d_vocab, n_ctx), model.blocks[1].attn
    with torch.no_grad():
        attn.W_Q[0, channels.token, :d_vocab] = torch.eye(d_vocab, dtype=dtype)
        attn.W_K[0, :, :d_vocab] = channels.without_bos(bos, channels.previous).to(dtype)
    write_copy(model, bos, step_size)
    return model
