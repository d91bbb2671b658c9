"""The best predictor has no distance to itself, an untrained model is nearest to uniform, others as they must be."""

import numpy as np
import pytest
import torch

from mesa import LanguageConfig, generator
from mesa.models.language import TokenTransformer
from probes.controls.reference_models import BestPredictor
from probes.language.token_alignment import TokenAlignment
from probes.measure import measure
from probes.probe import Skipped
from probes.subject import LanguageSubject
from tasks import AssociativeRecall, MarkovChain, NextTokenReader, RepeatedTokens, TokenTask
from tests.helpers.subjects import constructed

PROBE = TokenAlignment(prompts=64)
TASKS = [MarkovChain(length=40), RepeatedTokens(vocabulary=8, length=20, shortest=4, longest=8), AssociativeRecall()]


def best(task: TokenTask) -> LanguageSubject:
    predictor = task.bayes_predictor()
    assert predictor is not None
    return LanguageSubject(BestPredictor(predictor), NextTokenReader(), task)


def untrained(task: TokenTask) -> LanguageSubject:
    config = LanguageConfig(n_layers=2, d_model=16, kernel="softmax")
    model = TokenTransformer(config, task.d_vocab, task.n_ctx, seed=3, dtype=torch.float64)
    return LanguageSubject(model, NextTokenReader(), task)


def read(subject: LanguageSubject, metric: str) -> dict[str, float]:
    table = PROBE(subject, generator(0, "tests/tokens")).table
    return table[table["metric"] == metric].set_index("learner")["value"].to_dict()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_the_best_predictor_has_no_distance_to_itself_and_beats_the_others(task):
    assert read(best(task), "kl")["best"] == pytest.approx(0, abs=1e-12)
    losses = read(best(task), "learner_loss")
    assert losses["best"] == min(losses.values())


def test_on_markov_chains_the_bigram_is_the_best_predictor():
    scores = read(best(MarkovChain(length=40)), "kl")
    assert scores["bigram"] == pytest.approx(0, abs=1e-12)
    assert 0.02 < scores["unigram"] < scores["uniform"]


def test_on_noisy_chains_it_is_not():
    assert read(best(MarkovChain(length=40, noise=0.3)), "kl")["bigram"] > 1e-3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_an_untrained_model_is_nearest_to_uniform(task):
    scores = read(untrained(task), "kl")
    assert min(scores, key=lambda name: scores[name]) == "uniform"


def test_the_order_of_a_batch_changes_nothing():
    task = MarkovChain(length=20)

    class Reversed(MarkovChain):
        def sample(self, batch, generator):
            prompt = super().sample(batch, generator)
            return type(prompt)(prompt.tokens.flip(0), prompt.scored.flip(0))

    plain = untrained(task)
    first = PROBE(plain, generator(0, "order")).table["value"]
    other = PROBE(LanguageSubject(plain.model, plain.reader, Reversed(length=20)), generator(0, "order")).table["value"]
    np.testing.assert_allclose(first, other, rtol=1e-12)


def test_it_applies_to_token_sequences_alone():
    assert PROBE.applies(best(TASKS[0])) is None
    skipped = measure(PROBE, constructed())
    assert isinstance(skipped, Skipped) and "token sequences" in skipped.reason
