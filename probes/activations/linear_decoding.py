"""Can X^T y, or a learner's weights, be read off the residual stream by a linear map, layer by layer? ([AK])"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mesa.learners import Averaging, GradientDescent, Learner, Ridge
from probes.activations.residual_stream import residual_stream
from probes.behaviour.agreement import predictors
from probes.readings.reading import Reading
from probes.sensitivity import chunks
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.sine import SineRegression

SOURCES = ("query_stream", "prediction", "context_mean")
# In units of the mean eigenvalue of the features' covariance.
PENALTIES = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)
# A target whose variance is at most this share of its mean square counts as constant.
CONSTANT = 1e-3


@dataclass(frozen=True)
class LinearDecoding:
    """Ridge regression from each layer's residual stream to the weights that learners compute from the context.

    A query token can hold only x_q w of weights w. Every prompt therefore gets the same `queries` queries, drawn once
    (None: twice d_in). The features, by `source`:

    - `query_stream`: all channels of the query tokens. An untrained linear layer too writes X^T y into these.
    - `prediction`: only the predictions decoded from them, where an untrained layer mixes X^T y with S.
    - `context_mean`: the mean of the context's tokens, because their order has no meaning.

    Metrics for each source, layer, learner and step, on other prompts than the map is fitted to:

    - `r_squared`: R^2 over all entries of the weights; 1 where they can be decoded exactly, about 0 or less where not.
    - `random_r_squared`: the same for a map fitted to the weights of unrelated prompts.
    - `selectivity`: their difference.

    R^2 is missing (NaN) for weights that do not vary, as with one fixed teacher: probe such a model with fresh
    teachers. Layer -1 is before the first. Arrays `<source>_<learner>` (stage step) hold `r_squared`. X^T y are the
    weights of `averaging` up to a factor. `learners` None means averaging, least squares and tuned gradient descent
    with a step per layer. The map is fitted to `prompts` prompts and measured on as many others; a fifth as many choose
    its penalty.

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(0.6, d_in=3), PairedReader(), LinearRegression(d_in=3))
    >>> table = LinearDecoding(prompts=100)(subject, torch.Generator().manual_seed(0)).table
    >>> scores = table[(table.metric == "r_squared") & (table.learner == "averaging") & (table.source == "prediction")]
    >>> scores.value.round(6).tolist()
    [0.0, 1.0]
    """

    prompts: int = 2_000
    queries: int | None = None
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "linear_decoding"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any HookedTransformer on a task linear in x."""
        if subject.hooked is None:
            return "only a HookedTransformer has a residual stream to read between its layers"
        return "sine curves have no linear weights to decode" if isinstance(subject.task, SineRegression) else None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        counts = (self.prompts, max(self.prompts // 5, 2), self.prompts)
        prompts = [subject.prompts(count, generator) for count in counts]
        unrelated_prompts = [subject.prompts(count, generator) for count in counts]
        queries = self.queries or 2 * prompts[0].x.shape[-1]
        (query,) = subject.prompts(1, generator, queries=queries).query
        default = Averaging(), Ridge.least_squares(), GradientDescent(steps=subject.n_layers)
        learners = predictors(default if self.learners is None else self.learners, self.rivals, subject, prompts[0])
        targets, unrelated_targets = (
            [_weights(learners, prompt) for prompt in batch] for batch in (prompts, unrelated_prompts)
        )
        features = [_features(subject, prompt, query) for prompt in prompts]
        rows, arrays = [], {}
        for source in SOURCES:
            of_source = [by_source[source] for by_source in features]
            scores, random = (_scores(of_source, weights) for weights in (targets, unrelated_targets))
            for name, values in scores.items():
                arrays[f"{source}_{name}"] = values
                kinds = {"r_squared": values, "random_r_squared": random[name], "selectivity": values - random[name]}
                rows += [{"source": source, "learner": name, **row} for row in _rows(kinds)]
        return Reading.of(rows, arrays)


def _weights(learners: tuple[RegressionPredictor, ...], prompt: RegressionPrompt) -> dict[str, Tensor]:
    """Each learner's weights by name, (learner_step batch entry)."""
    weights_by_learner = {learner.name: learner.weights(prompt.to(dtype=torch.float64)) for learner in learners}
    return {name: weights.flatten(2).cpu() for name, weights in weights_by_learner.items() if weights is not None}


def _features(
    subject: RegressionSubject, prompt: RegressionPrompt, query: Float[Tensor, "query d_in"]
) -> dict[str, Tensor]:
    """What each source holds of the prompts before the first layer and after each, (stage batch feature)."""
    by_chunk: list[dict[str, Tensor]] = []
    for chunk in chunks(prompt):
        count, size = len(chunk.x), len(query)
        with_queries = replace(
            chunk, query=query.expand(count, -1, -1), target=chunk.target.new_zeros(count, size, chunk.y.shape[2])
        )
        stream = residual_stream(subject, with_queries)
        first = stream.resid.shape[2] - size
        predictions = torch.stack([subject.decode(resid, stream.inputs) for resid in stream.resid])
        features = stream.resid[:, :, first:].flatten(2), predictions.flatten(2), stream.resid[:, :, :first].mean(dim=2)
        # Kept in the model's own precision, because layers times prompts times queries need much memory.
        by_chunk.append({name: tensor.to(prompt.x.dtype).cpu() for name, tensor in zip(SOURCES, features, strict=True)})
    return {name: torch.cat([tensors[name] for tensors in by_chunk], dim=1) for name in SOURCES}


def _scores(features: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, np.ndarray]:
    """Held-out R^2 by learner, (stage step), from features (stage batch feature) to fit, to choose and to measure."""
    r_squared = {name: np.full((len(features[0]), len(weights)), np.nan) for name, weights in targets[0].items()}
    for stage, (to_fit, *to_score) in enumerate(zip(*features, strict=True)):
        fit = _Ridge.of(to_fit.double())
        for name, scores in r_squared.items():
            for step in range(scores.shape[1]):
                goals = [weights[name][step] for weights in targets]
                scores[stage, step] = fit.held_out(goals, [batch.double() for batch in to_score])
    return r_squared


@dataclass(frozen=True, eq=False)
class _Ridge:
    """Features of the prompts that maps are fitted to, in the basis of their covariance's eigenvectors."""

    mean: Float[Tensor, " feature"]
    rotated: Float[Tensor, "batch rank"]
    values: Float[Tensor, " rank"]
    basis: Float[Tensor, "feature rank"]

    @classmethod
    def of(cls, features: Float[Tensor, "batch feature"]) -> "_Ridge":
        mean = features.mean(dim=0)
        centred = features - mean
        # A feature that varies by no more than the rounding of its own mean does not vary.
        centred = torch.where(centred.abs().amax(dim=0) > 1e-12 * mean.abs(), centred, 0.0)
        values, basis = centred.new_zeros(len(mean)), centred.new_zeros(len(mean), len(mean))
        # Only features that vary: with hundreds of zero rows the solver may not converge.
        (live,) = centred.any(dim=0).nonzero(as_tuple=True)
        values[: len(live)], basis[live, : len(live)] = torch.linalg.eigh(centred[:, live].T @ centred[:, live])
        return cls(mean, centred @ basis, values.clamp(min=0.0), basis)

    def held_out(self, goals: list[Tensor], features: list[Tensor]) -> float:
        """R^2 on the last batch of features, with the penalty that is best on the first; NaN for a constant goal."""
        mean = goals[0].mean(dim=0)
        if (goals[-1] - mean).square().sum() <= CONSTANT * goals[-1].square().sum():
            return float("nan")
        moment = self.rotated.T @ (goals[0] - mean)
        unit = float(self.values.mean())
        if unit == 0.0:
            return _r_squared(mean.expand_as(goals[-1]), goals[-1], mean)
        rotated = [(batch - self.mean) @ self.basis for batch in features]
        maps = [moment / (self.values + penalty * unit)[:, None] for penalty in PENALTIES]
        best = max(maps, key=lambda linear_map: _r_squared(rotated[0] @ linear_map + mean, goals[1], mean))
        return _r_squared(rotated[1] @ best + mean, goals[2], mean)


def _r_squared(guess: Tensor, goal: Tensor, mean: Tensor) -> float:
    """R^2, compared with always guessing the mean of the prompts that the map is fitted to."""
    return 1.0 - float((guess - goal).square().sum() / (goal - mean).square().sum())


def _rows(kinds: dict[str, np.ndarray]) -> Iterator[dict[str, object]]:
    for metric, values in kinds.items():
        for (stage, step), value in np.ndenumerate(values):
            yield {"metric": metric, "layer": stage - 1, "learner_step": step + 1, "value": float(value)}
