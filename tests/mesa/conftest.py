"""Models with weights large enough that every part of them matters, in float64, and prompts for them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mesa import InContextConfig, InContextTransformer
from tasks import Inputs


@pytest.fixture
def lively() -> Callable[..., InContextTransformer]:
    """A model of a configuration with every parameter, biases too, drawn from N(0, .4^2) (norms' gains about 1)."""

    def make(d_token: int = 4, dtype: torch.dtype = torch.float64, **config: Any) -> InContextTransformer:
        model = InContextTransformer(InContextConfig(**config), d_token, dtype=dtype)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                gain = 1.0 if name.endswith(".w") else 0.0
                if weight.requires_grad:
                    weight.copy_(gain + 0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
        return model

    return make


@pytest.fixture
def tokens() -> Callable[..., Inputs]:
    """Random tokens, the last `queries` of them queries."""

    def make(
        batch: int = 3, pos: int = 6, width: int = 4, queries: int = 2, dtype: torch.dtype = torch.float64
    ) -> Inputs:
        generator = torch.Generator().manual_seed(1)
        return Inputs(torch.randn(batch, pos, width, generator=generator, dtype=dtype), queries)

    return make
