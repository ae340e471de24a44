"""The line of a city: sampling, couriers and laboratories, reckoned and simulated."""

from poolkit.planning.line.description import Arrivals, Courier, Laboratory, Line, Sites
from poolkit.planning.line.run import LineRun
from poolkit.planning.line.simulate import simulate_line, simulate_lines
from poolkit.planning.line.stages import Shift, Stage, Stock, Team

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
    "simulate_line",
    "simulate_lines",
]
