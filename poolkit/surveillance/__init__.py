"""Surveillance: what pools say about a population, how surely, and how it compares."""

from poolkit.surveillance.compare import compare_prevalence, prevalence_test
from poolkit.surveillance.coverage import coverage, plot_coverage
from poolkit.surveillance.prevalence import plot_prevalence, prevalence

__all__ = [
    "compare_prevalence",
    "coverage",
    "plot_coverage",
    "plot_prevalence",
    "prevalence",
    "prevalence_test",
]
