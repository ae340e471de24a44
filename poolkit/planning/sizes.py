"""The best sizes of a family of designs, by search over its exact formula."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.planning.expected import independent

# Where nothing else limits it, a pool is at most 1 / p samples, in which about one is infected, and at most this many.
_LARGEST = 20_000
_MOST_PARTITIONS = 12


class Sizes(NamedTuple):
    """The best sizes of a family.

    Attributes
    ----------
    numbers : tuple of int
        Sizes of the pools from first to last, or partitions and size.
    tests_per_sample : float
        Expected tests per sample by a perfect assay.
    """

    numbers: tuple[int, ...]
    tests_per_sample: float


def _largest(prevalence: float, max_pool: int | None, name: str, number: int) -> int:
    """Return the largest pool that is tried; all that is wrong is named, the further number of that name included."""
    problems = []
    if not 0.0 < prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be above 0 and at most 1, found {prevalence:g}"))
    for what, value in (("max_pool", 1 if max_pool is None else max_pool), (name, number)):
        if not (value >= 1 and value % 1 == 0):
            problems.append(Problem(what, f"must be a whole number from 1, found {value}"))
    if problems:
        raise DesignError("no best size", problems)
    return min(_LARGEST if max_pool is None else max_pool, max(2, int(np.ceil(1.0 / prevalence))))


def best_hierarchical(prevalence: float, *, max_stages: int, max_pool: int | None = None) -> Sizes:
    """Return the sizes of the hierarchical design with the fewest expected tests per sample.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, above 0.
    max_stages
        Stages at most, testing alone included: 1 is testing alone, 2 is Dorfman's.
    max_pool
        Samples a pool at most; 1/p, and 20,000, where not given.

    Returns
    -------
    Sizes
        Each size a divisor of the one before; ``(1,)`` is testing alone.

    Raises
    ------
    DesignError
        When the prevalence is 0 or no probability, or no pool and no stage is allowed.

    Notes
    -----
    Exact over all chains of divisors, by dynamic programming: with b(1) = 0 the best that can follow a reactive pool
    of n is b(n) = min over its divisors d of (1 - q^n)/d + b(d), and 1/n + b(n) is least; O(N log N) a stage for
    pools to N.

    Examples
    --------
    >>> best_hierarchical(0.01, max_stages=2).numbers
    (11,)
    >>> sizes, tests = best_hierarchical(0.01, max_stages=3)
    >>> sizes, round(tests, 4)
    ((25, 5), 0.1334)
    """
    largest = _largest(prevalence, max_pool, "max_stages", max_stages)
    some = independent(largest, prevalence)
    found = Sizes((1,), 1.0)
    after = np.full(largest + 1, np.inf)
    after[1] = 0.0
    n = np.arange(1, largest + 1)
    chosen: list[NDArray[np.int64]] = []
    for _ in range(max_stages - 1):
        following = np.full(largest + 1, np.inf)
        following[1] = 0.0
        divisor = np.ones(largest + 1, np.int64)
        for d in np.flatnonzero(np.isfinite(after)):
            multiples = np.arange(2 * d, largest + 1, d)
            cost = some[multiples] / d + after[d]
            better = cost < following[multiples]
            following[multiples[better]] = cost[better]
            divisor[multiples[better]] = d
        chosen.append(divisor)
        after = following
        total = 1.0 / n[1:] + after[2:]
        best = int(np.argmin(total)) if total.size else 0
        if total.size and total[best] < found.tests_per_sample:
            sizes, size = [], best + 2
            for divisor in reversed(chosen):
                sizes.append(size)
                size = int(divisor[size])
                if size == 1:
                    break
            found = Sizes(tuple(sizes), float(total[best]))
    return found


def best_partitions(prevalence: float, *, n_partitions: int | None = None, max_pool: int | None = None) -> Sizes:
    """Return the number and the pool size of independent partitions with the fewest expected tests per sample.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, above 0.
    n_partitions
        Pools of each sample; the best up to 12 where not given.
    max_pool
        Samples a pool at most; 1/p, and 20,000, where not given.

    Returns
    -------
    Sizes
        Partitions and samples a pool.

    Raises
    ------
    DesignError
        When the prevalence is 0 or no probability, or no pool or no partition is allowed.

    Notes
    -----
    Over all numbers and sizes of the formula of `partitions`, which supposes that any two pools share one sample at
    most: as many samples as the square of the size, so it is a limit rather than a plan.

    Examples
    --------
    >>> best_partitions(0.01, n_partitions=2).numbers
    (2, 25)
    """
    largest = _largest(prevalence, max_pool, "n_partitions", 1 if n_partitions is None else n_partitions)
    some = independent(largest, prevalence)
    size = np.arange(1, largest + 1)
    tried = range(1, _MOST_PARTITIONS + 1) if n_partitions is None else (n_partitions,)
    found = Sizes((1, 1), 1.0)
    for number in tried:
        tests = number / size + prevalence + (1.0 - prevalence) * some[size - 1] ** number
        best = int(np.argmin(tests))
        if tests[best] < found.tests_per_sample:
            found = Sizes((number, int(size[best])), float(tests[best]))
    return found
