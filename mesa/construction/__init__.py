"""Weights written by hand that do exactly one known thing."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.construction.gradient_step import gradient_step_model
    from mesa.construction.newton_step import newton_model
    from mesa.construction.products import from_products, weight_products
    from mesa.construction.softmax_step import softmax_step_model

__all__ = ["from_products", "gradient_step_model", "newton_model", "softmax_step_model", "weight_products"]

_EXPORTS = {
    "from_products": "mesa.construction.products",
    "gradient_step_model": "mesa.construction.gradient_step",
    "newton_model": "mesa.construction.newton_step",
    "softmax_step_model": "mesa.construction.softmax_step",
    "weight_products": "mesa.construction.products",
}
__getattr__ = lazily(__name__, _EXPORTS)
