"""Surveillance: what pools say about the population they come from, and days that stand out."""

from poolkit.surveillance.alarms import alarm, plot_alarms
from poolkit.surveillance.run_length import mean_run_length

__all__ = [
    "alarm",
    "mean_run_length",
    "plot_alarms",
]
