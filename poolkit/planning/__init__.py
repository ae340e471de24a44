"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.choice import Choice, choose
from poolkit.planning.compare import compare_designs
from poolkit.planning.expected import Expected, expected_tests
from poolkit.planning.operating import Characteristics, characteristics
from poolkit.planning.shapes import nested_pools
from poolkit.planning.sizes import Sizes, best_hierarchical, best_partitions
from poolkit.planning.unbeaten import frontier, plot_frontier
from poolkit.planning.wrong import plot_wrong_prevalence, wrong_prevalence

__all__ = ["Expected", "Sizes", "best_hierarchical", "best_partitions", "compare_designs", "expected_tests"]
__all__ += ["Characteristics", "Choice", "characteristics", "choose", "frontier", "nested_pools", "plot_frontier"]
__all__ += ["plot_wrong_prevalence", "wrong_prevalence"]
