"""A plugin as a user writes it outside the package: two probes, and one of each other kind of row.

`tests/test_plugin.py` copies this file elsewhere and uses the copy by `mesa --plugin`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from analyses.claims.analysis import Size, sized
from analyses.claims.claim import Claim, Measure, Source
from analyses.claims.verdict import Verdict
from analyses.evidence import Evidence
from analyses.plots.default import by_control
from analyses.plots.plot import Plot
from analyses.plots.regression import scores
from analyses.registry import AnalysisRow
from mesa import RunConfig, preset
from mesa.config.presets import ConfigurationRow
from mesa.registry import LearnerRow
from probes import LabelSensitivity, Plan, Reading, RegressionSubject
from probes.controls.registry import ControlRow
from probes.registry import ProbeRow
from tasks import LinearRegression, PairedReader, RegressionPrompt
from tasks.predictor import RegressionPredictor
from tasks.registry import TaskRow


@dataclass(frozen=True)
class ShiftedRegression(LinearRegression):
    """Linear regression whose labels and targets are all moved by one number."""

    shift: float = 0.5

    def sample(self, batch: int, generator: torch.Generator, queries: int = 1) -> RegressionPrompt:
        """Draw prompts of linear regression and move their labels."""
        prompt = super().sample(batch, generator, queries)
        return replace(prompt, y=prompt.y + self.shift, target=prompt.target + self.shift, teacher=None)

    def bayes_predictor(self) -> RegressionPredictor:
        """That of linear regression, on labels that are moved back."""
        return _Moved(super().bayes_predictor(), self.shift)


@dataclass(frozen=True)
class _Moved:
    """A predictor whose labels and predictions are moved by one number."""

    base: RegressionPredictor
    shift: float
    name: str = "moved"

    def predict(self, prompt: RegressionPrompt) -> Tensor:
        return self.base.predict(replace(prompt, y=prompt.y - self.shift)) + self.shift

    def weights(self, prompt: RegressionPrompt) -> None:
        return None


@dataclass(frozen=True, eq=False)
class HalfAveraging:
    """Half the mean of label times input as weights."""

    name: str = "half_averaging"

    @property
    def steps(self) -> int:
        """1: there are no further steps."""
        return 1

    def fit(self, prompt: RegressionPrompt) -> "HalfAveraging":
        """The same: nothing is free."""
        return replace(self)

    def weights(self, prompt: RegressionPrompt) -> Tensor:
        """The weights of its one step."""
        return 0.5 * (prompt.x.mT @ prompt.y / prompt.x.shape[1])[None]

    def predict(self, prompt: RegressionPrompt) -> Tensor:
        """The prediction of its one step."""
        return prompt.query @ self.weights(prompt)


@dataclass(frozen=True)
class PredictionSize:
    """The root mean square of predictions: 0 for a model that answers nothing."""

    prompts: int = 500
    name: str = "prediction_size"

    def applies(self, subject: RegressionSubject) -> str | None:
        """Every model of regression prompts predicts."""
        return None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        predictions = subject.predict(subject.prompts(self.prompts, generator)).double()
        return Reading.of([{"metric": "size", "value": float(predictions.square().mean().sqrt())}])


@dataclass(frozen=True)
class PredictionMean:
    """The mean of predictions; a report draws it as it draws every probe that brings no figure."""

    prompts: int = 500
    name: str = "prediction_mean"

    def applies(self, subject: RegressionSubject) -> str | None:
        """Every model of regression prompts predicts."""
        return None

    def __call__(self, subject: RegressionSubject, generator: torch.Generator) -> Reading:
        """Measure."""
        predictions = subject.predict(subject.prompts(self.prompts, generator)).double()
        return Reading.of([{"metric": "mean", "value": float(predictions.mean())}])


class _Silent:
    """A predictor that answers zero."""

    name = "silent"

    def predict(self, prompt: RegressionPrompt) -> Tensor:
        return torch.zeros_like(prompt.target)[None]

    def weights(self, prompt: RegressionPrompt) -> None:
        return None


def silent(subject: RegressionSubject) -> RegressionSubject | str:
    """A predictor of zero in the model's place."""
    return replace(subject, model=_Silent(), control="silent", prompt_dtype=subject.dtype)


def example() -> RegressionSubject:
    """A model that performs one gradient step."""
    from mesa.construction import gradient_step_model

    return RegressionSubject(gradient_step_model(0.6, d_in=3), PairedReader(), LinearRegression(d_in=3))


def draw_sizes(evidence: Evidence, run: str) -> Iterator[Plot]:
    """The size of predictions of every seed of the model and its controls."""
    rows = evidence.last[(evidence.last["metric"] == "size") & (evidence.last["run"] == run)]

    def draw() -> Figure:
        figure = Figure()
        axes = figure.subplots()
        axes.plot(rows["control"], rows["value"], "o")
        axes.set_ylabel("root mean square prediction")
        return figure

    look = "How large predictions are."
    yield Plot("prediction_sizes", "Size of predictions", look, "Points at zero: nothing is answered.", draw, rows)


class AnswersAtAll:
    """One small run, asked whether it answers anything."""

    name = "answers-at-all"
    title = "Does a model answer at all?"
    question = "Are a trained layer's predictions larger than zero?"
    seeds = 1
    developed_on = 1

    def runs(self, size: Size) -> dict[str, RunConfig]:
        """The plugin's configuration."""
        return {"shifted": sized(preset("shifted-layer"), size)}

    def plans(self, size: Size) -> dict[str, list[Plan]]:
        """The plugin's probe with its control, and a comparison with its learner."""
        sensitivity = LabelSensitivity(prompts=50, learners=(HalfAveraging(),))
        return {
            "shifted": [
                Plan(PredictionSize(prompts=100), controls=("untrained", "silent")),
                Plan(sensitivity, controls=("untrained",)),
            ]
        }

    def claims(self) -> tuple[Claim, ...]:
        """One rule."""
        measure = Measure("size", "at least", 1e-6, lambda rows: float(rows["value"].iloc[0]), ideal=1.0)
        rule, sentence = "root mean square prediction at least 1e-6", "The model answers."
        negative = {"silent": Source("shifted", "silent")}
        return (Claim("answers", sentence, "this file", rule, (measure,), Source("shifted"), negative),)

    def compared(self, evidence: Evidence) -> pd.DataFrame:
        """None: each rule looks at one model at a time."""
        return evidence.rows.iloc[:0]

    def plots(self, evidence: Evidence, verdicts: Sequence[Verdict]) -> Iterable[Plot]:
        """Verdicts, sizes, and the learner."""
        yield scores(verdicts)
        yield from draw_sizes(evidence, "shifted")
        yield by_control(evidence, "shifted", "label_sensitivity")


_SETTINGS = {
    "task": {"name": "shifted_regression", "d_in": 3, "context": 6, "shift": 0.25},
    "training": {"steps": 20, "batch": 16, "held_out": 32},
    "seeds": 1,
}
TASKS = {
    "shifted_regression": TaskRow(
        target=f"{__name__}:ShiftedRegression",
        about="linear regression whose labels are moved by one number",
        prompts="regression",
        example={"d_in": 3, "context": 4},
    )
}
LEARNERS = {
    "half_averaging": LearnerRow(target=f"{__name__}:HalfAveraging", about="half the mean of label times input"),
}
PROBES = {
    "prediction_size": ProbeRow(
        target=f"{__name__}:PredictionSize",
        about="how large predictions are",
        subjects=("regression",),
        controls={"regression": ("untrained", "silent")},
        example={"prompts": 20},
        example_subject=f"{__name__}:example",
        draws=(f"{__name__}:draw_sizes",),
    ),
    "prediction_mean": ProbeRow(
        target=f"{__name__}:PredictionMean",
        about="the mean of predictions",
        subjects=("regression",),
        controls={"regression": ("untrained", "silent")},
        example={"prompts": 20},
        example_subject=f"{__name__}:example",
    ),
}
CONTROLS = {
    "silent": ControlRow(
        target=f"{__name__}:silent",
        about="a predictor of zero in the model's place",
        subjects=("regression",),
        role="negative",
        label="silent",
    )
}
CONFIGURATIONS = {
    "shifted-layer": ConfigurationRow(about="one small layer on moved labels", settings=_SETTINGS),
}
ANALYSES = {
    "answers-at-all": AnalysisRow(
        target=f"{__name__}:AnswersAtAll", about="whether a model answers at all", duration="seconds"
    ),
}
