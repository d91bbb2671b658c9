"""The embedding and input MLP: a token t becomes t W_E + p W_out, with p = act(t W_E W_in + b_in)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mesa.fast.layer import Layer
from mesa.models.components import InputMLP, TokenEmbed


def embedded(embed: TokenEmbed, values: Float[Tensor, "batch pos d_token"]) -> Float[Tensor, "batch pos d_model"]:
    """The tokens before layer 0."""
    if embed.mlp is None:
        return embed(values)
    return values @ embed.W_E + _hidden(embed, embed.mlp, values) @ embed.mlp.W_out


def one_layer(
    embed: TokenEmbed, layer: Layer, values: Float[Tensor, "batch pos d_token"], count: int
) -> Float[Tensor, "batch query d_out"]:
    """What the queries hold in the read channels after one layer; no token of the context is embedded.

    Scores and values are linear in t and in p. So one product with t and one with p give both.
    """
    rows = embedded(embed, values[:, count:])
    batch, queries, _ = rows.shape
    heads, _, d_out = layer.V.shape
    key_directions = torch.einsum("brm,hmn->bhrn", rows, layer.A).flatten(1, 2)
    read_directions = torch.cat([key_directions, layer.V.mT.flatten(0, 1).expand(batch, -1, -1)], dim=1)
    context = values[:, :count]
    products = torch.bmm(context, (read_directions @ embed.W_E.T).mT)
    if embed.mlp is not None:
        hidden = _hidden(embed, embed.mlp, context)
        products = torch.baddbmm(products, hidden, (read_directions @ embed.mlp.W_out.T).mT)
    scores, read_values = products.mT.split([heads * queries, heads * d_out], dim=1)
    pattern = scores.softmax(-1) if layer.kernel == "softmax" else scores
    pattern = pattern.reshape(batch, heads, queries, count)
    read_values = read_values.reshape(batch, heads, d_out, count)
    return rows[..., -d_out:] + torch.einsum("bhrn,bhon->bro", pattern, read_values)


def _hidden(
    embed: TokenEmbed, mlp: InputMLP, values: Float[Tensor, "batch pos d_token"]
) -> Float[Tensor, "batch pos d_hidden"]:
    # The bias is the weight of a channel of ones: its gradient then needs no separate pass over the hidden units.
    weights = torch.cat([embed.W_E @ mlp.W_in, mlp.b_in[None]])
    pre = functional.pad(values, (0, 1), value=1.0).flatten(0, 1) @ weights
    # One pass over memory in place of the eight of TransformerLens's gelu_new.
    tanh = mlp.activation.__name__ == "gelu_new"
    post = functional.gelu(pre, approximate="tanh") if tanh else mlp.activation(pre)
    return post.view(*values.shape[:2], -1)
