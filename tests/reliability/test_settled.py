"""A run that trains until it has settled ends early, and a kill in any of its stretches changes no bit of it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mesa
from mesa.config import yaml as config_file
from mesa.errors import DamagedCheckpoint, UserError
from mesa.storage.run import Run, checked, summary
from mesa.training.rates import last_step, latest_cosine
from mesa.training.runs import train
from mesa.training.seed import train_seed
from tests.reliability.test_resuming import stop_after

STEPS = 200


@pytest.fixture(scope="module")
def until_settled(tiny: Callable[..., mesa.RunConfig]) -> Callable[..., mesa.RunConfig]:
    """A small configuration that settles long before the largest number of steps."""

    def make(**training: Any) -> mesa.RunConfig:
        fast = {"learning_rate": 0.02, "gradient_clip": 1.0, "batch": 64, "held_out": 256, "evaluate_every": 2}
        config = tiny(**{"until": "settled", "steps": STEPS, **fast, **training})
        return config.model_copy(update={"model": mesa.InContextConfig(init_variance=0.1)})

    return make


@pytest.fixture(scope="module")
def settled(until_settled: Callable[..., mesa.RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One seed that settled, never interrupted."""
    run = Run.create(tmp_path_factory.mktemp("runs") / "settled", until_settled())
    mesa.train(run)
    return run


def decided(run: Run) -> int:
    """The last step before the cosine."""
    outcome = run.outcome(0)
    assert outcome["status"] == "finished"
    return outcome.get("cosine_from", -1)


def test_it_ends_early_and_says_so(settled: Run) -> None:
    training, begin = settled.config.training, decided(settled)
    end = last_step(training, begin)
    assert settled.outcome(0) == {"status": "finished", "step": end, "cosine_from": begin, "settled": True}
    assert begin < end < STEPS and settled.unfinished() == [] and summary([settled]) == "1 finished"
    assert not settled.verify()[1]
    steps = settled.checkpoints(0)
    assert max(steps) == end == settled.metrics(0)[-1]["step"]
    # A checkpoint has the decision from the step on at which it was made.
    decisions = {step: checked(path, settled, 0).decision for step, path in steps.items()}
    assert decisions[end] == {"cosine_from": begin, "settled": True}
    assert {step for step, decision in decisions.items() if decision is None} == {s for s in steps if s < begin}


@pytest.mark.parametrize("moment", ["warm-up", "constant", "decision", "cosine", "last"])
def test_a_seed_stopped_in_each_stretch_continues_bitwise(
    settled: Run, tmp_path: Path, content: Any, moment: str
) -> None:
    begin, end = decided(settled), max(settled.checkpoints(0))
    step = {"warm-up": 1, "constant": begin // 2, "decision": begin, "cosine": begin + 3, "last": end - 1}[moment]
    run = Run.create(tmp_path / "run", settled.config)
    assert train_seed(run.path, 0, stop_after(step)) == {"status": "interrupted", "step": step}
    mesa.train(run)
    assert content(run) == content(settled)


def test_a_killed_process_continues_bitwise(
    until_settled: Any, settled: Run, server: Any, tmp_path: Path, content: Any
) -> None:
    # A rolling checkpoint at every step: the next process begins where this one was killed.
    config, whole, often = (tmp_path / name for name in ("config.yaml", "whole", "often"))
    config.write_text(config_file.dump(until_settled(rolling_seconds=1e-9)))
    assert server.ended(server.start(whole, config=str(config))) == 0
    begin, reached, code = decided(Run.open(whole)), [], -signal.SIGKILL
    while code == -signal.SIGKILL:
        code = server.ended(server.start(often, config=str(config), die_at=401))
        reached.append(max(Run.open(often).checkpoints(0, rolling=True)))
    assert code == 0 and content(Run.open(often)) == content(Run.open(whole))
    assert any(step < begin for step in reached) and any(begin < step < reached[-1] for step in reached), reached


def test_the_largest_number_of_steps_ends_what_has_not_settled(until_settled: Any, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", until_settled(steps=40))
    mesa.train(run)
    latest = latest_cosine(run.config.training)
    assert run.outcome(0) == {"status": "finished", "step": 40, "cosine_from": latest, "settled": False}
    assert run.unfinished() == [] and summary([run]) == "1 finished, but not settled"


def test_a_plateau_alone_is_no_end(until_settled: Any, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", until_settled(learning_rate=1e-7))
    mesa.train(run)
    losses = [row["held_out_loss"] for row in run.metrics(0)]
    assert max(losses) < 1.001 * min(losses)
    assert run.outcome(0).get("settled") is False and run.outcome(0).get("step") == STEPS


@pytest.mark.parametrize("steps", [STEPS - 1, STEPS + 1])
def test_the_largest_number_of_steps_cannot_change(
    settled: Run, until_settled: Any, tmp_path: Path, steps: int
) -> None:
    rule = rf"training.steps \(cannot change where training.until is settled\): {STEPS} there, {steps} asked for"
    with pytest.raises(UserError, match=rule):
        Run.create(settled.path, until_settled(steps=steps))
    # Neither by hand: checkpoints of another largest number are those of another configuration.
    other = Run.create(tmp_path / "other", until_settled(steps=steps))
    (path,) = settled.select(0, "last").values()
    with pytest.raises(DamagedCheckpoint, match=r"is of another configuration: training\.steps"):
        checked(path, other, 0)


def test_steps_and_settled_are_two_configurations(settled: Run, until_settled: Any) -> None:
    with pytest.raises(UserError, match=r"training\.until: 'settled' there, 'steps' asked for"):
        Run.create(settled.path, until_settled(until="steps"))


DECISIONS: list[Any] = [None, 7, [], {}, {"cosine_from": 3}, {"cosine_from": "3", "settled": True}]
DECISIONS += [
    {"cosine_from": 0, "settled": True},
    {"cosine_from": 3, "settled": 1},
    {"cosine_from": 10**6, "settled": True},
]


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_checkpoint_with_another_decision_is_refused(copied: Run, forge: Any, decision: Any) -> None:
    (path,) = copied.select(0, "last").values()
    forge(path).manifest(lambda manifest: manifest.update(decision=decision))
    with pytest.raises(DamagedCheckpoint, match="manifest"):
        checked(path, copied, 0)


def test_an_outcome_without_its_decision_is_refused(settled: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settled.config)
    run.seed_path(0).mkdir()
    (run.seed_path(0) / "outcome.json").write_text(json.dumps({"status": "finished", "step": 50}))
    with pytest.raises(UserError, match=r"outcome.json: is not the outcome that was written"):
        run.outcome(0)


def test_progress_ends_at_its_total(until_settled: Any, tmp_path: Path) -> None:
    run, reports = Run.create(tmp_path / "run", until_settled()), []
    train(run, report=lambda *counts: reports.append(counts))
    end = max(run.checkpoints(0))
    assert reports[-1] == (end, end, 1, 1)
    assert {total for _, total, seeds, _ in reports if not seeds} <= {STEPS}
