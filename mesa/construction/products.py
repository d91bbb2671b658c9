"""The products A = W_Q W_K^T and V = W_V W_O: linear attention depends on its weights only through these."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.models.in_context import InContextTransformer

Products = Float[Tensor, "layer head d_model d_model"]


def weight_products(model: InContextTransformer) -> tuple[Products, Products]:
    """A (divided by the attention scale) and V of every head of a model, detached."""
    attns = [block.attn for block in model.blocks]
    with torch.no_grad():
        A = torch.stack([attn.W_Q @ attn.W_K.mT / attn.attn_scale for attn in attns])
        V = torch.stack([attn.W_V @ attn.W_O for attn in attns])
    return A, V


def from_products(model: InContextTransformer, A: Products, V: Products) -> InContextTransformer:
    """A copy of a model with these products: W_Q = A, W_V = V, W_K = W_O = I.

    Raises ValueError unless d_head = d_model, for a wrong shape, and for tied layers with different products.

    >>> from mesa.config.model import InContextConfig
    >>> model = InContextTransformer(InContextConfig(), d_token=4)
    >>> A, V = weight_products(model)
    >>> bool(torch.allclose(weight_products(from_products(model, A, V))[1], V))
    True
    """
    cfg = model.cfg
    if cfg.d_head != cfg.d_model:
        raise ValueError(f"d_head: {cfg.d_head} must equal d_model, {cfg.d_model}, for a head to hold any product")
    shape = (cfg.n_layers, cfg.n_heads, cfg.d_model, cfg.d_model)
    for name, product in (("A", A), ("V", V)):
        if tuple(product.shape) != shape:
            raise ValueError(f"{name}: shape {tuple(product.shape)} must be (layer, head, d_model, d_model) = {shape}")
        # Tied layers are one set of weights: their products may differ by rounding and no more.
        if model.config.tied and not torch.allclose(product, product[:1].expand_as(product), equal_nan=True):
            raise ValueError(f"{name}: tied layers have one product, and these differ between layers")
    twin = copy.deepcopy(model)
    eye = torch.eye(cfg.d_model, dtype=cfg.dtype)
    with torch.no_grad():
        for block, a, v in zip(twin.blocks, A, V, strict=True):
            block.attn.W_Q.copy_(a * block.attn.attn_scale)
            block.attn.W_V.copy_(v)
            block.attn.W_K.copy_(eye.expand_as(block.attn.W_K))
            block.attn.W_O.copy_(eye.expand_as(block.attn.W_O))
    return twin
