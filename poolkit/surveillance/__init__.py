"""Surveillance: what pools say about the population they come from, and days that stand out."""

from poolkit.surveillance.alarms import (
    alarm,
    plot_alarms,
)
from poolkit.surveillance.compare import (
    compare_prevalence,
    prevalence_test,
)
from poolkit.surveillance.coverage import (
    coverage,
    plot_coverage,
)
from poolkit.surveillance.nowcasts import (
    nowcast,
    plot_nowcast,
)
from poolkit.surveillance.prevalence import (
    plot_prevalence,
    prevalence,
)
from poolkit.surveillance.regression import (
    Regression,
    coefficients,
    plot_coefficients,
    regress,
)
from poolkit.surveillance.run_length import (
    mean_run_length,
)

__all__ = [
    "Regression",
    "alarm",
    "coefficients",
    "compare_prevalence",
    "coverage",
    "mean_run_length",
    "nowcast",
    "plot_alarms",
    "plot_coefficients",
    "plot_coverage",
    "plot_nowcast",
    "plot_prevalence",
    "prevalence",
    "prevalence_test",
    "regress",
]
