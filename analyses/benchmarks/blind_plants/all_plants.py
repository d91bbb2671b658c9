"""All blind plants: the true ones first."""

from analyses.benchmarks.blind_plants.defective import DEFECTIVE
from analyses.benchmarks.blind_plants.descents import DESCENTS
from analyses.benchmarks.blind_plants.estimators import ESTIMATORS
from analyses.benchmarks.blind_plants.inside_only import INSIDE_ONLY
from analyses.benchmarks.blind_plants.iterations import ITERATIONS
from analyses.benchmarks.blind_plants.plant import BlindPlant

BLIND_PLANTS: tuple[BlindPlant, ...] = (*DESCENTS, *ITERATIONS, *ESTIMATORS, *INSIDE_ONLY, *DEFECTIVE)
