"""The models and the learners: transformers that take prompts, and what they might have learnt."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.config import ModelConfig, RunConfig, TrainingConfig
    from mesa.errors import DamagedCheckpoint, UserError
    from mesa.model import InContextTransformer
    from mesa.presets import preset
    from mesa.rng import generator
    from mesa.run import Run, load_model
    from mesa.train_run import train

__all__ = [
    "DamagedCheckpoint",
    "InContextTransformer",
    "ModelConfig",
    "Run",
    "RunConfig",
    "TrainingConfig",
    "UserError",
    "generator",
    "load_model",
    "preset",
    "train",
]

_EXPORTS = {
    **dict.fromkeys(("ModelConfig", "RunConfig", "TrainingConfig"), "mesa.config"),
    **dict.fromkeys(("DamagedCheckpoint", "UserError"), "mesa.errors"),
    "InContextTransformer": "mesa.model",
    "preset": "mesa.presets",
    "generator": "mesa.rng",
    **dict.fromkeys(("Run", "load_model"), "mesa.run"),
    "train": "mesa.train_run",
}
__getattr__ = lazily(__name__, _EXPORTS)
