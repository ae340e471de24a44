"""`correlated_hierarchical`, `correlated_array`: pooling when the samples of a household share their fate."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.errors import DesignError, Problem
from poolkit.planning import household_arrays
from poolkit.planning.households import Floats, Household, Model, by_chance, household_of, household_problems

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Correlated:
    """What a design costs and finds when members of a household are infected together.

    Attributes
    ----------
    n : int
        Samples in one block of the design.
    prevalence : float
        Probability that a sample is infected.
    stages : tuple of float
        Expected tests of a block, stage by stage.
    sensitivity, specificity : float
        Probability that an infected sample is reported so, and that another is not; means over the samples.

    Examples
    --------
    >>> found = correlated_hierarchical((10,), household=5, prevalence=0.01, correlation=0.3)
    >>> found.n, [round(each, 4) for each in found.stages]
    (10, [1.0, 0.5927])
    """

    n: int
    prevalence: float
    stages: tuple[float, ...]
    sensitivity: float
    specificity: float

    @property
    def expected_tests(self) -> float:
        """All tests of a block."""
        return sum(self.stages)

    @property
    def tests_per_sample(self) -> float:
        """Tests for each sample."""
        return self.expected_tests / self.n

    @property
    def positive_predictive_value(self) -> float:
        """Probability that a sample reported infected is; 1 where none is ever reported so."""
        true, false = self.prevalence * self.sensitivity, (1.0 - self.prevalence) * (1.0 - self.specificity)
        return true / (true + false) if true + false > 0.0 else 1.0

    @property
    def negative_predictive_value(self) -> float:
        """Probability that a sample reported healthy is; 1 where none is ever reported so."""
        true, false = (1.0 - self.prevalence) * self.specificity, self.prevalence * (1.0 - self.sensitivity)
        return true / (true + false) if true + false > 0.0 else 1.0


def correlated_hierarchical(
    sizes: Sequence[int],
    *,
    household: int,
    prevalence: float,
    correlation: float,
    assay: Assay | None = None,
    model: Model = "beta-binomial",
    arrangement: Literal["nested", "split", "random"] | Sequence[int] = "nested",
    n_pools: int = 1,
) -> Correlated:
    """Return what pools that are split stage by stage cost and find when households share their fate.

    Parameters
    ----------
    sizes
        Pool size of each stage, each a divisor of the one before; the last stage, samples alone, may be left out.
    household
        Samples of a household.
    prevalence
        Probability that a sample is infected.
    correlation
        Correlation of two members of a household, 0 to 1.
    assay
        How likely a pool reacts; perfect where not given.
    model
        "beta-binomial", "madsen" (all members alike with this probability) or "morel-neerchal" (each member copies a
        common fate with probability the root of the correlation).
    arrangement
        "nested": households side by side, the last one cut off where it does not fit. "split": no two members in one
        pool, so that tests are those of independent samples. "random": members anywhere in `n_pools` pools of the
        first stage. Or the household of each sample of a first pool, in the order in which it is divided; then
        `household` is not looked at.
    n_pools
        Pools of the first stage that households are spread over at random.

    Returns
    -------
    Correlated
        Of one pool of the first stage.

    Raises
    ------
    DesignError
        When sizes do not divide each other, households do not fill the pools they are spread over at random, or a
        number is out of range.

    Notes
    -----
    With f(k) the probability that none of k members of a household is infected, a set of samples is free of infection
    with probability Q = prod f(k_h) over households. A pool is tested when all pools above it react: sum over the stage
    t up to which the nested chain is truly positive of (Q_{t+1} - Q_t) prod_{s <= t} Se_s prod_{s > t} (1 - Sp_s).
    f(k) is prod_{j < k} ((1 - p)(1 - r) + j r) / (1 - r + j r) (beta-binomial), (1 - r) q^k + r q (Madsen), and
    p ((1 - c) q)^k + q (1 - (1 - c) p)^k, c = sqrt(r) (Morel and Neerchal). At random Q is the mean over all
    placements, exact by a generating function, where gtcorr simulates. Exact for an assay whose sensitivity goes by
    pool size. It costs O(samples x households), at random O((n_pools x samples)^3) at most.

    References
    ----------
    Lendle, Hudgens, Qaqish 2012, *Group testing for case identification with correlated responses*, Biometrics 68:532.
    Madsen 1993, Communications in Statistics A 22:3065. Morel, Neerchal 1997, Statistics in Medicine 16:2843.

    Examples
    --------
    >>> assay = Assay(0.95, 0.99)
    >>> found = correlated_hierarchical((10,), household=5, prevalence=0.01, correlation=0.1, assay=assay)
    >>> round(found.tests_per_sample, 6)
    0.185358
    """
    assay = assay or Assay()
    stages = [int(size) for size in sizes]
    stages = stages if len(stages) > 1 and stages[-1] == 1 else [*stages, 1]
    problems = household_problems(household, prevalence, correlation, model, assay)
    if len(stages) < 2 or any(low < 1 or high <= low or high % low for high, low in pairwise(stages)):
        problems.append(Problem("sizes", f"each must be a smaller divisor of the one before, found {tuple(sizes)}"))
    if n_pools < 1:
        problems.append(Problem("n_pools", f"must be at least 1, found {n_pools}"))
    if not isinstance(arrangement, str):
        if len(arrangement) != stages[0]:
            problems.append(Problem("arrangement", f"must name {stages[0]} households, found {len(arrangement)}"))
    elif arrangement not in ("nested", "split", "random"):
        problems.append(Problem("arrangement", f"must be nested, split or random, found {arrangement}"))
    elif arrangement == "random" and household > 0 and n_pools * stages[0] % household:
        problems.append(Problem("household", f"must divide {n_pools * stages[0]} samples at random, found {household}"))
    if problems:
        raise DesignError("not a plan", problems)
    n = stages[0]
    if arrangement == "random":
        free, beside = _at_random(stages, household_of(household, prevalence, correlation, model), n_pools)
    else:
        if isinstance(arrangement, str):
            labels = np.arange(n) // household if arrangement == "nested" else np.arange(n)
        else:
            labels = np.unique(np.asarray(arrangement), return_inverse=True)[1]
        largest = int(np.bincount(labels).max())
        free, beside = _as_labelled(stages, labels, household_of(largest, prevalence, correlation, model))
    found = [float(assay.reactive(size)[size, 1]) for size in stages]
    false = 1.0 - assay.specificity
    tests = [1.0]
    tests += [float(_all_react(free[:s], found, false).sum()) / stages[s] for s in range(1, len(stages))]
    wrong = float(_all_react(beside[:-1], found, false).mean()) * false
    return Correlated(n, prevalence, tuple(tests), prod(found), 1.0 - wrong)


def _all_react(free: list[Floats], found: list[float], false: float) -> Floats:
    """Return how likely all pools above a sample react, by how likely each is free of infection."""
    total = np.zeros_like(free[0])
    before = np.zeros_like(free[0])
    for stage, each in enumerate([*free, np.ones_like(before)]):
        # Pools from this stage on are free of infection, and those above it are not.
        total += (each - before) * prod(found[:stage]) * false ** (len(free) - stage)
        before = each
    return total


def _as_labelled(stages: list[int], labels: Labels, of: Household) -> tuple[list[Floats], list[Floats]]:
    """Return how likely the pool of each sample is free of infection, by stage; and when the sample is healthy."""
    n, free, beside = stages[0], [], []
    sample = np.arange(n)
    for size in stages:
        counts = np.zeros((n // size, int(labels.max()) + 1), np.int64)
        np.add.at(counts, (sample // size, labels), 1)
        counts = counts[sample // size]
        free.append(of.nobody[counts].prod(axis=1))
        own = counts[sample, labels]
        counts[sample, labels] = 0
        beside.append(of.nobody[counts].prod(axis=1) * of.beside_healthy[own - 1])
    return free, beside


def _at_random(stages: list[int], of: Household, n_pools: int) -> tuple[list[Floats], list[Floats]]:
    """Return the same when members stand anywhere in so many first pools; all samples are alike."""
    n = stages[0]
    n_others = n_pools * n // (of.nobody.size - 1) - 1
    free = by_chance(of.nobody, of.nobody, n_others, n)
    beside = by_chance(of.beside_healthy, of.nobody, n_others, n - 1)
    return [np.full(n, free[size]) for size in stages], [np.full(n, beside[size - 1]) for size in stages]


def correlated_array(
    n_rows: int,
    n_columns: int,
    *,
    household: tuple[int, int] | int,
    prevalence: float,
    correlation: float,
    assay: Assay | None = None,
    model: Model = "beta-binomial",
    arrangement: Literal["rectangular", "diagonal", "random"] = "rectangular",
    unmatched: bool = True,
) -> Correlated:
    """Return what an array of row and column pools costs and finds when households share their fate.

    Parameters
    ----------
    n_rows, n_columns
        Of the array, each at least 2.
    household
        Rows and columns of the rectangle that a household fills, or its number of samples: a stretch of a row.
    prevalence
        Probability that a sample is infected.
    correlation
        Correlation of two members of a household, 0 to 1.
    assay
        How likely a pool reacts; perfect where not given.
    model
        As in `correlated_hierarchical`.
    arrangement
        "rectangular": rectangles side by side, cut off at the border. "diagonal": no two members share a row or a
        column; rows and columns are multiples of the household. "random": members anywhere in the array.
    unmatched
        Whether the samples of a reactive row are tested alone when no column reacts, and the other way round; else only
        those where a reactive row and a reactive column cross.

    Returns
    -------
    Correlated
        Of one array: first the rows and columns, then samples alone.

    Raises
    ------
    DesignError
        When households do not fit as the arrangement asks, or a number is out of range.

    Notes
    -----
    A crossing is tested with a probability that is a sum over the truth of row and column, from Q(row), Q(column) and
    Q(row and column), Q as in `correlated_hierarchical`. A row without a column: the mean of R prod_c (1 - Se +
    (Se + Sp - 1) free_c), multiplied out over sets of columns; columns of different households are independent and
    those of the same are alike, so that a sum over their number is enough. Exact for an assay whose sensitivity goes by
    pool size. With correlation 0 these are the known formulas of arrays (A2 of binGroup2), unequal sides included. It
    costs O(rows x columns) a number of columns in a household, milliseconds.

    References
    ----------
    Lendle, Hudgens, Qaqish 2012, *Group testing for case identification with correlated responses*, Biometrics 68:532.
    Kim, Hudgens, Dreyfuss, Westreich, Pilcher 2007, Biometrics 63:1152.

    Examples
    --------
    >>> found = correlated_array(10, 10, household=1, prevalence=0.01, correlation=0.0, assay=Assay(0.95, 0.99))
    >>> round(found.expected_tests, 6), round(found.sensitivity, 6)
    (22.7896..., 0.892381)
    """
    assay = assay or Assay()
    tall, wide = (1, household) if isinstance(household, int) else household
    problems = household_problems(tall * wide, prevalence, correlation, model, assay)
    for name, found in (("n_rows", n_rows), ("n_columns", n_columns)):
        if found < 2:
            problems.append(Problem(name, f"must be at least 2, found {found}"))
    if arrangement not in ("rectangular", "diagonal", "random"):
        problems.append(Problem("arrangement", f"must be rectangular, diagonal or random, found {arrangement}"))
    if min(tall, wide) < 1:
        problems.append(Problem("household", f"must have at least one row and column, found {(tall, wide)}"))
    elif arrangement == "diagonal" and (n_rows % (tall * wide) or n_columns % (tall * wide)):
        problems.append(Problem("household", f"must divide rows and columns on the diagonal, found {tall * wide}"))
    elif arrangement == "random" and (n_rows * n_columns) % (tall * wide):
        problems.append(Problem("household", f"must divide the array's samples at random, found {tall * wide}"))
    if problems:
        raise DesignError("not a plan", problems)
    of = household_of(tall * wide, prevalence, correlation, model)
    placed = household_arrays.placed(n_rows, n_columns, (tall, wide), arrangement, of)
    infected, healthy = household_arrays.tested_alone(placed, assay, unmatched=unmatched)
    alone = n_rows * n_columns * (prevalence * infected + (1.0 - prevalence) * healthy)
    last = float(assay.reactive(1)[1, 1])
    return Correlated(
        n_rows * n_columns,
        prevalence,
        (float(n_rows + n_columns), alone),
        infected * last,
        1.0 - healthy * (1.0 - assay.specificity),
    )
