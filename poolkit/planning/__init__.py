"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.compare import compare_designs
from poolkit.planning.expected import Expected, expected_tests
from poolkit.planning.retesting import Sterrett, sterrett
from poolkit.planning.sizes import Sizes, best_hierarchical, best_partitions
from poolkit.planning.two_infections import Multiplex, MultiplexChoice, choose_multiplex, multiplex

__all__ = [
    "Expected",
    "Multiplex",
    "MultiplexChoice",
    "Sizes",
    "Sterrett",
    "best_hierarchical",
    "best_partitions",
    "choose_multiplex",
    "compare_designs",
    "expected_tests",
    "multiplex",
    "sterrett",
]
