"""The free scale between A and V changes no number of a probe of weights; `tests/test_rows.py` holds the other laws."""

import numpy as np
import pytest

from mesa import InContextTransformer, generator
from mesa.construction import from_products, weight_products
from probes import GDAlignment, Interpolation, RegressionSubject, WeightProducts
from probes.probe import ProbeOf
from tests.helpers.subjects import constructed


@pytest.mark.parametrize("factor", [2.0, -0.5])
@pytest.mark.parametrize(
    "probe", [WeightProducts(prompts=300), Interpolation(prompts=300)], ids=lambda probe: probe.name
)
def test_the_free_scale_between_A_and_V_changes_nothing(probe: ProbeOf[RegressionSubject], factor: float) -> None:
    plain = constructed()
    assert isinstance(plain.model, InContextTransformer)
    A, V = weight_products(plain.model)
    scaled = RegressionSubject(from_products(plain.model, A * factor, V / factor), plain.reader, plain.task)
    first = probe(plain, generator(0, "tests/scale")).table
    other = probe(scaled, generator(0, "tests/scale")).table
    free = first["metric"] == "beta"
    np.testing.assert_allclose(first["value"][~free], other["value"][~free], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(other["value"][free], first["value"][free] * factor, rtol=1e-12)


def test_another_generator_gives_another_reading() -> None:
    first, other = (GDAlignment(prompts=300)(constructed(), generator(seed, "tests/pure")).table for seed in (3, 4))
    assert not first.equals(other)
