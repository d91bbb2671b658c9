"""The laws of every row of every registry: what is added there is tested by its row alone."""

import re
from typing import Any

import pytest
import torch

from analyses.claims.analysis import Analysis, Size
from analyses.registry import ANALYSES, BENCHES
from mesa import InContextConfig, InContextTransformer
from mesa.build import d_token
from mesa.config.presets import CONFIGURATIONS, preset
from mesa.config.yaml import dump, parse, read_yaml
from mesa.registry import LEARNERS, TOKEN_PREDICTORS
from probes import RegressionSubject
from probes.attribution.readouts import Readout
from probes.attribution.registry import READOUTS
from probes.controls.registry import CONTROLS
from probes.registry import PROBES
from tasks import LinearRegression, PairedReader, SineRegression, Task
from tasks.registry import READERS, TASKS
from tests.helpers.laws import probes as laws
from tests.helpers.laws.rows import check_row
from tests.helpers.laws.tasks import check_task

REGISTRIES: tuple[Any, ...] = (
    *(TASKS, READERS, LEARNERS, TOKEN_PREDICTORS, CONFIGURATIONS),
    *(PROBES, CONTROLS, READOUTS, ANALYSES, BENCHES),
)


def regression_subject(task: Task, **config: Any) -> RegressionSubject:
    """An untrained layer for a task, in float64."""
    reader = PairedReader()
    model = InContextTransformer(InContextConfig(**config), d_token(task, reader), seed=1, dtype=torch.float64)
    return RegressionSubject(model, reader, task)


every_probe = pytest.mark.parametrize("name", PROBES)


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_row_is_named_described_and_there(registry: Any) -> None:
    assert registry
    for name, row in registry.items():
        check_row(name, row)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_obeys_the_laws(name: str) -> None:
    check_task(name, TASKS[name])


@every_probe
def test_every_probe_answers_on_its_example(name: str) -> None:
    laws.check_answers(name, PROBES[name])


@every_probe
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_every_probe_leaves_no_trace(name: str, training: bool) -> None:
    laws.check_leaves_no_trace(PROBES[name], training)


@every_probe
def test_the_order_of_a_batch_changes_nothing(name: str) -> None:
    laws.check_order_of_batch(PROBES[name])


@every_probe
def test_a_heads_basis_changes_nothing(name: str) -> None:
    laws.check_basis_of_heads(PROBES[name])


@every_probe
@pytest.mark.parametrize("kind", ["regression", "tokens"])
def test_a_probe_that_is_called_on_another_kind_of_subject_says_so(name: str, kind: str) -> None:
    probe: Any = laws.example_probe(PROBES[name])
    subject = SUBJECTS["gradient_step" if kind == "regression" else "induction"]
    if kind in PROBES[name].subjects:
        # The probe may still not apply, for a reason of its own.
        assert "measures a" not in str(probe.applies(subject))
        return
    sentence = rf"{type(probe).__name__} measures a \w+Subject, and this is a {type(subject).__name__}"
    assert re.fullmatch(sentence, probe.applies(subject))
    with pytest.raises(ValueError, match=f"^subject: {sentence}$"):
        probe(subject, torch.Generator().manual_seed(0))


SUBJECTS = {row.example_subject.partition(":")[2]: laws.example_subject(row) for row in PROBES.values()}
# Controls that are for models behind a norm, for sets of teachers, or for sine curves.
SUBJECTS |= {
    "normed": regression_subject(LinearRegression(d_in=3), normalization="LN"),
    "few_teachers": regression_subject(LinearRegression(d_in=3, teachers=8)),
    "sine": regression_subject(SineRegression()),
}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_is_stamped_or_says_why_there_is_none(name: str, subject: str) -> None:
    laws.check_control(name, CONTROLS[name], SUBJECTS[subject])


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_can_be_made_of_some_subject(name: str) -> None:
    assert any(not isinstance(CONTROLS[name](subject), str) for subject in SUBJECTS.values())


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_is_written_and_read_back(name: str) -> None:
    config = preset(name)
    settings = read_yaml(dump(config), "config.yaml")
    assert isinstance(settings, dict) and parse(settings) == config


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_states_its_claims_before_it_measures(name: str) -> None:
    row = ANALYSES[name]
    analysis = row.analysis()
    assert isinstance(analysis, Analysis) and analysis.name == name
    claims = analysis.claims()
    assert claims and len({claim.id for claim in claims}) == len(claims)
    for size in row.sizes:
        wanted = Size(seeds=1, quick=size == "quick", full=size == "full")
        runs = analysis.runs(wanted)
        assert runs and analysis.plans(wanted).keys() <= runs.keys()
        assert {source.run for claim in claims for source in (claim.subject, *claim.negative.values())} <= runs.keys()


@pytest.mark.parametrize("name", READOUTS)
def test_every_read_out_has_the_name_and_the_prompts_of_its_row(name: str) -> None:
    readout = READOUTS[name].load()
    assert isinstance(readout, Readout) and readout.name == name
    measures = {"regression": readout.regression, "tokens": readout.symbols}
    assert READOUTS[name].prompts == tuple(kind for kind, measure in measures.items() if measure is not None)
