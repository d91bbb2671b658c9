"""How a run's models were trained, in words, and how that differs from the published schedule."""

from mesa.config.presets import CONFIGURATIONS, preset
from mesa.config.schema import RunConfig
from mesa.training.rates import COSINE, warm_up
from mesa.training.settling import LEAST_FALL


def schedule(config: RunConfig) -> str:
    """The training of a run in one sentence.

    >>> schedule(RunConfig())
    '5,000 steps of 2,048 prompts at a learning rate of 0.001.'
    """
    training = config.training
    size = f"{training.steps:,} steps of {training.batch:,} prompts"
    if training.until == "settled":
        return (
            f"At most {size}: the learning rate rises to {training.learning_rate:g} in {warm_up(training):,} steps and "
            "is constant until the held-out loss has left every trivial plateau and has fallen by less than "
            f"{LEAST_FALL:.0%} over the last fifth of the stretch, of itself and of what there is to learn; then it "
            f"falls to zero along a cosine, {COSINE:g} times as long."
        )
    halved = "" if training.halve_every is None else f", halved every {training.halve_every:,} steps"
    return f"{size} at a learning rate of {training.learning_rate:g}{halved}."


def departure(config: RunConfig) -> str:
    """How a run's training differs from that of the public notebooks ([VO]); empty where it does not.

    It is empty too for a model that no notebook trains, which is one that no preset for regression describes.

    >>> departure(RunConfig())
    ''
    >>> training = RunConfig().training.model_copy(update={"until": "settled", "batch": 1024})
    >>> departure(RunConfig(training=training))
    'The notebooks differ: they train a fixed number of steps at a constant rate; batch 2,048 (here 1,024).'
    """
    published = _published(config)
    if published is None:
        return ""
    of_notebooks, of_run = _settings(published), _settings(config)
    differences = [
        f"{name} {value} (here {of_run[name]})" for name, value in of_notebooks.items() if value != of_run[name]
    ]
    if config.training.until == "settled":
        differences.insert(0, "they train a fixed number of steps at a constant rate")
    return f"The notebooks differ: {'; '.join(differences)}." if differences else ""


def _published(config: RunConfig) -> RunConfig | None:
    """The preset with this model, of any start, on this task, of any size; those of language models are our own."""
    presets = [each for each in map(preset, CONFIGURATIONS) if each.model.prompts == "regression"]
    return next((each for each in presets if _subject(each) == _subject(config)), None)


def _subject(config: RunConfig) -> tuple[object, ...]:
    return config.task["name"], config.reader, config.model.model_copy(update={"init_variance": 1.0})


def _settings(config: RunConfig) -> dict[str, str]:
    training = config.training
    halving = "never" if training.halve_every is None else f"every {training.halve_every:,} steps"
    return {
        "steps": f"{training.steps:,}",
        "batch": f"{training.batch:,}",
        "learning rate": f"{training.learning_rate:g}",
        "rate halved": halving,
        "gradient clip": "none" if training.gradient_clip is None else f"{training.gradient_clip:g}",
        "initial variance": f"{config.model.init_variance:g}",
    }
