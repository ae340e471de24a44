"""What mixing does to a threshold cycle: the standard curve, dilution, and the load of a pool."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from poolkit.errors import DesignError, Problem

# Verwilt et al. 2020: Cq of 1,632 positives at the probabilities of `viral_load.PROBABILITIES`.
CQ_QUANTILES = (12.4, 16.0, 18.1, 22.4, 28.8, 32.3, 34.6, 35.7, 36.5)
# Mean over the nine pairs (load quantile p of Jones et al., Cq quantile 1 - p of Verwilt et al.) of
# Cq + log2(10) x load: the one free number of a curve whose slope is given. A test recomputes it.
CT_AT_ONE_COPY_A_SWAB = 48.37
# Assumption: one template molecule in the reaction crosses the threshold at cycle 38 (about 2^38 = 2.7e11 amplicons,
# the order at which probes saturate). A kit's own validation replaces it.
CT_AT_ONE_COPY_A_REACTION = 38.0


def _require_members(members: NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(~(members.ravel() >= 1.0))
    if wrong.size:
        rows = tuple(int(row) for row in wrong)
        raise DesignError("not a pool", [Problem("n_members", "must be at least 1", rows)])


def slope_cycles_per_log10(*, efficiency: float = 1.0) -> float:
    """Return how many cycles ten times the virus is worth, a negative number.

    Parameters
    ----------
    efficiency
        Amplification efficiency, above 0 up to 1; 1 doubles each cycle.

    Returns
    -------
    float
        Cycles per log10 of load, -1 / log10(1 + efficiency).

    Raises
    ------
    DesignError
        When the efficiency is outside its range.

    References
    ----------
    Bustin et al. 2009, *The MIQE guidelines*, Clin Chem 55(4), 611-622: PCR efficiency from the slope of the curve.

    Examples
    --------
    >>> round(slope_cycles_per_log10(), 2), round(slope_cycles_per_log10(efficiency=0.9), 2)
    (-3.32, -3.59)
    """
    if not 0.0 < efficiency <= 1.0:
        raise DesignError("not an assay", [Problem("efficiency", f"must be above 0 and at most 1, found {efficiency}")])
    return -1.0 / math.log10(1.0 + efficiency)


def dilution_cycles(n_members: ArrayLike, *, efficiency: float = 1.0) -> NDArray[np.float64]:
    """Return how many cycles later one positive among this many members is read.

    Parameters
    ----------
    n_members
        Members of the pool, at least 1; any shape.
    efficiency
        Amplification efficiency, above 0 up to 1.

    Returns
    -------
    numpy.ndarray
        Cycles, log(n) / log(1 + efficiency): log2(n) at full efficiency.

    Raises
    ------
    DesignError
        When a pool has fewer than one member or the efficiency is outside its range.

    Notes
    -----
    Measured shifts are near it: 2.38 and 1.90 cycles for pools of 4 (log2 4 = 2.00), mean 2.20 (sd 2.96) for
    pools of 6 (log2 6 = 2.58).

    References
    ----------
    Chan et al. 2021 (pools of 4); Agoti et al. 2020, doi:10.7910/DVN/I4XUC5 (pools of 6).

    Examples
    --------
    >>> dilution_cycles([1, 4, 10]).round(2).tolist()
    [0.0, 2.0, 3.32]
    """
    members = np.asarray(n_members, np.float64)
    _require_members(members)
    return np.asarray(-slope_cycles_per_log10(efficiency=efficiency) * np.log10(members), np.float64)


def pooled_log10_load(log10_load: ArrayLike, pool: ArrayLike, *, n_members: ArrayLike) -> NDArray[np.float64]:
    """Return the log10 load of each pool from the loads of its infected members.

    Parameters
    ----------
    log10_load
        log10 copies a swab of each infected member, shape (infected,).
    pool
        The pool of each infected member, counted from 0, shape (infected,).
    n_members
        Members of each pool, infected or not, at least 1, shape (pools,).

    Returns
    -------
    numpy.ndarray
        log10 of (sum of the members' copies / n), shape (pools,); minus infinity for a pool without virus.

    Raises
    ------
    DesignError
        When a pool has no members or a member is in no pool.

    Notes
    -----
    O(infected + pools). This is the dilution of equal volumes. Ten swabs that share one tube of medium lose less,
    because each gives all its virus to the tube; the model then errs towards missing infections.

    Examples
    --------
    >>> pooled_log10_load([6.0, 6.0, 9.0], [0, 0, 2], n_members=[2, 5, 10]).tolist()
    [6.0, -inf, 8.0]
    """
    members = np.asarray(n_members, np.float64)
    of_pool = np.asarray(pool, np.int64)
    _require_members(members)
    if of_pool.size and not 0 <= int(of_pool.min()) <= int(of_pool.max()) < members.size:
        raise DesignError("not a pool", [Problem("pool", f"must be between 0 and {members.size - 1}")])
    copies = np.bincount(of_pool, weights=10.0 ** np.asarray(log10_load, np.float64), minlength=members.size)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log10(copies / members), np.float64)


def expected_ct_cycles(log10_load: ArrayLike, *, efficiency: float = 1.0) -> NDArray[np.float64]:
    """Return the threshold cycle at which this load is read on average.

    Parameters
    ----------
    log10_load
        log10 copies a swab, pooled or not; any shape, minus infinity for no virus.
    efficiency
        Amplification efficiency, above 0 up to 1.

    Returns
    -------
    numpy.ndarray
        Cycles, linear in the log10 load; infinity for no virus.

    Raises
    ------
    DesignError
        When the efficiency is outside its range.

    Notes
    -----
    Slope -3.32 cycles per log10 at full efficiency, height from two published distributions set against each other
    quantile by quantile, which it meets within 2.6 cycles. Another assay needs its own standard curve.

    References
    ----------
    Jones et al. 2021, Science 373, eabi5273 (loads); Verwilt et al. 2020, *Evaluation of efficiency and sensitivity of
    1D and 2D sample pooling strategies for SARS-CoV-2 RT-qPCR screening purposes* (Cq of 1,632 positives).

    Examples
    --------
    >>> expected_ct_cycles([5.13, 6.51, 7.91]).round(1).tolist()
    [31.3, 26.7, 22.1]
    """
    slope = slope_cycles_per_log10(efficiency=efficiency)
    return np.asarray(CT_AT_ONE_COPY_A_SWAB + slope * np.asarray(log10_load, np.float64), np.float64)


def amplification_probability(ct_cycles: ArrayLike, *, efficiency: float = 1.0) -> NDArray[np.float64]:
    """Return how likely a reaction expected at this cycle holds at least one template molecule.

    Parameters
    ----------
    ct_cycles
        Expected threshold cycles; any shape, infinity for no virus.
    efficiency
        Amplification efficiency, above 0 up to 1.

    Returns
    -------
    numpy.ndarray
        Probabilities, 1 - exp(-m) with m molecules on average.

    Raises
    ------
    DesignError
        When the efficiency is outside its range.

    Notes
    -----
    Molecules are Poisson distributed, so 3 on average are found 95 times in 100: the least limit of detection that
    any PCR can have. That one molecule is read at cycle 38 is an assumption.

    References
    ----------
    Forootan et al. 2017, *Methods to determine limit of detection and limit of quantification in quantitative
    real-time PCR*, Biomol Detect Quantif 12, 1-6.

    Examples
    --------
    >>> amplification_probability([30.0, 36.0, 38.0, 42.0]).round(2).tolist()
    [1.0, 0.98, 0.63, 0.06]
    """
    slope_cycles_per_log10(efficiency=efficiency)
    molecules = (1.0 + efficiency) ** (CT_AT_ONE_COPY_A_REACTION - np.asarray(ct_cycles, np.float64))
    return np.asarray(-np.expm1(-molecules), np.float64)
