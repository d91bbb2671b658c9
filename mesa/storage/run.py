"""A run directory: its configuration, seeds, checkpoints and metrics."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mesa import plugin
from mesa.config import yaml as config_file
from mesa.config.schema import RunConfig
from mesa.errors import DamagedCheckpoint, UserError
from mesa.storage.files import leftover, writable, write_atomic
from mesa.storage.records import Evaluation, Outcome

if TYPE_CHECKING:
    from mesa.models.in_context import InContextTransformer
    from mesa.models.language import TokenTransformer
    from mesa.storage.checkpoint import Checkpoint

CONFIG = "config.yaml"
Which = Literal["last", "all"] | int


@dataclass(frozen=True)
class Run:
    """An opened run; it reads, and `mesa.training.seed` writes.

    Units: `metrics` has one row an evaluation, losses as the reader defines them.
    """

    path: Path
    config: RunConfig

    @classmethod
    def create(cls, path: Path | str, config: RunConfig) -> "Run":
        """Make the directory, or open the run that is there if its configuration is the same.

        Only `training.steps` may grow, and not where `training.until` is settled. UserError names every field that
        differs, and a place that cannot be written.
        """
        path = Path(path)
        if not _is_run(path):
            # What cannot be trained is refused before anything is made.
            from mesa.config.check import check

            check(config)
        writable(path)
        if not _is_run(path):
            # What a killed process left of its own first write is no stranger.
            strangers = sorted(item.name for item in path.iterdir() if not leftover(item))
            if strangers:
                raise UserError(f"{path}: is not a run and not empty (it holds {strangers[0]}); choose another --out")
            return cls(path, config)._written()
        run = cls.open(path)
        changed = config_file.differences(run.config, config)
        grown = changed.pop("training.steps", None)
        if grown and run.config.training.until == "settled":
            # The largest number decides how long the warm-up is and when the cosine begins at the latest.
            changed["training.steps (cannot change where training.until is settled)"] = grown
        elif grown and run.config.training.steps > config.training.steps:
            changed["training.steps (may only grow)"] = grown
        if changed:
            listed = "; ".join(f"{name}: {old!r} there, {new!r} asked for" for name, (old, new) in changed.items())
            raise UserError(f"{path}: holds a run of another configuration: {listed}")
        return cls(path, config)._written() if grown else run

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open a run; UserError where there is none or its configuration is not valid."""
        path = Path(path)
        if not _is_run(path):
            raise UserError(f"{path}: is not a run: it has no {CONFIG}")
        return cls(path, config_file.load(path / CONFIG))

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.resolve().name

    @property
    def seeds(self) -> range:
        """All seeds of the configuration, trained or not."""
        return range(self.config.first_seed, self.config.first_seed + self.config.seeds)

    def seed_path(self, seed: int) -> Path:
        """The directory of one seed."""
        return self.path / f"seed-{seed}"

    def checkpoints(self, seed: int, rolling: bool = False) -> dict[int, Path]:
        """Paths of the seed's kept checkpoints by step; with `rolling`, those kept only for resuming too."""
        kinds = ("rolling", "step") if rolling else ("step",)
        path_by_step = {}
        for kind in kinds:
            for path in (self.seed_path(seed) / "checkpoints").glob(f"{kind}-*"):
                digits = path.name.partition("-")[2]
                if digits.isdigit():
                    path_by_step[int(digits)] = path
        return dict(sorted(path_by_step.items()))

    def select(self, seed: int, which: Which) -> dict[int, Path]:
        """The checkpoints that `last`, `all` or a step means.

        UserError where there are none, and for `last` and `all` where a finished seed has lost its last one.
        """
        paths = self.checkpoints(seed)
        last = max(paths, default=None)
        step = last if which == "last" else which
        if last is None or (step != "all" and step not in paths):
            known = ", ".join(map(str, paths)) or "none"
            raise UserError(f"checkpoint: {which!r} is not there for seed {seed} of {self.path}; steps: {known}")
        outcome = self.outcome(seed)
        if which in ("last", "all") and outcome["status"] == "finished" and last < outcome["step"]:
            rule = f"training ended at step {outcome['step']}, and the last checkpoint is of step {last}"
            raise UserError(f"{self.seed_path(seed)}: {rule}; `mesa verify` tells what is missing, or name a step")
        return paths if step == "all" else {step: paths[step]}

    def load(self, seed: int, step: Which = "last") -> "InContextTransformer | TokenTransformer":
        """The model of one checkpoint; DamagedCheckpoint where it is not what was saved."""
        ((_, path),) = self.select(seed, step).items()
        return model_of(checked(path, self, seed))

    def outcome(self, seed: int) -> Outcome:
        """How a seed ended: its `status` is finished, diverged (with `step`), interrupted, or not started."""
        file = self.seed_path(seed) / "outcome.json"
        if not file.exists():
            return {"status": "interrupted"} if self.checkpoints(seed, rolling=True) else {"status": "not started"}
        try:
            content = json.loads(file.read_text())
            known = content["status"] in ("finished", "diverged", "interrupted") and isinstance(content["step"], int)
            if content["status"] == "diverged":
                known = known and all(isinstance(content[name], str) for name in ("reason", "last_good_checkpoint"))
            if content["status"] == "finished" and self.config.training.until == "settled":
                known = known and isinstance(content["settled"], bool) and isinstance(content["cosine_from"], int)
            if not known:
                raise ValueError("not an outcome")
        except (OSError, ValueError, TypeError, KeyError):
            rule = "is not the outcome that was written; delete it, and training continues"
            raise UserError(f"{file}: {rule}") from None
        outcome: Outcome = content
        training = self.config.training
        if outcome["status"] == "finished" and training.until == "steps" and outcome["step"] < training.steps:
            return {"status": "interrupted", "step": outcome["step"]}
        return outcome

    def metrics(self, seed: int) -> list[Evaluation]:
        """One entry an evaluation: step, train_loss, held_out_loss, gradient_norm; a torn last line is left out."""
        file = self.seed_path(seed) / "metrics.jsonl"
        if not file.exists():
            return []
        whole, _, _ = file.read_bytes().rpartition(b"\n")
        rows = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                known = isinstance(row["step"], int) and isinstance(row["held_out_loss"], float)
                known = known and all(isinstance(row[name], float | None) for name in ("train_loss", "gradient_norm"))
            except (ValueError, TypeError, KeyError):
                row, known = {}, False
            if not known:
                raise UserError(f"{file}: line {number} is not the evaluation that was written")
            rows.append(row)
        return rows

    def unfinished(self) -> list[int]:
        """The seeds that training would still work on."""
        return [seed for seed in self.seeds if self.outcome(seed)["status"] not in ("finished", "diverged")]

    def verify(self) -> tuple[int, list[UserError]]:
        """Read every checkpoint and compare with outcomes and configuration: how many are whole, and what is wrong.

        A checkpoint that is not what was saved is a DamagedCheckpoint; what is missing is a plain UserError.
        """
        from mesa.storage.missing import missing

        whole, problems = 0, missing(self)
        for seed in self.seeds:
            for path in self.checkpoints(seed, rolling=True).values():
                try:
                    model_of(checked(path, self, seed))
                    whole += 1
                except DamagedCheckpoint as error:
                    # Training may delete a rolling checkpoint while it is read; one that is gone is not damaged.
                    if path.exists():
                        problems.append(error)
        return whole, problems

    def _written(self) -> "Run":
        from mesa.storage.versions import versions

        heading = "The resolved configuration of this run."
        text = config_file.dump(self.config, heading, versions(), plugin.description())
        try:
            write_atomic(self.path / CONFIG, text)
        except OSError as error:
            raise UserError(f"{self.path / CONFIG}: cannot be written: {error.strerror}") from None
        return self


def _is_run(path: Path) -> bool:
    """Whether a configuration stands there; a name that no file can have is not there."""
    try:
        return (path / CONFIG).is_file()
    except (OSError, ValueError):
        return False


def checked(path: Path, run: Run, seed: int) -> "Checkpoint":
    """A whole checkpoint that belongs where it lies: to this seed, this step and this configuration."""
    from mesa.storage.checkpoint import MANIFEST, load

    checkpoint = load(path)
    if checkpoint.seed != seed or checkpoint.step != int(path.name.partition("-")[2]):
        origin = f"seed {checkpoint.seed}, step {checkpoint.step}"
        raise DamagedCheckpoint(f"{path / MANIFEST}: is of {origin}, and lies elsewhere")
    changed = config_file.differences(_config_of(checkpoint), run.config)
    if run.config.training.until == "steps":
        changed.pop("training.steps", None)
    if changed:
        name, (old, new) = next(iter(changed.items()))
        raise DamagedCheckpoint(f"{path / MANIFEST}: is of another configuration: {name} is {old!r}, the run's {new!r}")
    return checkpoint


def model_of(checkpoint: "Checkpoint") -> "InContextTransformer | TokenTransformer":
    """The model of a checkpoint; DamagedCheckpoint where the weights are not that model's."""
    from mesa.models.untrained import untrained_model
    from mesa.storage.checkpoint import fill

    config = _config_of(checkpoint)
    training = config.training.model_copy(update={"device": "cpu"})
    model = untrained_model(config.model_copy(update={"training": training}), checkpoint.seed)
    fill(checkpoint.path, dict(model.named_parameters()), checkpoint.model)
    return model


def _config_of(checkpoint: "Checkpoint") -> RunConfig:
    from mesa.storage.checkpoint import MANIFEST

    try:
        return config_file.parse(checkpoint.config)
    except UserError as error:
        raise DamagedCheckpoint(f"{checkpoint.path / MANIFEST}: holds no valid configuration: {error}") from None


def load_model(path: Path | str) -> "InContextTransformer | TokenTransformer":
    """The model of one checkpoint directory, wherever it lies; DamagedCheckpoint where it is not what was saved."""
    from mesa.storage.checkpoint import load

    return model_of(load(Path(path)))


def summary(runs: Sequence[Run]) -> str:
    """One line that says how the seeds of runs ended."""
    ends = [_end(run.outcome(seed)) for run in runs for seed in run.seeds]
    return ", ".join(f"{ends.count(status)} {status}" for status in dict.fromkeys(ends))


def _end(outcome: Outcome) -> str:
    not_settled = outcome["status"] == "finished" and not outcome.get("settled", True)
    return "finished, but not settled" if not_settled else outcome["status"]
