"""Which step of which learner is each layer nearest to, and do steps keep pace with layers? ([AK], [FU])"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mesa.learners import ConjugateGradients, GradientDescent, Learner, Newton, Ridge
from probes.behaviour.agreement import predictors, relative_distance
from probes.readings.reading import Reading
from probes.sensitivity import predictor_sensitivities
from probes.subject import RegressionSubject
from tasks.predictor import RegressionPredictor
from tasks.prompt import RegressionPrompt
from tasks.regression.sine import SineRegression

# A smaller error, relative to the target, is the rounding of a float32 label.
_NO_ERROR = 1e-5
_METRICS = ("spd", "relative_distance", "sensitivity_cosine", "ilwd", "sim_e")


@dataclass(frozen=True)
class LayerMatching:
    """Compare the prediction after every layer, f, with that after every step of each learner, g, on the same prompts.

    These metrics have a row for each layer, learner and step, and an array `<learner>_<metric>` (layer step) that is
    NaN where the metric is undefined. Step 0 predicts zero and has only `spd` and `sim_e`.

    `spd`: E |f - g|^2 / d_in; 0 where the two are equal.
    `relative_distance`: |f - g| / |g|; 0 where the two are equal.
    `sensitivity_cosine`: the cosine of the gradients of f and g in the query.
    `ilwd`: E |w_f - w_g|^2 / d_in, where w_f is the least-squares fit to f on half of the fresh queries of each context
        ([AK], arXiv 2211.15661).
    `sim_e`: the cosine of the errors f - target and g - target over the fresh queries of one context, its mean over the
        contexts in which both have errors. [FU], arXiv 2310.17086, take it over context lengths, which needs a causal
        model.

    These have one row for each layer, or for each learner.

    `implied_r_squared`: R^2 of w_f on the other half of the queries, of each layer; 1 where f is linear in the query.
    `best_step`: each learner's step of least `spd` at each layer; 0 where step 0, predicting zero, is nearest.
    `best_step_slope`: by how much a learner's `best_step` grows per layer; 1 where each layer performs one step.
    `best_step_sim_e`: each learner's step of largest `sim_e` at each layer, the criterion of [FU]. A few prompts with
        huge predictions count no more than others.
    `best_step_slope_sim_e`: by how much a learner's `best_step_sim_e` grows per layer.

    Learners are tuned for as many steps as there are layers, on other prompts. Where their steps share one setting they
    go on to `max_steps` (None: twice as many, at least 4). A learner of one step has no best one. `learners` None means
    gradient descent, GD++, Newton, conjugate gradients, least squares and ridge. There are `queries` fresh queries a
    context (None: four times d_in).

    >>> from mesa.construction import gradient_step_model
    >>> from tasks import LinearRegression, PairedReader
    >>> subject = RegressionSubject(gradient_step_model(1.0, d_in=3, steps=3), PairedReader(), LinearRegression(d_in=3))
    >>> probe = LayerMatching(prompts=50, learners=(GradientDescent(steps=3),))
    >>> table = probe(subject, torch.Generator().manual_seed(0)).table
    >>> table[table.metric == "best_step"].value.tolist()
    [1.0, 2.0, 3.0]
    """

    prompts: int = 2_000
    queries: int | None = None
    max_steps: int | None = None
    learners: tuple[Learner, ...] | None = None
    rivals: tuple[RegressionPredictor, ...] = ()
    name: str = "layer_matching"

    @RegressionSubject.needed_to_apply
    def applies(self, subject: RegressionSubject) -> str | None:
        """Any HookedTransformer, whose residual stream can be decoded after every layer, on a task linear in x."""
        if subject.hooked is None:
            return "only a HookedTransformer has a residual stream to decode after every layer"
        return "the learners are those of linear regression" if isinstance(subject.task, SineRegression) else None

    @RegressionSubject.needed_to_measure
    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure; the first half of the randomness tunes the learners."""
        layers = subject.n_layers
        max_steps = self.max_steps or max(2 * layers, 4)
        tuning = subject.prompts(self.prompts, generator)
        learners = _default(subject, max_steps) if self.learners is None else self.learners
        fitted = predictors(learners, self.rivals, subject, tuning)
        queries = self.queries or 4 * tuning.x.shape[-1]
        prompt = subject.prompts(self.prompts, generator, queries=queries)
        model = _Stages.of(subject, prompt)
        rows: list[dict[str, object]] = [
            {"metric": "implied_r_squared", "layer": layer, "value": value}
            for layer, value in enumerate(model.linearity)
        ]
        arrays: dict[str, np.ndarray] = {}
        for learner in fitted:
            values_by_metric = _compare(model, _longer(learner, max_steps))
            arrays |= {f"{learner.name}_{metric}": values for metric, values in values_by_metric.items()}
            rows += [{"learner": learner.name, **row} for row in _rows(values_by_metric)]
        return Reading.of(({"readout": "prediction", **row} for row in rows), arrays)


@dataclass(frozen=True, eq=False)
class _Stages:
    """A model after each layer, in float64: predictions, sensitivities at the first query, implied weights."""

    prompt: RegressionPrompt
    predictions: Float[Tensor, "layer batch query d_out"]
    sensitivities: Float[Tensor, "layer batch d_out d_in"]
    weights: Float[Tensor, "layer batch d_in d_out"]
    linearity: list[float]

    @classmethod
    def of(cls, subject: RegressionSubject, prompt: RegressionPrompt) -> "_Stages":
        predictions, in_double = subject.layers(prompt)[1:].double(), prompt.to(dtype=torch.float64)
        half = in_double.query.shape[1] // 2
        weights = torch.linalg.pinv(in_double.query[:, :half]) @ predictions[:, :, :half]
        held_out = predictions[:, :, half:]
        residual = (held_out - in_double.query[:, half:] @ weights).square().sum(dim=(1, 2, 3))
        linearity = 1.0 - residual / held_out.square().sum(dim=(1, 2, 3))
        sensitivities = subject.layer_sensitivity(_first_query(prompt))[1:, :, 0].double()
        return cls(in_double, predictions, sensitivities, weights, linearity.tolist())


def _default(subject: RegressionSubject, max_steps: int) -> tuple[Learner, ...]:
    """Learners that are fitted have a step per layer and the model's clip; the others have `max_steps` steps."""
    layers = subject.n_layers
    clip = None if subject.transformer is None else subject.transformer.config.clip
    gd, gd_plus_plus = (GradientDescent(steps=layers, clip=clip, gamma=gamma) for gamma in (None, 0.0))
    return gd, gd_plus_plus, Newton(max_steps), ConjugateGradients(max_steps), Ridge.least_squares(), Ridge()


def _longer(learner: RegressionPredictor, steps: int) -> RegressionPredictor:
    """The same steps, more of them, where they share one setting."""
    if isinstance(learner, GradientDescent) and learner.shared and learner.steps < steps:
        return replace(learner, steps=steps)
    return learner


def _first_query(prompt: RegressionPrompt) -> RegressionPrompt:
    return replace(prompt, query=prompt.query[:, :1], target=prompt.target[:, :1])


def _compare(model: _Stages, learner: RegressionPredictor) -> dict[str, np.ndarray]:
    """Every metric by name, (layer step); step 0 predicts zero."""
    prompt = model.prompt
    guesses, weights = learner.predict(prompt), learner.weights(prompt)
    guesses = torch.cat([torch.zeros_like(guesses[:1]), guesses])
    values = {metric: np.full((len(model.predictions), len(guesses)), np.nan) for metric in _METRICS}
    d_in = prompt.x.shape[-1]
    sensitivities = predictor_sensitivities(learner, _first_query(prompt))[:, :, 0]
    for layer, prediction in enumerate(model.predictions):
        for step, guess in enumerate(guesses):
            values["spd"][layer, step] = float((prediction - guess).square().sum(dim=-1).mean()) / d_in
            values["sim_e"][layer, step] = _error_cosine(prediction, guess, prompt.target)
            if step == 0:
                continue
            values["relative_distance"][layer, step] = relative_distance(prediction, guess)
            gradients = model.sensitivities[layer].flatten(1), sensitivities[step - 1].flatten(1)
            values["sensitivity_cosine"][layer, step] = float(cosine_similarity(*gradients, dim=1, eps=1e-300).mean())
            if weights is not None:
                squared_distance = (model.weights[layer] - weights[step - 1]).square().sum(dim=(1, 2))
                values["ilwd"][layer, step] = float(squared_distance.mean()) / d_in
    return values


def _error_cosine(prediction: Tensor, guess: Tensor, target: Tensor) -> float:
    """SimE; NaN where, in most contexts, the error of the model or of the learner is only rounding."""
    model_error, learner_error = ((values - target).flatten(1) for values in (prediction, guess))
    rounding = _NO_ERROR * target.flatten(1).norm(dim=1)
    both_err = (model_error.norm(dim=1) > rounding) & (learner_error.norm(dim=1) > rounding)
    if both_err.double().mean() < 0.5:
        return float("nan")
    return float(cosine_similarity(model_error[both_err], learner_error[both_err], dim=1, eps=1e-300).mean())


def _rows(values_by_metric: dict[str, np.ndarray]) -> Iterator[dict[str, object]]:
    for metric, values in values_by_metric.items():
        for (layer, step), value in np.ndenumerate(values):
            if not np.isnan(value):
                yield {"metric": metric, "layer": layer, "learner_step": step, "value": float(value)}
    layers, stages = values_by_metric["spd"].shape
    if stages > 2:
        best_steps = {
            "best_step": _step_of_largest(-values_by_metric["spd"]),
            "best_step_sim_e": _step_of_largest(values_by_metric["sim_e"]),
        }
        for metric, steps in best_steps.items():
            for layer, step in enumerate(steps):
                yield {"metric": metric, "layer": layer, "value": float(step)}
            if layers > 1:
                slope = float(np.polyfit(np.arange(layers), steps, 1)[0])
                yield {"metric": metric.replace("step", "step_slope"), "value": slope}


def _step_of_largest(values: np.ndarray) -> np.ndarray:
    """The step of each layer with the largest value; a missing value is never the largest."""
    return np.where(np.isnan(values), -np.inf, values).argmax(axis=1)
