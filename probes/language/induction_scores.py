"""Which heads attend to the previous token, which to what followed it earlier, and which copy? ([OL], [EL])"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probes.hooks import HookedModel
from probes.language.heads import (
    LARGE,
    ROUNDING,
    Unembedding,
    attention,
    first_norm,
    fold_norm,
    per_head,
    pieces,
    positivity,
    share,
    token_heads,
    watched,
    weights,
)
from probes.language.repeats import block_length, induction_targets, repeated
from probes.readings.reading import Reading
from probes.subject import LanguageSubject
from tasks.prompt import TokenPrompt
from tasks.readers.next_token import token_losses

# In blocks of two the token before is also the one after an earlier occurrence.
SHORTEST = 3
# [OL] compares the loss of the 50th of 512 tokens with that of the 500th; other contexts are compared at these shares.
EARLY, LATE = 50 / 512, 500 / 512


@dataclass(frozen=True)
class InductionScores:
    """Scores of every head on a first token and `repeats` times a block of random, distinct symbols; and losses.

    Metrics of every head, from 0 to 1 (`copying_eigenvalues` from -1):

    - `previous_token`: the mean attention from a position to the one before; 1 where it attends nowhere else.
    - `prefix_matching`: the attention from a token to those right after its earlier occurrences, summed over them, mean
      over repeats 2 and on; 1 where it attends nowhere else.
    - `copied_share`: the share of what a source token makes a head add to the logits that goes to that token itself.
      Logits are mean-centred over the symbols and rectified, and tokens are weighted by the attention they get in
      repeats 2 and on. 1 where only attended tokens are raised, about 1/V by chance for V symbols. The copying score of
      [OL] differs: it looks at the tokens of the sample alone, and is scaled to -1 .. 1.
    - `task_prefix_matching`: prefix matching on the subject's own prompts, mean over scored positions whose token came
      before. A model may have learnt nothing about random tokens, such as keys among values.
    - `copying_eigenvalues`: the sum of the eigenvalues of W_E W_V W_O W_U over the sum of their moduli, with the norms'
      gains multiplied in and their scale left out; 1 where all are positive.

    A pattern of a linear kernel is no distribution. Its moduli are divided by their sum, 0 where all are 0. This leaves
    a softmax pattern as it is.

    Metrics of the model, in nats:

    - `loss`: the mean cross-entropy, from 0.
    - `loss_by_position`: the same for each `position` of the predicted token.
    - `in_context_score`: the loss at a late position minus that at an early one ([OL]), below 0 where the context
      helps. These are the positions at 500/512 and at 50/512 of the scored positions.
    - `last_minus_first_repeat`: the mean loss of the last repeat minus that of the first; on repeated sequences only.

    With `prompts` = `repeated` these are losses on the repeated sequences, all tokens; with `task`, on prompts of the
    subject's own task, scored tokens only. A model trained on scored tokens alone may guess anything in the first
    repeat.

    A block is as long as fits, at most 25: repeats * block + 1 tokens are read. Of more than 4,096 ids, `copied_share`
    looks at those that occur. Arrays: `pattern` of the first sequence (layer head pos pos), its `tokens`, and the
    scores (layer head).

    >>> from mesa.construction import induction_model
    >>> from tasks import RepeatedTokens, NextTokenReader
    >>> task = RepeatedTokens(vocabulary=8, length=21, shortest=4, longest=6)
    >>> subject = LanguageSubject(induction_model(9, 21, bos=8), NextTokenReader(), task)
    >>> reading = InductionScores(prompts=10)(subject, torch.Generator().manual_seed(0))
    >>> reading.array("prefix_matching").round(6).tolist()
    [[0.0], [1.0]]
    """

    prompts: int = 100
    repeats: int = 4
    name: str = "induction_scores"

    def __post_init__(self) -> None:
        if self.repeats < 2:
            raise ValueError(f"repeats: {self.repeats} must be at least 2: the first block cannot be predicted")

    @LanguageSubject.needed_to_apply
    def applies(self, subject: LanguageSubject) -> str | None:
        """Any language model with hooks that reads enough tokens for the repeats."""
        reason = token_heads(subject)
        if reason is None and block_length(subject, self.repeats) < SHORTEST:
            model = subject.with_hooks()
            positions, symbols = model.cfg.n_ctx, subject.task.d_vocab - 1
            needed = f"{self.repeats} repeats of {SHORTEST} distinct symbols"
            return f"{needed} do not fit in {positions} tokens of {symbols} symbols"
        return reason

    @LanguageSubject.needed_to_measure
    def __call__(self, subject: LanguageSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness draws the task's prompts, the rest the repeated tokens."""
        task_prompt = subject.prompts(self.prompts, generator)
        prompt = repeated(subject, task_prompt, self.repeats, generator)
        scores, arrays, losses = self._scores(subject, prompt)
        scores["task_prefix_matching"], task_losses = _on_task(subject, task_prompt)
        rows = [
            {"metric": metric, "layer": layer, "head": head, "value": float(score[layer, head])}
            for metric, score in scores.items()
            for layer in range(score.shape[0])
            for head in range(score.shape[1])
        ]
        block = block_length(subject, self.repeats)
        first, last = losses[:, :block].mean(), losses[:, (self.repeats - 1) * block : self.repeats * block].mean()
        rows.append({"metric": "last_minus_first_repeat", "prompts": "repeated", "value": float(last - first)})
        rows += list(_loss_rows("repeated", losses, prompt.scored[:, 1:]))
        rows += list(_loss_rows("task", task_losses, task_prompt.scored[:, 1:]))
        return Reading.of(rows, {name: array.cpu().numpy() for name, array in {**arrays, **scores}.items()})

    def _scores(
        self, subject: LanguageSubject, prompt: TokenPrompt
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
        """Scores (layer head), what a figure shows, and the loss of every token (batch pos)."""
        model = subject.with_hooks()
        layers, heads, block = model.cfg.n_layers, model.cfg.n_heads, block_length(subject, self.repeats)
        pos, all_symbols = prompt.tokens.shape[1] - 1, torch.arange(subject.task.d_vocab, device=prompt.tokens.device)
        symbols = all_symbols if len(all_symbols) <= LARGE else prompt.tokens.unique()
        out = Unembedding.of(subject, symbols)
        W_O = model.W_O.detach().double()
        sums = {
            name: out.map.new_zeros(layers, heads) for name in ("previous_token", "prefix_matching", "copied_share")
        }
        shown, losses = {}, []
        names = [f"blocks.{layer}.attn.{leaf}" for layer in range(layers) for leaf in ("hook_pattern", "hook_v")]
        for batch in pieces(prompt, pos * max(len(all_symbols), layers * heads * pos)):
            logits, activations = watched(subject, batch, names)
            losses.append(token_losses(logits, batch))
            symbol_index, late = torch.searchsorted(symbols, batch.tokens[:, :-1].contiguous()), slice(block + 1, None)
            after = induction_targets(batch)
            for layer in range(layers):
                raw = activations[f"blocks.{layer}.attn.hook_pattern"]
                shown.setdefault(layer, raw[0])
                pattern = attention(raw)
                sums["previous_token"][layer] += pattern.diagonal(-1, 2, 3).mean(dim=-1).sum(dim=0)
                matched = (pattern * after[:, None]).sum(dim=-1)[..., late]
                sums["prefix_matching"][layer] += matched.mean(dim=-1).sum(dim=0)
                values = per_head(activations[f"blocks.{layer}.attn.hook_v"], heads)
                for head in range(heads):
                    raised = out(values[:, :, head] @ W_O[layer, head]).clamp(min=0)
                    total = raised.sum(dim=-1)
                    to_itself = raised.gather(-1, symbol_index[..., None])[..., 0]
                    copied = share(to_itself, total, ROUNDING * total.max())
                    attended = (pattern[:, head, late] * copied[:, None]).sum(dim=-1)
                    sums["copied_share"][layer, head] += attended.mean(dim=-1).sum()
        scores = {name: total / len(prompt) for name, total in sums.items()}
        scores["copying_eigenvalues"] = _eigenvalues(model, Unembedding.of(subject, all_symbols))
        arrays = {"pattern": torch.stack([shown[layer] for layer in range(layers)]), "tokens": prompt.tokens[0, :-1]}
        return scores, arrays, torch.cat(losses)


def _eigenvalues(model: HookedModel, out: Unembedding) -> Float[Tensor, "layer head"]:
    """For every head the positivity of W_E W_V W_O W_U, on the d_head side: AB and BA have the same eigenvalues.

    Centring over the symbols takes away one direction, which logits do not feel.
    """
    onwards = out.map @ model.W_E.detach().double()[: out.map.shape[1]]
    scores = []
    for layer in range(model.cfg.n_layers):
        W_V = fold_norm(model, first_norm(model, layer), weights(model, "W_V", layer))
        scores.append(positivity(weights(model, "W_O", layer) @ onwards, W_V))
    return torch.stack(scores)


def _on_task(
    subject: LanguageSubject, prompt: TokenPrompt
) -> tuple[Float[Tensor, "layer head"], Float[Tensor, "batch pos"]]:
    """Prefix matching at scored positions whose token came before, NaN where none did, and the loss of every token."""
    model = subject.with_hooks()
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in range(model.cfg.n_layers)]
    pos, losses, positions = prompt.tokens.shape[1] - 1, [], 0
    total = torch.zeros(len(names), model.cfg.n_heads, dtype=torch.float64, device=prompt.tokens.device)
    for batch in pieces(prompt, pos * max(subject.task.d_vocab, len(names) * model.cfg.n_heads * pos)):
        logits, activations = watched(subject, batch, names)
        losses.append(token_losses(logits, batch))
        after = induction_targets(batch)
        matchable = batch.scored[:, 1:] & after.any(dim=-1)
        matched = torch.stack([(attention(activations[name]) * after[:, None]).sum(dim=-1) for name in names])
        total = total + (matched * matchable[:, None]).sum(dim=(1, 3))
        positions += int(matchable.sum())
    return total / (positions or torch.nan), torch.cat(losses)


def _loss_rows(
    prompts: str, losses: Float[Tensor, "batch pos"], scored: Bool[Tensor, "batch pos"]
) -> Iterator[dict[str, object]]:
    positions = scored.any(dim=0).nonzero().flatten().tolist()
    by_position = {position: float(losses[:, position][scored[:, position]].mean()) for position in positions}
    early, late = (by_position[positions[max(1, round(share * len(positions))) - 1]] for share in (EARLY, LATE))
    yield {"metric": "loss", "prompts": prompts, "value": float(losses[scored].mean())}
    yield {"metric": "in_context_score", "prompts": prompts, "value": late - early}
    for position, loss in by_position.items():
        yield {"metric": "loss_by_position", "prompts": prompts, "position": position + 1, "value": loss}
