"""The number of weights that a configuration says is the number that its model has."""

import pytest

from mesa import InContextConfig, LanguageConfig
from mesa.config.model import ModelConfig
from mesa.models.in_context import InContextTransformer
from mesa.models.language import TokenTransformer
from mesa.models.size import training_bytes, weight_count

CONFIGS: tuple[ModelConfig, ...] = (
    InContextConfig(),
    InContextConfig(n_layers=3, n_heads=2, d_head=4),
    InContextConfig(n_layers=3, tied=True, d_mlp=7, normalization="RMS"),
    InContextConfig(d_model=6, input_mlp=9, d_mlp=7, normalization="LN", final_norm=True),
    LanguageConfig(d_model=6, n_layers=2, n_heads=3, d_head=2, kernel="softmax"),
    LanguageConfig(d_model=6, d_mlp=5, normalization="LN", final_norm=True, kernel=["softmax"]),
    LanguageConfig(d_model=6, d_mlp=5, normalization="RMS", kernel="linear"),
)


@pytest.mark.parametrize("config", CONFIGS)
def test_weights_are_counted_without_building_the_model(config: ModelConfig) -> None:
    language = config.kind == "language"
    model = TokenTransformer(config, 5, 8) if language else InContextTransformer(config, 5)
    assert weight_count(config, 5, 8) == sum(weight.numel() for weight in model.parameters())
    assert training_bytes(config, 5, 8, 4) >= 16 * weight_count(config, 5, 8)


def test_a_model_with_more_layers_needs_more_memory_also_where_they_are_tied() -> None:
    few, many = (training_bytes(InContextConfig(n_layers=count, tied=True), 5, 1, 4) for count in (10, 10_000))
    assert many > 100 * few
