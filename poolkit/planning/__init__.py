"""Planning: what a design costs and finds before it is run, and which one to take."""

from poolkit.planning.compare import compare_designs
from poolkit.planning.expected import Expected, expected_tests
from poolkit.planning.line import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    LineRun,
    Shift,
    Sites,
    Stage,
    Stock,
    Team,
    allen_cunneen,
    batch_forming_delay,
    capacity,
    erlang_c,
    fluid_backlog,
    littles_law,
    simulate_line,
    simulate_lines,
    wait_exceeds,
)
from poolkit.planning.sizes import Sizes, best_hierarchical, best_partitions

__all__ = ["Expected", "Sizes", "best_hierarchical", "best_partitions", "compare_designs", "expected_tests"]

__all__ += [
    "Arrivals",
    "Courier",
    "Laboratory",
    "Line",
    "LineRun",
    "Shift",
    "Sites",
    "Stage",
    "Stock",
    "Team",
    "allen_cunneen",
    "batch_forming_delay",
    "capacity",
    "erlang_c",
    "fluid_backlog",
    "littles_law",
    "simulate_line",
    "simulate_lines",
    "wait_exceeds",
]
