"""The models and the learners: transformers that take prompts, and what they might have learnt."""

from typing import TYPE_CHECKING

from tasks.lazy import lazily

if TYPE_CHECKING:
    from mesa.config.model import InContextConfig, LanguageConfig
    from mesa.config.presets import preset
    from mesa.config.schema import RunConfig, TrainingConfig
    from mesa.errors import DamagedCheckpoint, UserError
    from mesa.models.in_context import InContextTransformer
    from mesa.rng import generator
    from mesa.storage.run import Run, load_model
    from mesa.training.runs import train

__all__ = [
    "DamagedCheckpoint",
    "InContextConfig",
    "InContextTransformer",
    "LanguageConfig",
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
    **dict.fromkeys(("InContextConfig", "LanguageConfig"), "mesa.config.model"),
    **dict.fromkeys(("RunConfig", "TrainingConfig"), "mesa.config.schema"),
    **dict.fromkeys(("DamagedCheckpoint", "UserError"), "mesa.errors"),
    "InContextTransformer": "mesa.models.in_context",
    "preset": "mesa.config.presets",
    "generator": "mesa.rng",
    **dict.fromkeys(("Run", "load_model"), "mesa.storage.run"),
    "train": "mesa.training.runs",
}
__getattr__ = lazily(__name__, _EXPORTS)
