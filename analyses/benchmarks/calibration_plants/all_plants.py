"""All described calibration plants: the true ones first."""

from analyses.benchmarks.calibration_plants.defective import DEFECTIVE
from analyses.benchmarks.calibration_plants.descents import DESCENTS
from analyses.benchmarks.calibration_plants.estimators import ESTIMATORS
from analyses.benchmarks.calibration_plants.inside_only import INSIDE_ONLY
from analyses.benchmarks.calibration_plants.iterations import ITERATIONS
from analyses.benchmarks.described_plant import DescribedPlant

CALIBRATION_PLANTS: tuple[DescribedPlant, ...] = (*DESCENTS, *ITERATIONS, *ESTIMATORS, *INSIDE_ONLY, *DEFECTIVE)
