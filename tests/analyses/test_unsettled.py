"""Every seed that was not trained to the end is named with its reason, whatever became of the rule."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyses.evidence import gather
from analyses.unsettled import reason_unsettled
from mesa import RunConfig, TrainingConfig
from mesa.storage.records import Evaluation, Outcome
from mesa.storage.run import Run
from probes.readings.reading import Reading

ZERO = 3 * 0.25 / 6
"""What predicting zero costs on the task below."""
Curve = Callable[[int], float]


def run_with(path: Path, curves: list[Curve], outcome: dict[str, object] | None = None, **training: Any) -> Run:
    """A run of 1,000 steps whose seeds have these held-out losses, by step."""
    settings = TrainingConfig(**{"steps": 1000, "evaluate_every": 10, "held_out": 4096, **training})
    config = RunConfig(task={"name": "linear_regression", "d_in": 3}, training=settings, seeds=len(curves))
    run = Run.create(path, config)
    ended = {"status": "finished", "step": 1000} if outcome is None else outcome
    for seed, curve in enumerate(curves):
        run.seed_path(seed).mkdir()
        rows = [
            {"step": step, "train_loss": None, "held_out_loss": curve(step), "gradient_norm": None}
            for step in range(0, 1001, 10)
        ]
        (run.seed_path(seed) / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run.seed_path(seed) / "outcome.json").write_text(json.dumps(ended))
    return run


def reason(run: Run, seed: int) -> str | None:
    """Why this seed of a run is not settled."""
    return reason_unsettled(run.config, seed, run.outcome(seed), run.metrics(seed))


def flat(step: int) -> float:
    return 0.05


def falling(step: int) -> float:
    return 0.1 * 0.9 ** (step / 200)


def on_plateau(step: int) -> float:
    return ZERO


def flat_once_halved(step: int) -> float:
    return falling(min(step, 500))


def left_plateau_once_halved(step: int) -> float:
    return ZERO if step <= 600 else 0.05


def test_each_reason_is_said(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", [flat, falling, on_plateau])
    assert reason(run, 0) is None
    assert reason(run, 1) == "still falling: by 10.0 % over the last fifth"
    assert reason(run, 2) == "on the plateau of predicting zero"


def test_flat_only_since_the_rate_was_halved_is_not_settled(tmp_path: Path) -> None:
    curves = [flat, falling, flat_once_halved, left_plateau_once_halved]
    run = run_with(tmp_path / "run", curves, halve_every=500)
    assert reason(run, 0) is None
    assert reason(run, 1) == "still falling: by 10.0 % over the last fifth"
    at_full = "still falling: by 5.1 % over the last fifth"
    assert reason(run, 2) == f"flat only since the learning rate was halved; at the full rate {at_full}"
    plateau = "on the plateau of predicting zero"
    assert reason(run, 3) == f"flat only since the learning rate was halved; at the full rate {plateau}"
    # The last one has left the plateau, and is not stuck on it.
    assert gather({"run": run}, Reading.of([])).plateau_prompts == {}
    # The same curve at one rate is at its end: a halving that never came changes nothing.
    assert reason(run_with(tmp_path / "other", [flat_once_halved], halve_every=1000), 0) is None


@pytest.mark.parametrize(("curve", "why"), [(falling, "still falling: by 8.1 %"), (on_plateau, "on the plateau of")])
def test_the_largest_number_of_steps_is_a_reason(tmp_path: Path, curve: Curve, why: str) -> None:
    outcome: dict[str, object] = {"status": "finished", "step": 1000, "cosine_from": 800, "settled": False}
    run = run_with(tmp_path / "run", [curve], outcome, until="settled")
    assert str(reason(run, 0)).startswith(f"stopped at the largest number of steps, {why}")


def test_an_outcome_that_says_settled_is_checked(tmp_path: Path) -> None:
    outcome: dict[str, object] = {"status": "finished", "step": 1000, "cosine_from": 800, "settled": True}
    assert reason(run_with(tmp_path / "flat", [flat], outcome, until="settled"), 0) is None
    too_early = reason(run_with(tmp_path / "falling", [falling], outcome, until="settled"), 0)
    assert str(too_early).startswith("settled too early, still falling: by 8.1 %")


def test_a_fall_along_the_cosine_is_none(tmp_path: Path) -> None:
    outcome: dict[str, object] = {"status": "finished", "step": 1000, "cosine_from": 800, "settled": True}

    def falls_at_the_end(step: int) -> float:
        return 0.1 if step <= 800 else 0.1 * 0.9 ** ((step - 800) / 20)

    assert reason(run_with(tmp_path / "run", [falls_at_the_end], outcome, until="settled"), 0) is None


def test_a_seed_that_was_not_trained_is_named(tmp_path: Path) -> None:
    interrupted = run_with(tmp_path / "run", [flat], {"status": "interrupted", "step": 500})
    assert reason(interrupted, 0) == "training was interrupted"
    (interrupted.seed_path(0) / "outcome.json").unlink()
    assert reason(interrupted, 0) == "training has not begun"


def test_the_evidence_names_run_seed_and_reason(tmp_path: Path) -> None:
    diverged = {"status": "diverged", "step": 7, "reason": "loss", "last_good_checkpoint": "step-000000"}
    runs = {
        "first": run_with(tmp_path / "first", [falling, flat, on_plateau]),
        "second": run_with(tmp_path / "second", [on_plateau], diverged),
    }
    evidence = gather(runs, Reading.of([]))
    assert evidence.undertrained == (
        "first seed 0 (still falling: by 10.0 % over the last fifth)",
        "first seed 2 (on the plateau of predicting zero)",
    )
    assert evidence.diverged == ("second seed 0 (step 7)",)
    batch = runs["first"].config.training.batch
    assert evidence.prompts == {"first": 1000 * batch}
    assert evidence.plateau_prompts == {"first seed 2 (on the plateau of predicting zero)": 1000 * batch}


def test_on_a_fixed_set_of_prompts_the_training_loss_must_settle() -> None:
    config = RunConfig(
        task={"name": "linear_regression", "d_in": 3, "prompts": 16}, training=TrainingConfig(steps=1000), seeds=1
    )
    outcome: Outcome = {"status": "finished", "step": 1000}

    def evaluations(train: Curve) -> list[Evaluation]:
        # A model that has fitted the set can be worse on fresh prompts than predicting zero.
        rows: list[Evaluation] = [{"step": 0, "train_loss": None, "held_out_loss": ZERO, "gradient_norm": None}]
        for step in range(10, 1001, 10):
            rows.append({"step": step, "train_loss": train(step), "held_out_loss": 4 * ZERO, "gradient_norm": 1.0})
        return rows

    assert reason_unsettled(config, 0, outcome, evaluations(flat)) is None
    assert "still falling" in str(reason_unsettled(config, 0, outcome, evaluations(falling)))
