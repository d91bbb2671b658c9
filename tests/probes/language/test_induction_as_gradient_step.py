"""A linear pair head is one gradient step, an induction head a normalised bigram, and untrained heads are neither."""

from functools import cache
from typing import Any

import pandas as pd
import pytest
import torch

from mesa import generator
from mesa.learners.token_predictors import gradient_step
from probes import CONTROLS, InductionAsGradientStep, LanguageSubject
from tasks import AssociativeRecall
from tests.helpers.token_subjects import CHAIN, REPEATED, induction, pair_step, untrained

PROBE = InductionAsGradientStep(prompts=24)


@cache
def table_of(subject: LanguageSubject) -> pd.DataFrame:
    return PROBE(subject, generator(0, "tests/step")).table


def values(subject: LanguageSubject, metric: str, **where) -> pd.Series:
    table = table_of(subject)
    table = table[table["metric"] == metric]
    for name, value in where.items():
        table = table[table[name] == value]
    return table.set_index("learner")["value"]


@pytest.mark.parametrize(
    ("subject", "own", "scale"),
    [(pair_step(), "gradient_step", 0.25), (induction(CHAIN), "normalised_bigram", 6.0)],
    ids=["pair step", "induction"],
)
@pytest.mark.parametrize("where", [{"scope": "model"}, {"scope": "head", "layer": 1, "head": 0}], ids=["model", "head"])
def test_on_a_chain_each_head_is_its_own_algorithm_and_no_rival(subject, own, scale, where):
    far = values(subject, "relative_distance", **where)
    assert far[own] < 1e-10
    assert far.drop(own).min() > 0.2
    assert values(subject, "scale", **where)[own] == pytest.approx(scale, rel=1e-10)
    assert values(subject, "cosine", **where)[own] == pytest.approx(1, abs=1e-12)
    assert values(subject, "cosine", **where).drop(own).max() < 0.99
    assert values(subject, "top_agreement", **where)[own] == 1


def test_a_cosine_alone_would_not_tell_the_rivals_apart():
    subject = pair_step()
    cosine, far = values(subject, "cosine", scope="model"), values(subject, "relative_distance", scope="model")
    # The smoothed bigram is near by its cosine, and still a fifth away.
    assert cosine["smoothed_log_bigram"] > 0.8 and far["smoothed_log_bigram"] > 0.2


def test_where_keys_have_one_value_rules_nearly_coincide():
    far = values(induction(AssociativeRecall(vocabulary=8, length=6)), "relative_distance", scope="model")
    assert far["normalised_bigram"] < 1e-10 and far["most_recent"] < 1e-10
    assert far["gradient_step"] < 0.5


@pytest.mark.parametrize("task", [CHAIN, REPEATED], ids=["chain", "repeated"])
def test_untrained_heads_and_models_are_no_gradient_step(task):
    subject = untrained(task)
    for where in ({"scope": "model"}, {"scope": "head", "layer": 1, "head": 0}):
        assert values(subject, "relative_distance", **where)["gradient_step"] > 0.9
        assert abs(values(subject, "cosine", **where)["gradient_step"]) < 0.4


def test_another_order_of_tokens_is_no_gradient_step():
    subject = CONTROLS["shuffled_tokens"](pair_step())
    assert isinstance(subject, LanguageSubject)
    assert values(subject, "relative_distance", scope="model")["gradient_step"] > 0.5


def test_the_previous_token_head_writes_no_logits():
    subject = pair_step()
    assert values(subject, "norm", layer=0, head=0).item() == 0
    assert values(subject, "relative_distance", layer=0, head=0).isna().all()


def test_the_scale_is_fitted_on_other_prompts():
    subject = untrained(CHAIN)
    own = generator(0, "tests/step")
    tuning, prompt = (subject.prompts(PROBE.prompts, own) for _ in range(2))

    def centred(asked):
        scored, symbols = asked.scored[:, 1:], torch.arange(4)
        f = subject.predict(asked)[scored][:, :4]
        g = gradient_step(asked, symbols)[scored]
        return f - f.mean(dim=1, keepdim=True), g - g.mean(dim=1, keepdim=True)

    (f, g), (f2, g2) = centred(tuning), centred(prompt)
    scale = (f * g).sum() / (g * g).sum()
    assert values(subject, "scale", scope="model")["gradient_step"] == pytest.approx(float(scale), rel=1e-9)
    wanted = float((f2 - scale * g2).norm() / f2.norm())
    assert values(subject, "relative_distance", scope="model")["gradient_step"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("norm", ["LN", "RMS"])
def test_heads_and_the_rest_of_the_stream_add_up_to_the_model(norm):
    from probes.language.heads import Unembedding
    from probes.language.induction_as_gradient_step import _written

    subject = untrained(normalization=norm, final_norm=True, d_mlp=6)
    model: Any = subject.model
    symbols = torch.tensor([3, 0, 7])
    prompt = subject.prompts(5, generator(0, "tests/sum"))
    scored = prompt.scored[:, 1:]
    out = Unembedding.of(subject, symbols)
    written = dict(_written(subject, prompt, out, symbols))
    _, cache = model.run_with_cache(prompt.tokens[:, :-1])
    scale = cache["ln_final.hook_scale"][scored]
    rest = cache["embed"] + cache["pos_embed"] + cache["mlp_out", 0] + cache["mlp_out", 1]
    total = sum(value for key, value in written.items() if key) + out(rest[scored], scale)
    torch.testing.assert_close(total, written[()], rtol=0, atol=1e-10)


def test_learners_are_checked_by_name():
    with pytest.raises(ValueError, match=r"^learners: 'trigram' is not one of gradient_step, "):
        InductionAsGradientStep(learners=("trigram",))
