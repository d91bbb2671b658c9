"""All plants of this package: the true ones first."""

from analyses.benchmarks.fresh_plants.accelerated import ACCELERATED
from analyses.benchmarks.fresh_plants.altered_averages import ALTERED_AVERAGES
from analyses.benchmarks.fresh_plants.altered_examples import ALTERED_EXAMPLES
from analyses.benchmarks.fresh_plants.altered_updates import ALTERED_UPDATES
from analyses.benchmarks.fresh_plants.averages import AVERAGES
from analyses.benchmarks.fresh_plants.corrected_descents import CORRECTED_DESCENTS
from analyses.benchmarks.fresh_plants.inside_only import INSIDE_ONLY
from analyses.benchmarks.fresh_plants.inside_only_descents import INSIDE_ONLY_DESCENTS
from analyses.benchmarks.fresh_plants.inverses import INVERSES
from analyses.benchmarks.fresh_plants.ordered_and_pooled import ORDERED_AND_POOLED
from analyses.benchmarks.fresh_plants.plain_descents import PLAIN_DESCENTS
from analyses.benchmarks.fresh_plants.shrinkage import SHRINKAGE

FRESH_PLANTS = (
    *PLAIN_DESCENTS,
    *CORRECTED_DESCENTS,
    *ACCELERATED,
    *INVERSES,
    *SHRINKAGE,
    *AVERAGES,
    *ORDERED_AND_POOLED,
    *INSIDE_ONLY_DESCENTS,
    *INSIDE_ONLY,
    *ALTERED_EXAMPLES,
    *ALTERED_UPDATES,
    *ALTERED_AVERAGES,
)
