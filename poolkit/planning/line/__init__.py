"""The line of a city: sampling, couriers and laboratories, reckoned and simulated."""

from poolkit.planning.line.capacity import (
    capacity,
)
from poolkit.planning.line.description import (
    Arrivals,
    Courier,
    Laboratory,
    Line,
    Sites,
)
from poolkit.planning.line.outcomes import (
    line_stocks,
    line_turnaround,
    plot_line_stocks,
    plot_line_turnaround,
)
from poolkit.planning.line.panels import (
    line_queues,
    line_use,
    plot_line_queues,
    plot_line_use,
)
from poolkit.planning.line.queues import (
    allen_cunneen,
    batch_forming_delay,
    erlang_c,
    fluid_backlog,
    littles_law,
    wait_exceeds,
)
from poolkit.planning.line.run import (
    LineRun,
)
from poolkit.planning.line.simulate import (
    simulate_line,
    simulate_lines,
)
from poolkit.planning.line.stages import (
    Shift,
    Stage,
    Stock,
    Team,
)

__all__ = [
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
    "line_queues",
    "line_stocks",
    "line_turnaround",
    "line_use",
    "littles_law",
    "plot_line_queues",
    "plot_line_stocks",
    "plot_line_turnaround",
    "plot_line_use",
    "simulate_line",
    "simulate_lines",
    "wait_exceeds",
]
