"""On neighbouring tokens every probe measures, or says in one line why it cannot."""

import pytest
import torch

from mesa import InContextConfig, InContextTransformer
from probes import Reading, RegressionSubject
from probes.measure import measure
from probes.plan import probe_of
from probes.probe import Skipped
from probes.registry import PROBES
from tasks import InterleavedReader, LinearRegression

# Those that make sense there; others need an example's x and y in one token, one layer, or symbols.
MEASURING = {
    "copying_sensitivity",
    "gd_alignment",
    "identify",
    "layer_matching",
    "linear_decoding",
    "order_sensitivity",
    "out_of_distribution",
}


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_measures_or_says_why_not(name: str) -> None:
    config = InContextConfig(n_layers=2, kernel=["softmax", "linear"])
    model = InContextTransformer(config, 14, dtype=torch.float64)
    subject = RegressionSubject(model, InterleavedReader(), LinearRegression(d_in=4, context=3))
    outcome = measure(probe_of(name, 60), subject)
    if name in MEASURING:
        assert isinstance(outcome, Reading) and len(outcome.table)
    if isinstance(outcome, Skipped):
        assert outcome.reason and "\n" not in outcome.reason
