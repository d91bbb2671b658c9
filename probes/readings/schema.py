"""The columns of every table of readings, and the version of that list."""

# Readings and results.json carry this number. Version 1 (mesa-probes 0.1) had fewer columns, and arrays named by paths.
SCHEMA = 2

COLUMNS: dict[str, str] = {
    # Which model: the run, its seed, the training step of its checkpoint.
    "run": "string",
    "seed": "Int64",
    "step": "Int64",
    # Which number: the probe, its metric, and the explicit algorithm (with its step) that the model is compared with.
    "probe": "string",
    "metric": "string",
    "learner": "string",
    "learner_step": "Int64",
    # What the model's behaviour is read as: prediction, loss, logit_minus_mean, ...
    "readout": "string",
    # Which product of a layer's weights: A (queries and keys) or V (values and output).
    "product": "string",
    # What a number is read from: residual, weights, query_stream, prediction, context_mean.
    "source": "string",
    # What a linear map decodes: x or y.
    "target": "string",
    # Which of the interleaved tokens: even ones hold x, odd ones y.
    "parity": "string",
    # Whether a number is about the whole model or about one head: model, head.
    "scope": "string",
    # Formation: the series that changes, the series that it is compared with ("series before before"), and the share of
    # its change after which a series counts as formed. `share` is also the share of a behaviour that a circuit keeps.
    "series": "string",
    "before": "string",
    "share": "Float64",
    # Which prompts a language model is given: its task's, or a repeated random block.
    "prompts": "string",
    # What replaces a head's output: zero, mean or resampled.
    "ablation": "string",
    # The factor that a layer's update is multiplied with when the layer is applied repeatedly.
    "damping": "Float64",
    # How the distribution of prompts is shifted, and by how much.
    "condition": "string",
    "condition_value": "Float64",
    # How often one layer is applied.
    "applications": "Int64",
    # Which head at which position; for pairs of heads also the later head, and through which of its inputs.
    "layer": "Int64",
    "head": "Int64",
    "position": "Int64",
    "to_layer": "Int64",
    "to_head": "Int64",
    "to_input": "string",
    # The model itself ("none") or the control that stands in its place.
    "control": "string",
    # The number, in the metric's own unit.
    "value": "float64",
}
# Columns that say under what circumstances a number was measured: rows that differ in them are different experiments.
CIRCUMSTANCES = ("prompts", "ablation", "share", "damping", "condition", "condition_value")
