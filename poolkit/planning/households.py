"""How likely members of a household are free of infection together, and sets of samples of many households."""

from math import comb
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from poolkit.assays import Assay
from poolkit.errors import Problem

Floats = NDArray[np.float64]
Model = Literal["beta-binomial", "madsen", "morel-neerchal"]


class Household(NamedTuple):
    """How likely k members of a household are free of infection, k from 0 to its size.

    Attributes
    ----------
    nobody : numpy.ndarray
        (size + 1,) any k of them.
    beside_infected, beside_healthy : numpy.ndarray
        (size,) any k others, when one of them is infected, or is not.
    """

    nobody: Floats
    beside_infected: Floats
    beside_healthy: Floats


def household_of(size: int, prevalence: float, correlation: float, model: Model) -> Household:
    """Return how likely members of a household are free of infection.

    Parameters
    ----------
    size
        Of the household.
    prevalence
        Probability that a sample is infected.
    correlation
        Of two members.
    model
        "beta-binomial", "madsen" or "morel-neerchal".

    Returns
    -------
    Household
        For 0 to `size` members.
    """
    p, q, r = prevalence, 1.0 - prevalence, correlation
    k = np.arange(size, dtype=np.float64)
    if model == "beta-binomial":
        # Each next member by those before, Polya's urn; the first is free with probability q.
        steps = np.concatenate([[1.0], (q * (1.0 - r) + k[1:] * r) / (1.0 - r + k[1:] * r)])
        healthy = np.cumprod(steps)
        reach = np.concatenate([[1.0], (1.0 - r) / (1.0 - r + k[1:] * r)])
        infected = reach * np.concatenate([[1.0], q * healthy[:-1]])
    elif model == "madsen":
        healthy = (1.0 - r) * q**k + r
        infected = (1.0 - r) * q**k + r * (k == 0.0)
    else:
        c = r**0.5
        alike, apart = (1.0 - c) * q, 1.0 - (1.0 - c) * p
        healthy = p * (1.0 - c) * alike**k + apart ** (k + 1.0)
        infected = ((1.0 - c) * p + c) * alike**k + q * (1.0 - c) * apart**k
    return Household(np.concatenate([[1.0], q * healthy]), infected, healthy)


def by_chance(own: Floats, other: Floats, n_others: int, largest: int) -> Floats:
    """Return how likely a set of samples is free of infection when they fall anywhere among some households.

    Parameters
    ----------
    own
        How likely k members of one household are free of infection, one value for each k.
    other
        The same for all other households.
    n_others
        Other households.
    largest
        Samples in a set at most.

    Returns
    -------
    numpy.ndarray
        (largest + 1,) by number of samples, the mean over all sets of so many.

    Notes
    -----
    The mean over sets of g of N samples is the coefficient of x^g in prod_h sum_k C(m_h, k) f_h(k) x^k over C(N, g).
    With x tilted by g / N all terms are binomial probabilities, so that nothing overflows.
    """
    n = own.size - 1 + n_others * (other.size - 1)
    found = np.ones(largest + 1)
    for g in range(1, largest + 1):
        share = g / n
        mixed = _tilted(own, share)
        power, left = _tilted(other, share), n_others
        while left:
            if left & 1:
                mixed = np.convolve(mixed, power)[: g + 1]
            power = np.convolve(power, power)[: g + 1]
            left >>= 1
        found[g] = (mixed[g] if g < mixed.size else 0.0) / binom.pmf(g, n, share)
    return found


def _tilted(free: Floats, share: float) -> Floats:
    size = free.size - 1
    return np.array([comb(size, k) * share**k * (1.0 - share) ** (size - k) * free[k] for k in range(size + 1)])


def household_problems(
    household: int, prevalence: float, correlation: float, model: str, assay: Assay
) -> list[Problem]:
    """Return what is wrong with households and their test."""
    problems = []
    if household < 1:
        problems.append(Problem("household", f"must be at least 1, found {household}"))
    for name, found in (("prevalence", prevalence), ("correlation", correlation)):
        if not 0.0 <= found <= 1.0:
            problems.append(Problem(name, f"must be from 0 to 1, found {found:g}"))
    if model not in get_args(Model):
        problems.append(Problem("model", f"must be one of {', '.join(get_args(Model))}, found {model}"))
    if assay.further != "none":
        problems.append(Problem("assay", f"must feel only whether somebody is infected, found {assay.further}"))
    return problems
