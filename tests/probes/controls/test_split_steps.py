"""Steps split between heads are one step together, and each head does the share that it is given."""

import numpy as np
import pytest
import torch

from mesa import InContextConfig, InContextTransformer, generator
from mesa.construction import weight_products
from mesa.learners import GradientDescent
from probes import CONTROLS, GDAlignment, HeadAttribution, RegressionSubject
from tasks import InterleavedReader, LinearRegression, PairedReader
from tests.helpers.subjects import constructed

PROBE = GDAlignment(prompts=2000, learners=(GradientDescent(),), by_layer=False)


def two_heads(seed: int = 0) -> RegressionSubject:
    model = InContextTransformer(InContextConfig(n_heads=2), 11, dtype=torch.float64)
    return RegressionSubject(model, PairedReader(), LinearRegression(), seed=seed)


def control(name: str, subject: RegressionSubject) -> RegressionSubject:
    made = CONTROLS[name](subject)
    assert isinstance(made, RegressionSubject), made
    return made


@pytest.mark.parametrize(("name", "shares"), [("uneven_split", [0.95, 0.05]), ("opposed_split", [2.0, -1.0])])
def test_heads_write_their_shares_of_one_step(name: str, shares: list[float]) -> None:
    split = control(name, two_heads())
    prompt = split.prompts(50, generator(0, "tests/split"))
    one = control("constructed", constructed())
    torch.testing.assert_close(split.predict(prompt), one.predict(prompt), rtol=1e-10, atol=1e-10)
    direct = HeadAttribution(prompts=400)(split, generator(0, "tests/split")).array("direct")
    assert direct[0] == pytest.approx(shares, abs=1e-9)


def test_a_random_split_is_uniform_over_seeds_and_sums_to_one_step() -> None:
    shares = []
    for seed in range(40):
        _, V = weight_products(control("random_split", two_heads(seed)).with_weights())
        shares.append(float(V[0, 0, -1, -1] / V[0, :, -1, -1].sum()))
    # 40 draws: the mean of a uniform share is within four standard errors of a half.
    assert np.mean(shares) == pytest.approx(0.5, abs=4 * (1 / 12 / 40) ** 0.5)
    assert min(shares) < 0.2 and max(shares) > 0.8 and all(0 < share < 1 for share in shares)


def test_one_head_cannot_share() -> None:
    assert CONTROLS["random_split"](constructed()) == "for one layer of several heads of linear attention"


def test_an_undercorrected_step_on_interleaved_tokens_is_near_one_step_and_is_none() -> None:
    reader, task = InterleavedReader(), LinearRegression(d_in=4, context=6)
    model = InContextTransformer(InContextConfig(n_layers=2), 24, dtype=torch.float64)
    subject = RegressionSubject(model, reader, task)
    ratios = {}
    for name in ("constructed_interleaved", "constructed_undercorrected"):
        table = PROBE(control(name, subject), generator(0, "tests/step")).table
        losses = table[table["metric"].isin(["loss", "learner_loss"])].assign(who=table["learner"].fillna("model"))
        by_name = losses.drop_duplicates("who", keep="last").set_index("who")["value"]
        ratios[name] = by_name["model"] / by_name["gd"]
        zero = by_name["zero"] / by_name["gd"]
    assert ratios["constructed_interleaved"] == pytest.approx(1, abs=0.01)
    # Clearly worse than one step, and far better than predicting zero.
    assert 1.2 < ratios["constructed_undercorrected"] < 1.5 < 2 < zero
