"""Weights written by hand that do exactly one known thing."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.construction.gradient_step import gradient_step_model
    from mesa.construction.induction_head import induction_model
    from mesa.construction.interleaved_step import interleaved_step_model
    from mesa.construction.newton_step import newton_model
    from mesa.construction.pair_step import pair_step_layer, pair_step_model, pair_tokens
    from mesa.construction.previous_token import previous_token_model
    from mesa.construction.products import from_products, weight_products
    from mesa.construction.softmax_step import softmax_step_model

__all__ = [
    "from_products",
    "gradient_step_model",
    "induction_model",
    "interleaved_step_model",
    "newton_model",
    "pair_step_layer",
    "pair_step_model",
    "pair_tokens",
    "previous_token_model",
    "softmax_step_model",
    "weight_products",
]

_EXPORTS = {
    "from_products": "mesa.construction.products",
    "gradient_step_model": "mesa.construction.gradient_step",
    "induction_model": "mesa.construction.induction_head",
    "interleaved_step_model": "mesa.construction.interleaved_step",
    "newton_model": "mesa.construction.newton_step",
    **dict.fromkeys(("pair_step_layer", "pair_step_model", "pair_tokens"), "mesa.construction.pair_step"),
    "previous_token_model": "mesa.construction.previous_token",
    "softmax_step_model": "mesa.construction.softmax_step",
    "weight_products": "mesa.construction.products",
}
__getattr__ = lazily(__name__, _EXPORTS)
