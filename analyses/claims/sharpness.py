"""How sharp a rule is: how often a near miss would meet it on other seeds and prompts."""

import math

import numpy as np
from scipy import special, stats

from analyses.claims.claim import Claim, Measure
from analyses.claims.outcome import Outcome

_DRAWS = 20_000


def pass_rate(claim: Claim, near_miss: Outcome) -> float:
    """An upper estimate of how often as many new seeds of a near miss would all meet the rule; NaN below two seeds.

    Each seed is measured on prompts of its own, so new seeds are also new prompts. Of several measures the one that is
    met least often counts, and one that is not defined is left out; NaN where none is defined.
    """
    rates = [_rate(measure, near_miss) for measure in claim.measures]
    return min((rate for rate in rates if not math.isnan(rate)), default=math.nan)


def _rate(measure: Measure, near_miss: Outcome) -> float:
    if measure.label not in near_miss.of_run:
        return _pass_rate(measure, np.array([*near_miss.values[measure.label].values()]))
    draws = [measure.met(float(draw)) for draw in near_miss.of_run[measure.label].draws]
    defined = [met for met in draws if met is not None]
    return sum(defined) / len(defined) if defined else math.nan


def _pass_rate(measure: Measure, values: np.ndarray) -> float:
    """How often new values, as many as were measured, would all meet the bound, were they normal.

    Mean and variance are those of the posterior of a normal sample under Jeffreys' prior (Gelman et al., Bayesian Data
    Analysis, section 3.2): variance = (n - 1) s^2 / chi^2, mean ~ N(sample mean, variance / n). Given both, all n new
    values meet the bound with probability P(one meets it)^n.
    """
    n = len(values)
    if n < 2 or np.isnan(values).any():
        return math.nan
    met = sum(measure.met(float(value)) is True for value in values)
    if np.isinf(values).any() and 0 < met < n:
        # Infinite values are no normal sample. Under Jeffreys' prior the share of seeds that meet the bound has a
        # posterior Beta(met + 1/2, n - met + 1/2). This is the mean of the share's n-th power.
        return float(special.beta(met + n + 0.5, n - met + 0.5) / special.beta(met + 0.5, n - met + 0.5))
    if np.isinf(values).any() or np.ptp(values) == 0:
        return float(met == n)
    source = np.random.default_rng(0)
    deviation = np.sqrt((n - 1) * values.var(ddof=1) / source.chisquare(n - 1, _DRAWS))
    mean = values.mean() + deviation / math.sqrt(n) * source.standard_normal(_DRAWS)
    below = stats.norm.cdf((measure.bound - mean) / deviation)
    one = 1 - below if measure.sense == "at least" else below
    return float(np.mean(one**n))
