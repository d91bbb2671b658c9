"""Constructed heads get their known scores, untrained ones chance, and every score is its definition in a loop."""

from typing import Any

import numpy as np
import pytest
import torch

from mesa import LanguageConfig, generator
from mesa.construction import previous_token_model
from mesa.models.language import TokenTransformer
from probes import CONTROLS, InductionScores, LanguageSubject
from tasks import AssociativeRecall, MarkovChain, NextTokenReader, RepeatedTokens
from tests.helpers.token_subjects import CHAIN, REPEATED, induction, pair_step, untrained

PROBE = InductionScores(prompts=16)


def read(subject: LanguageSubject, probe: InductionScores = PROBE):
    return probe(subject, generator(0, "tests/scores"))


def head(reading, metric: str) -> np.ndarray:
    return reading.array(metric)


def model_row(reading, metric: str, prompts: str) -> float:
    table = reading.table[(reading.table["metric"] == metric) & (reading.table["prompts"] == prompts)]
    return table["value"].item()


def test_the_constructed_heads_have_the_scores_that_they_are_made_for():
    reading = read(induction())
    # Head 0 of each layer works, head 1 is zero and attends to all alike.
    wanted = {"previous_token": 0, "prefix_matching": 1, "copied_share": 1, "copying_eigenvalues": 1}
    for metric, layer in wanted.items():
        scores = head(reading, metric)
        assert scores[layer, 0] == pytest.approx(1, abs=1e-9), metric
        assert scores[1 - layer, 0] < 0.06 or metric == "previous_token", metric
        assert scores[:, 1].max() < 0.3, metric
    assert head(reading, "previous_token")[1, 0] < 0.06
    # Nothing can be known in the first repeat, all but the first token of the second one later.
    assert model_row(reading, "last_minus_first_repeat", "repeated") == pytest.approx(-np.log(11), abs=0.05)
    assert model_row(reading, "in_context_score", "repeated") == pytest.approx(-np.log(11), abs=0.05)
    assert model_row(reading, "loss", "repeated") < np.log(11)
    assert model_row(reading, "loss", "task") < 1.0


@pytest.mark.parametrize("task", [REPEATED, CHAIN, AssociativeRecall(vocabulary=12, length=10)])
def test_prefixes_are_matched_on_the_task_s_own_prompts_too(task):
    scores = head(read(induction(task)), "task_prefix_matching")
    assert scores[1, 0] == pytest.approx(1, abs=1e-9) and max(scores[0, 0], scores[1, 1]) < 0.6
    assert head(read(untrained(task)), "task_prefix_matching").max() < 0.6
    probe, subject = InductionScores(prompts=3), untrained(task, init_variance=20.0)
    own = subject.prompts(3, generator(0, "tests/scores"))
    model: Any = subject.model
    _, cache = model.run_with_cache(own.tokens[:, :-1])
    values = []
    for b, row in enumerate(own.tokens[:, :-1].tolist()):
        for i, token in enumerate(row):
            after = [t + 1 for t in range(i) if row[t] == token]
            if after and own.scored[b, i + 1]:
                values.append(cache["pattern", 1][b, 2, i, after].sum().item())
    assert head(read(subject, probe), "task_prefix_matching")[1, 2] == pytest.approx(np.mean(values), abs=1e-12)


def test_a_linear_pattern_is_read_as_shares():
    reading = read(pair_step())
    assert head(reading, "prefix_matching")[1, 0] == pytest.approx(1, abs=1e-9)
    assert head(reading, "copied_share")[1, 0] == pytest.approx(1, abs=1e-9)
    # The zero head's linear pattern is zero, and has no shares.
    assert not head(reading, "prefix_matching")[1, 1]


@pytest.mark.parametrize("task", [REPEATED, CHAIN], ids=["repeated", "chain"])
def test_untrained_heads_have_what_chance_gives(task):
    reading = read(untrained(task))
    pos = head(reading, "pattern").shape[-1]
    uniform = np.mean([1 / (i + 1) for i in range(1, pos)])
    # Initial scores are small: patterns are near uniform.
    np.testing.assert_allclose(head(reading, "previous_token"), uniform, rtol=0.1)
    assert head(reading, "prefix_matching").max() < 0.3
    assert head(reading, "copied_share").mean() < 0.4
    assert abs(head(reading, "copying_eigenvalues").mean()) < 0.3
    assert abs(model_row(reading, "last_minus_first_repeat", "repeated")) < 0.1
    assert abs(model_row(reading, "in_context_score", "repeated")) < 0.3
    assert model_row(reading, "loss", "task") == pytest.approx(np.log(task.d_vocab), abs=0.3)


def test_previous_token_heads_alone_match_no_prefix():
    model = previous_token_model(REPEATED.d_vocab, REPEATED.n_ctx)
    reading = read(LanguageSubject(model, NextTokenReader(), REPEATED))
    assert head(reading, "previous_token").item() == pytest.approx(1)
    assert head(reading, "prefix_matching").item() == pytest.approx(0, abs=1e-12)


def test_another_order_of_tokens_hides_the_prefixes_and_not_the_places():
    subject = CONTROLS["shuffled_tokens"](induction())
    assert isinstance(subject, LanguageSubject)
    reading = read(subject)
    assert head(reading, "previous_token")[0, 0] == pytest.approx(1)
    assert head(reading, "prefix_matching")[1, 0] < 0.4
    assert model_row(reading, "last_minus_first_repeat", "repeated") > -1


@pytest.mark.parametrize("config", [{}, {"kernel": ["softmax", "linear"], "normalization": "LN", "final_norm": True}])
def test_each_score_is_its_definition(config):
    subject = untrained(init_variance=20.0, **config)
    reading = read(subject, InductionScores(prompts=1))
    tokens, patterns = reading.array("tokens").tolist(), reading.array("pattern")
    model: Any = subject.model
    _, cache = model.run_with_cache(torch.tensor([tokens]))
    block, pos = (len(tokens) - 1) // 4, len(tokens)
    assert tokens[0] == REPEATED.d_vocab - 1 and len(set(tokens[1 : block + 1])) == block
    assert tokens[1:] == tokens[1 : block + 1] * 4
    W_U = model.W_U.detach()
    for layer in range(2):
        for h in range(4):
            A = np.abs(patterns[layer, h]) / np.abs(patterns[layer, h]).sum(axis=1, keepdims=True)
            previous = np.mean([A[i, i - 1] for i in range(1, pos)])
            prefix, copied = [], []
            shares = []
            for j in range(pos):
                written = cache["v", layer][0, j, h] @ model.W_O[layer, h]
                if config:
                    written = (written - written.mean()) * model.ln_final.w
                logits = written @ W_U
                raised = (logits - logits.mean()).clamp(min=0)
                shares.append(float((raised[tokens[j]] / raised.sum()).detach()))
            for i in range(block + 1, pos):
                after = [t + 1 for t in range(1, i) if tokens[t] == tokens[i]]
                prefix.append(sum(A[i, j] for j in after))
                copied.append(sum(A[i, j] * shares[j] for j in range(i + 1)))
            for metric, value in (
                ("previous_token", previous),
                ("prefix_matching", np.mean(prefix)),
                ("copied_share", np.mean(copied)),
            ):
                assert head(reading, metric)[layer, h] == pytest.approx(value, abs=1e-10), (metric, layer, h)


@pytest.mark.parametrize("norm", [None, "RMS"])
def test_the_eigenvalues_are_those_of_the_whole_matrix(norm):
    subject = untrained(normalization=norm, final_norm=norm is not None)
    model: Any = subject.model
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".w"):
                weight.copy_(1 + 0.3 * torch.randn(weight.shape, generator=generator(0, name), dtype=weight.dtype))
    scores = head(read(subject), "copying_eigenvalues")
    W_U = model.W_U - model.W_U.mean(dim=1, keepdim=True)
    if norm:
        W_U = model.ln_final.w[:, None] * W_U
    for layer in range(2):
        for h in range(4):
            W_V = model.W_V[layer, h] if norm is None else model.blocks[layer].ln1.w[:, None] * model.W_V[layer, h]
            values = torch.linalg.eigvals((model.W_E @ W_V @ model.W_O[layer, h] @ W_U).detach())
            wanted = float(values.sum().real / values.abs().sum())
            assert scores[layer, h] == pytest.approx(wanted, abs=1e-8)


def test_losses_are_by_position_and_scored_on_the_task_alone():
    reading = read(induction())
    rows = reading.table[reading.table["metric"] == "loss_by_position"]
    task, repeated = (rows[rows["prompts"] == name] for name in ("task", "repeated"))
    assert task["position"].tolist() == list(range(5, 26))
    assert repeated["position"].tolist() == list(range(1, 26))
    assert repeated["value"].mean() == pytest.approx(model_row(reading, "loss", "repeated"))


def test_the_in_context_score_compares_two_positions():
    reading = read(induction())
    rows = reading.table[reading.table["metric"] == "loss_by_position"]
    # 25 positions of repeated tokens and 21 scored ones of the task, at 50/512 and at 500/512 of them.
    for prompts, early, late in (("repeated", 2, 24), ("task", 6, 25)):
        by_position = rows[rows["prompts"] == prompts].set_index("position")["value"]
        wanted = by_position[late] - by_position[early]
        assert model_row(reading, "in_context_score", prompts) == pytest.approx(wanted), prompts


def test_what_does_not_fit_is_said():
    assert PROBE.applies(induction()) is None
    short = untrained(MarkovChain(vocabulary=4, length=12))
    assert str(PROBE.applies(short)) == "4 repeats of 3 distinct symbols do not fit in 12 tokens of 4 symbols"
    assert "of 2 symbols" in str(PROBE.applies(untrained(MarkovChain(vocabulary=2, length=50))))
    with pytest.raises(ValueError, match=r"^repeats: 1 must be at least 2"):
        InductionScores(repeats=1)


def test_a_large_vocabulary_is_read_in_the_ids_that_occur():
    # Three sequences hold 13 to 16 ids: chance is one in about fifteen, not in 5,001.
    task = RepeatedTokens(vocabulary=5000, length=24, shortest=4, longest=8)
    config = LanguageConfig(n_layers=1, n_heads=2, d_model=8, d_head=4, kernel="softmax")
    model = TokenTransformer(config, task.d_vocab, task.n_ctx, dtype=torch.float64)
    reading = read(LanguageSubject(model, NextTokenReader(), task), InductionScores(prompts=3))
    chance = head(reading, "copied_share")
    assert chance.shape == (1, 2) and 0.02 < chance.mean() < 0.2
    assert reading.array("tokens").max() == 5000
