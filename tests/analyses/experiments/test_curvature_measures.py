"""Numbers over all context lengths: where a correction is absent they are infinite, and so break every bound."""

import math

import pandas as pd
import pytest

from analyses.evidence import Evidence
from analyses.experiments.curvature.measures import NOT_ADAPTED, PUBLISHED, RUNS, curvature_rows, over_all
from probes.readings.reading import Reading


def evidence(gammas: dict[str, dict[int, float]], r_squared: float) -> Evidence:
    """Rows of the first layer: of each control, gamma by context length, read in both ways."""
    rows = []
    for control, by_context in gammas.items():
        for count, gamma in by_context.items():
            labels = {"run": RUNS[count], "seed": 0, "step": 9, "probe": "curvature", "control": control, "layer": 0}
            values = {"spectrum_distance": 0.0, "condition_number_before": 4.0, "condition_number_after": 2.0}
            values["r_squared"] = r_squared if gamma else math.nan
            rows += [{**labels, "metric": "gamma", "source": way, "value": gamma} for way in ("residual", "weights")]
            rows += [{**labels, "metric": name, "source": "residual", "value": n} for name, n in values.items()]
    return Evidence({}, Reading.of(rows).table, {}, pd.DataFrame())


def number(rows: pd.DataFrame, control: str, metric: str) -> float:
    return over_all(metric)(rows[rows["control"] == control])


def test_a_correction_that_is_absent_is_infinitely_far_from_one_that_falls() -> None:
    none = dict.fromkeys(PUBLISHED, 0.0)
    rows = curvature_rows(evidence({"none": PUBLISHED, "constructed": PUBLISHED, "constructed_gd": none}, 0.95))
    assert number(rows, "constructed_gd", "falls") == math.inf
    assert number(rows, "constructed_gd", "r_squared") == -math.inf
    assert number(rows, "constructed_gd", "off_tuned") == pytest.approx(1)
    assert number(rows, "none", "falls") == pytest.approx(0.566, abs=1e-3)
    assert number(rows, "none", "r_squared") == pytest.approx(0.95)
    assert number(rows, "none", "off_published") == number(rows, "none", "off_tuned") == 0


def test_one_gamma_for_all_contexts_does_not_fall() -> None:
    rows = curvature_rows(evidence({"none": PUBLISHED, "constructed": PUBLISHED}, 0.95))
    assert number(rows, NOT_ADAPTED, "falls") == 1
    assert number(rows, NOT_ADAPTED, "off_tuned") == pytest.approx(0.179 / 0.029 - 1)


def test_a_number_that_was_not_measured_is_missing() -> None:
    rows = curvature_rows(evidence({"none": {10: 0.179, 25: 0.099}}, 0.95))
    assert math.isnan(number(rows, "none", "falls")) and math.isnan(number(rows, "none", "off_published"))
