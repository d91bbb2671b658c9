"""How near is a language model's prediction to each explicit predictor's, from uniform to the best there is?"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners.token_predictors import smoothed_log_bigram, uniform, unigram
from probes.readings.reading import Reading
from probes.subject import LanguageSubject
from tasks.prompt import TokenPrompt

# Predictors are tables of (batch pos symbol) in float64: more symbols than this, and they fill the memory.
LARGEST = 4096
# The phases that a model of Markov chains goes through ([EDEL]), with the rule that each is named for.
PHASES = {"uniform": uniform, "unigram": unigram, "bigram": smoothed_log_bigram}


@dataclass(frozen=True)
class TokenAlignment:
    """Compare next-token distributions with explicit ones, on the scored tokens of one and the same batch.

    Metrics, in nats, means over the scored tokens:

    - `loss`: the model's cross-entropy, from 0 (every token certain); log V for a uniform guess over V symbols.
    - `learner_loss`: the same of each learner.
    - `kl`: KL(learner || model), from 0, only for equal distributions, without an upper bound.

    Learners (the first three: [EDEL] Edelman et al. 2024, arXiv 2402.11004):

    - `uniform`: every symbol alike.
    - `unigram`: the symbols so far, each counted once more.
    - `bigram`: the successors so far of the current symbol, each counted once more.
    - `best`: the task's own best predictor.

    >>> from mesa.config.model import LanguageConfig
    >>> from mesa.models.language import TokenTransformer
    >>> from tasks import MarkovChain, NextTokenReader
    >>> task = MarkovChain(vocabulary=3, length=8)
    >>> model = TokenTransformer(LanguageConfig(d_model=8, kernel="softmax"), task.d_vocab, task.n_ctx)
    >>> subject = LanguageSubject(model, NextTokenReader(), task)
    >>> reading = TokenAlignment(prompts=10)(subject, torch.Generator().manual_seed(0))
    >>> sorted(reading.table["learner"].dropna().unique())
    ['best', 'bigram', 'uniform', 'unigram']
    """

    prompts: int = 512
    name: str = "token_alignment"

    @LanguageSubject.needed_to_apply
    def applies(self, subject: LanguageSubject) -> str | None:
        """Language models on a task whose best predictor is known."""
        if subject.task.bayes_predictor() is None:
            return "the task has no predictor in closed form"
        if subject.task.d_vocab > LARGEST:
            return f"explicit predictors of {subject.task.d_vocab} symbols take too long; at most {LARGEST}"
        return None

    @LanguageSubject.needed_to_measure
    def __call__(self, subject: LanguageSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        prompt = subject.prompts(self.prompts, generator)
        model = subject.predict(prompt).double().log_softmax(dim=-1)
        rows: list[dict[str, object]] = [{"metric": "loss", "value": _loss(model, prompt)}]
        for name, guess in _guesses(subject, prompt):
            rows.append({"metric": "learner_loss", "learner": name, "value": _loss(guess, prompt)})
            rows.append({"metric": "kl", "learner": name, "value": _divergence(guess, model, prompt)})
        return Reading.of(rows)


def _guesses(subject: LanguageSubject, prompt: TokenPrompt) -> Iterator[tuple[str, Tensor]]:
    symbols = subject.task.vocabulary
    for name, rule in PHASES.items():
        log_probabilities = rule(prompt, torch.arange(symbols)).log_softmax(dim=-1)
        # The first token of a sequence, where it has an id of its own, never comes again.
        yield name, torch.nn.functional.pad(log_probabilities, (0, subject.task.d_vocab - symbols), value=-torch.inf)
    best = subject.task.bayes_predictor()
    if best is not None:
        yield "best", best.log_probabilities(prompt)


def _loss(log_probabilities: Float[Tensor, "batch pos d_vocab"], prompt: TokenPrompt) -> float:
    of_token = log_probabilities.gather(-1, prompt.tokens[:, 1:, None])[..., 0]
    return -of_token[prompt.scored[:, 1:]].mean().item()


def _divergence(
    guess: Float[Tensor, "batch pos d_vocab"], model: Float[Tensor, "batch pos d_vocab"], prompt: TokenPrompt
) -> float:
    weight = guess.exp()
    # A symbol to which the learner gives no probability adds nothing, whatever the model gives it.
    terms = torch.where(weight > 0, weight * (guess - model), torch.zeros_like(model))
    return terms.sum(dim=-1)[prompt.scored[:, 1:]].mean().item()
