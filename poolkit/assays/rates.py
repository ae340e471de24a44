"""What is known of a test's errors, and which interval is asked for: checked once for those who report and who plan."""

from typing import NamedTuple

from poolkit.errors import Problem
from poolkit.kernels.intervals import ALTERNATIVES, METHODS, Asked
from poolkit.kernels.prevalence import Errors

# A probability, or how many of how many specimens of known truth were called rightly.
Rate = float | tuple[int, int]


class Known(NamedTuple):
    """The errors of the test, and the variances of sensitivity and specificity where these were estimated."""

    errors: Errors
    variances: tuple[float, float]


def known(sensitivity: Rate, specificity: Rate, correlation: float, problems: list[Problem]) -> Known:
    """Return the errors of the test; what is wrong with them is added to the problems."""
    rates, variances = [], []
    for name, rate in (("sensitivity", sensitivity), ("specificity", specificity)):
        if isinstance(rate, tuple):
            right, of = rate
            if not (of >= 1 and 0 <= right <= of):
                problems.append(Problem(name, f"must be called rightly out of at least 1 tested, found {rate}"))
                right, of = 1, 1
            rates.append(right / of)
            variances.append(rates[-1] * (1.0 - rates[-1]) / of)
        else:
            possible = 0.0 <= rate <= 1.0
            if not possible:
                problems.append(Problem(name, f"must be from 0 to 1, found {rate:g}"))
            rates.append(float(rate) if possible else 1.0)
            variances.append(0.0)
    if sum(rates) <= 1.0:
        problems.append(
            Problem("sensitivity", "must be above 1 together with the specificity, or the test tells nothing")
        )
        rates = [1.0, 1.0]
    if not 0.0 <= correlation < 1.0:
        problems.append(Problem("correlation", f"must be at least 0 and below 1, found {correlation:g}"))
        correlation = 0.0
    errors = Errors(rates[0], rates[1], correlation / (1.0 - correlation))
    return Known(errors, (variances[0], variances[1]))


def asked(method: str, level: float, alternative: str, problems: list[Problem]) -> Asked:
    """Return the interval that is asked for; what is wrong with it is added to the problems."""
    if method not in METHODS:
        problems.append(Problem("method", f"must be one of {', '.join(METHODS)}, found {method}"))
        method = METHODS[0]
    if not 0.0 < level < 1.0:
        problems.append(Problem("level", f"must be between 0 and 1, found {level:g}"))
        level = 0.5
    if alternative not in ALTERNATIVES:
        problems.append(Problem("alternative", f"must be one of {', '.join(ALTERNATIVES)}, found {alternative}"))
        alternative = ALTERNATIVES[0]
    elif alternative != "two-sided" and not level >= 0.5:
        problems.append(Problem("level", f"must be at least 0.5 for an interval with one end, found {level:g}"))
        level = 0.5
    return Asked(method, level, alternative)
