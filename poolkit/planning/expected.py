"""Expected tests of a design: exact by formula where the pools allow it."""

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.errors import DesignError, Problem
from poolkit.kernels import stages
from poolkit.pooling import designs
from poolkit.pooling.designs import Layout

Floats = NDArray[np.float64]
# 2 ** 14 unions a sample are summed at most; beyond, the design is simulated.
_MOST_POOLS_A_SAMPLE = 14


class Expected(NamedTuple):
    """Expected tests of a layout, stage by stage.

    Attributes
    ----------
    stages : numpy.ndarray
        (stages,) pools tested.
    alone : float
        Samples left open after all pools, which are tested alone.
    """

    stages: Floats
    alone: float

    @property
    def total(self) -> float:
        """All tests."""
        return float(self.stages.sum()) + self.alone


def independent(n: int, prevalence: float) -> Floats:
    """Return how likely m samples hold an infected one, m from 0 to n, when each is infected by itself.

    Parameters
    ----------
    n
        Samples.
    prevalence
        Probability that a sample is infected.

    Returns
    -------
    numpy.ndarray
        (n + 1,) 1 - (1 - p)^m.

    Raises
    ------
    DesignError
        When the prevalence is outside 0 to 1.
    """
    if not 0.0 <= prevalence <= 1.0:
        raise DesignError("not a plan", [Problem("prevalence", f"must be from 0 to 1, found {prevalence:g}")])
    m = np.arange(n + 1)
    if prevalence == 1.0:
        return np.asarray(m > 0, np.float64)
    return np.asarray(-np.expm1(m * np.log1p(-prevalence)), np.float64)


def at_most(n: int, max_positives: int) -> Floats:
    """Return how likely m samples hold an infected one, m from 0 to n, when all sets of at most k are equally likely.

    Parameters
    ----------
    n
        Samples.
    max_positives
        Infected samples at most, k.

    Returns
    -------
    numpy.ndarray
        (n + 1,) 1 - sum_j C(n - m, j) / sum_j C(n, j), j from 0 to k.
    """
    most = min(max_positives, n)
    free = [sum(comb(n - m, j) for j in range(most + 1)) for m in range(n + 1)]
    return np.array([(free[0] - each) / free[0] for each in free])


def staged_tests(layout: Layout, some: Floats) -> Expected | None:
    """Return the expected tests of a layout by a perfect assay, or None where no formula is known.

    Parameters
    ----------
    layout
        Pools of samples in stages.
    some
        (samples + 1,) how likely any m samples hold an infected one, as `independent` and `at_most` give it.

    Returns
    -------
    Expected or None
        None when a later pool holds samples that were not all in the same pools before, or a sample is in more than
        14 pools.

    Notes
    -----
    A sample is open after all stages when each of its pools holds an infected sample; by inclusion and exclusion
    over its pools P(open) = sum over non-empty sets T of them of (-1)^(|T| + 1) P(the union of T holds one). A later
    pool is tested when all pools of the stages before that its members share react. For w pools of s samples each a
    sample costs O(w s + w 2^w).
    """
    stage = layout.stage.astype(np.int64)
    pool = np.repeat(np.arange(stage.size), np.diff(layout.offsets))
    order = np.lexsort((pool, layout.members))
    listed = pool[order].astype(np.int32)
    offsets = np.searchsorted(layout.members[order], np.arange(layout.n_samples + 1)).astype(np.int64)
    if np.diff(offsets).max(initial=0) > _MOST_POOLS_A_SAMPLE:
        return None
    tested = np.bincount(stage[stage == 1] - 1, minlength=int(stage.max(initial=0))).astype(float)
    later = np.flatnonzero(stage > 1)
    before = _shared_before(layout, later, offsets, listed)
    if before is None:
        return None
    before_offsets = np.concatenate([[0], np.cumsum([each.size for each in before])]).astype(np.int64)
    before_listed = np.concatenate([np.zeros(0, np.int32), *before]).astype(np.int32)
    reached, left = np.zeros(later.size), np.zeros(layout.n_samples)
    stages.all_react(before_offsets, before_listed, layout.offsets, layout.members, some, reached)
    stages.all_react(offsets, listed, layout.offsets, layout.members, some, left)
    np.add.at(tested, stage[later] - 1, reached)
    return Expected(tested, float(left.sum()))


def _shared_before(
    layout: Layout, later: NDArray[np.int64], offsets: NDArray[np.int64], listed: NDArray[np.int32]
) -> list[NDArray[np.int32]] | None:
    """Return the pools of stages before that all members of each later pool share; None when they differ."""
    found = []
    for pool in later:
        samples = layout.members[layout.offsets[pool] : layout.offsets[pool + 1]]
        of = [listed[offsets[sample] : offsets[sample + 1]] for sample in samples]
        earlier = [each[layout.stage[each] < layout.stage[pool]] for each in of]
        if any(not np.array_equal(each, earlier[0]) for each in earlier[1:]):
            return None
        found.append(earlier[0])
    return found


def expected_tests(design: "designs.Design | Layout", prevalence: float) -> Expected | None:
    """Return the expected tests of one block of a design when each sample is infected by itself.

    Parameters
    ----------
    design
        A design, of which one full block is taken, or a layout.
    prevalence
        Probability that a sample is infected, from 0 to 1.

    Returns
    -------
    Expected or None
        Tests of each stage and of samples alone, for a perfect assay; None where no exact formula is known.

    Raises
    ------
    DesignError
        When the prevalence is outside 0 to 1.

    Notes
    -----
    Exact, by inclusion and exclusion over the pools of a sample (see `staged_tests`), for two-stage, hierarchical,
    array, hypercube, partitions and every other design whose later pools lie inside earlier ones.

    Examples
    --------
    >>> import numpy as np
    >>> from poolkit.pooling.designs import Layout
    >>> ten = Layout(10, np.array([0, 10]), np.arange(10, dtype=np.int32), np.array([1], np.int8))
    >>> round(expected_tests(ten, 0.01).total / 10, 4)
    0.1956
    """
    layout = design if isinstance(design, Layout) else design.layout(design.block)
    return staged_tests(layout, independent(layout.n_samples, prevalence))


def two_stage(size: int, prevalence: float) -> float:
    """Return tests per sample of pools of this size whose members are tested alone when the pool reacts.

    Parameters
    ----------
    size
        Samples a pool, s; 1 is testing alone.
    prevalence
        Probability that a sample is infected, p = 1 - q.

    Returns
    -------
    float
        1/s + 1 - q^s.

    References
    ----------
    Dorfman 1943, *The detection of defective members of large populations*, Ann Math Stat 14(4), 436-440.
    """
    return hierarchical((size,), prevalence)


def hierarchical(sizes: Sequence[int], prevalence: float) -> float:
    """Return tests per sample of pools that are split into smaller and smaller ones, and last into samples alone.

    Parameters
    ----------
    sizes
        Sizes of the pools from first to last, each a divisor of the one before.
    prevalence
        Probability that a sample is infected, p = 1 - q.

    Returns
    -------
    float
        1/n1 + (1 - q^n1)/n2 + (1 - q^n2)/n3 + ... + 1 - q^nS; a size of 1 is a test alone, and ends it.

    References
    ----------
    Finucan 1964, *The blood testing problem*, Appl Stat 13(1), 43-50.
    """
    some = independent(sizes[0], prevalence)
    if sizes[0] == 1:
        return 1.0
    following = (*sizes[1:], 1)
    return float(1.0 / sizes[0] + sum(some[a] / b for a, b in zip(sizes, following, strict=True) if a > 1))


def partitions(n_partitions: int, size: int, prevalence: float) -> float:
    """Return tests per sample of independent partitions into pools whose common members are tested alone.

    Parameters
    ----------
    n_partitions
        Pools of each sample, r.
    size
        Samples a pool, s; any two pools share at most one sample.
    prevalence
        Probability that a sample is infected, p = 1 - q.

    Returns
    -------
    float
        r/s + p + q (1 - q^(s - 1))^r; a sample is tested alone when all its pools react.

    References
    ----------
    Broder and Kumar 2020, *A note on double pooling tests*, arXiv:2004.01684; Aldridge 2020, *Conservative two-stage
    group testing in the linear regime*, arXiv:2005.06617.
    """
    some = independent(size, prevalence)
    return float(n_partitions / size + prevalence + (1.0 - prevalence) * some[size - 1] ** n_partitions)


def array(n_rows: int, n_columns: int, prevalence: float, *, skip_unique: bool = False) -> float:
    """Return tests per sample of an array whose reactive rows and columns cross in samples tested alone.

    Parameters
    ----------
    n_rows, n_columns
        Sides of the array, R and C.
    prevalence
        Probability that a sample is infected, p = 1 - q.
    skip_unique
        Whether crossings are taken as positive untested when only one row or only one column reacts.

    Returns
    -------
    float
        (R + C)/(R C) + p + q (1 - q^(R - 1))(1 - q^(C - 1)). Where unique crossings are not tested it is less by the
        infected samples of an array with one reactive row or one reactive column: p (q^(R(C - 1)) + q^(C(R - 1)) -
        q^(R C - 1)).

    References
    ----------
    Phatarfod and Sudbury 1994, *The use of a square array scheme in blood testing*, Stat Med 13(22), 2337-2343.
    """
    q, n = 1.0 - prevalence, n_rows * n_columns
    some = independent(max(n_rows, n_columns), prevalence)
    tests = (n_rows + n_columns) / n + prevalence + q * some[n_rows - 1] * some[n_columns - 1]
    unique = q ** (n - n_rows) + q ** (n - n_columns) - q ** (n - 1)
    return float(tests - prevalence * unique if skip_unique else tests)


def hypercube(side: int, dimensions: int, prevalence: float, *, master: bool = False) -> float:
    """Return tests per sample of a cube whose slices are pools; where all slices of a sample react it is tested alone.

    Parameters
    ----------
    side
        Slices a direction, L.
    dimensions
        Directions, D; a slice holds L^(D - 1) of the L^D samples.
    prevalence
        Probability that a sample is infected, p = 1 - q.
    master
        Whether one pool of all is tested first, and the slices only when it reacts.

    Returns
    -------
    float
        D/L^(D - 1) + P(open) without master pool, 1/L^D + (1 - q^(L^D)) D/L^(D - 1) + P(open) with one, where
        P(open) = sum_t (-1)^t C(D, t) q^(L^D - L^(D - t) (L - 1)^t), t from 0 to D.

    References
    ----------
    Mutesa et al. 2021, *A pooled testing strategy for identifying SARS-CoV-2 at low prevalence*, Nature 589, 276-280.
    """
    n = side**dimensions
    some = independent(n, prevalence)
    # t slices of different directions leave (L - 1)^t L^(D - t) samples out.
    unions = [n - side ** (dimensions - t) * (side - 1) ** t for t in range(dimensions + 1)]
    left = sum((-1) ** (t + 1) * comb(dimensions, t) * some[unions[t]] for t in range(1, dimensions + 1))
    slices = side * dimensions / n
    return float(left + (1.0 / n + some[n] * slices if master else slices))


def mutesa_limit(prevalence: float) -> float:
    """Return the tests per sample that cubes with a master pool approach at low prevalence.

    Parameters
    ----------
    prevalence
        Probability that a sample is infected, p.

    Returns
    -------
    float
        e p ln(0.734 / p).

    References
    ----------
    Mutesa et al. 2021, *A pooled testing strategy for identifying SARS-CoV-2 at low prevalence*, Nature 589, 276-280.
    """
    return float(np.e * prevalence * np.log(0.734 / prevalence))
