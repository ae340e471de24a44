"""Synthetic days of a testing laboratory, with known truth."""

from poolkit.simulation.compare import compare_with_truth
from poolkit.simulation.custody import simulate_custody
from poolkit.simulation.day import Simulated, simulate_day
from poolkit.simulation.evening import simulate_evening
from poolkit.simulation.failures import Failures
from poolkit.simulation.people import TRUTH

__all__ = [
    "TRUTH",
    "Failures",
    "Simulated",
    "compare_with_truth",
    "simulate_custody",
    "simulate_day",
    "simulate_evening",
]
