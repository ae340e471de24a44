"""Outcomes of pools that are planned, with their probabilities and their intervals; what plans share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem
from poolkit.kernels import intervals
from poolkit.kernels.intervals import Asked
from poolkit.kernels.prevalence import Errors, Groups

Floats = NDArray[np.float64]
# What is less likely than this on either side is left out of a sum over outcomes.
_RARE = 1e-14
MOST_POOLS = 10_000_000


class Outcomes(NamedTuple):
    """Outcomes of pools that are planned: rows of plans, pools of each, positive, and how likely.

    plan (rows,) is the place of the plan, in ascending order.
    """

    plan: NDArray[np.int64]
    tested: Floats
    positive: Floats
    chance: Floats


def sizes_of(pool_size: int | Sequence[int], assay: Assay | None) -> tuple[list[int], list[Problem]]:
    """Return the pool sizes, and what is wrong with them or with the assay."""
    given = np.atleast_1d(np.asarray(pool_size))
    sizes, problems = [1], []
    if given.size and not np.issubdtype(given.dtype, np.integer):
        problems.append(Problem("pool_size", f"must be whole numbers, found {pool_size}"))
    elif given.size == 0 or given.min() < 1:
        problems.append(Problem("pool_size", "must be at least 1"))
    else:
        sizes = [int(each) for each in given]
    if assay is not None and assay.further == "independent":
        problems.append(Problem("assay", "its sensitivity must not depend on how many samples are infected"))
    elif assay is not None and any(sum(errors_of(assay, size)[:2]) <= 1.0 for size in sizes):
        problems.append(Problem("assay", "its sensitivity must be above the complement of its specificity"))
    return sizes, problems


def whole(problems: list[Problem], name: str, value: float) -> None:
    """Say what is wrong with a number that must be whole and at least 1."""
    if not (value >= 1 and value % 1 == 0):
        problems.append(Problem(name, f"must be a whole number from 1, found {value}"))


def without_wald(problems: list[Problem], method: str) -> None:
    """Refuse an interval that is a point where no or every pool reacts: one pool would be enough for anything."""
    if method == "wald":
        problems.append(Problem("method", "wald is a point where no pool reacts: a single pool would do; take another"))


def errors_of(assay: Assay | None, size: int) -> Errors:
    """Return the errors of an assay on pools of a size."""
    if assay is None:
        return Errors(1.0, 1.0, 0.0)
    return Errors(assay.sensitivity_of(size), float(assay.specificity), 0.0)


def between(problems: list[Problem], name: str, value: float, low: float, high: float) -> None:
    """Say what is wrong with a number that must lie between two others."""
    if not low < value < high:
        problems.append(Problem(name, f"must be between {max(low, 0.0):g} and {high:g}, found {value:g}"))


def refuse(title: str, problems: list[Problem]) -> None:
    """Raise every problem at once."""
    if problems:
        raise DesignError(title, problems)


def share_at(prevalence: float, size: int, errors: Errors) -> float:
    """Return the share of pools that reacts."""
    return float(intervals.share_of(np.array([prevalence]), np.array([float(size)]), errors)[0])


def outcomes_of(n: NDArray[np.int64], size: int, errors: Errors, prevalence: float) -> Outcomes:
    """Return the outcomes of each number of pools that are not too rare to count."""
    share = share_at(prevalence, size, errors)
    low = np.maximum(special.bdtrik(_RARE, n.astype(np.float64), share), 0.0)
    low = np.where(np.isfinite(low), np.floor(low), 0.0)
    high = n - np.maximum(special.bdtrik(_RARE, n.astype(np.float64), 1.0 - share), 0.0)
    high = np.where(np.isfinite(high), np.ceil(high), n)
    counts = (high - low + 1.0).astype(np.int64)
    plan = np.repeat(np.arange(n.size), counts)
    positive = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + low[plan]
    tested = n[plan].astype(np.float64)
    log = special.gammaln(tested + 1.0) - special.gammaln(positive + 1.0) - special.gammaln(tested - positive + 1.0)
    log += special.xlogy(positive, share) + special.xlog1py(tested - positive, -share)
    return Outcomes(plan, tested, positive, np.exp(log))


def groups_of(some: Outcomes, size: int) -> Groups:
    """Return every outcome as a group of its own."""
    return Groups(np.arange(some.plan.size + 1), np.full(some.plan.size, float(size)), some.tested, some.positive)


def limits_of(some: Outcomes, size: int, errors: Errors, wanted: Asked) -> Floats:
    """Return the limits of every outcome."""
    return intervals.of_pools(groups_of(some, size), errors, wanted)


def refuted(some: Outcomes, size: int, errors: Errors, hypothesis: float, wanted: Asked) -> NDArray[np.bool_]:
    """Say of every outcome whether its interval leaves a prevalence out."""
    limits = limits_of(some, size, errors, wanted)
    outside: NDArray[np.bool_] = (limits[:, 1] < hypothesis) | (limits[:, 0] > hypothesis)
    return outside


def powers(n: NDArray[np.int64], size: int, errors: Errors, prevalences: tuple[float, float], wanted: Asked) -> Floats:
    """Return how likely each number of pools refutes the second of two prevalences where the first is true."""
    some = outcomes_of(n, size, errors, prevalences[0])
    outside = refuted(some, size, errors, prevalences[1], wanted)
    return np.bincount(some.plan[outside], some.chance[outside], n.size).astype(np.float64)


def smallest(enough: Callable[[int], bool]) -> int | None:
    """Return the least number of pools that is enough, by doubling and halving; None above ten million."""
    high = 1
    while not enough(high):
        if high >= MOST_POOLS:
            return None
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
