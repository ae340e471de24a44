"""Sterrett's procedure: after a reactive pool one sample after the other, and the rest pooled again at each find."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poolkit.errors import DesignError, Problem

Floats = NDArray[np.float64]
_LARGEST = 200


@dataclass(frozen=True, slots=True)
class Sterrett:
    """How many tests a pool costs by Sterrett's procedure.

    Attributes
    ----------
    expected_tests : float
        Mean number of tests of the pool.
    standard_deviation : float
        Of that number.
    distribution : pandas.DataFrame
        Columns ``tests`` and ``probability``, every possible number of tests once.
    """

    expected_tests: float
    standard_deviation: float
    distribution: pd.DataFrame


def sterrett(
    risks: ArrayLike,
    *,
    sensitivity: float = 1.0,
    specificity: float = 1.0,
    n_repools: int | None = None,
) -> Sterrett:
    """Return how many tests one pool costs by informative Sterrett testing, as a whole distribution.

    Parameters
    ----------
    risks
        (samples,) probability that each is infected. Samples are tested in falling order of it.
    sensitivity, specificity
        Of every test.
    n_repools
        How often what is left is pooled again: 0 is Dorfman's procedure, 1 one-stage, 2 two-stage informative
        Sterrett; as often as a find allows where not given (full informative Sterrett).

    Returns
    -------
    Sterrett
        Exact for every size.

    Raises
    ------
    DesignError
        When a risk or an error is no probability, or there are no samples, or more than 200.

    Notes
    -----
    A reactive pool is taken apart from the sample of highest risk on, one test each, until one is positive; the
    samples left, if more than one, are pooled and tested again. If that pool is negative all is done. When no pooling
    is left, or nobody is found, all are tested alone.

    A pool reacts with probability Se - (Se + Sp - 1) 1[nobody infected], so that the probability of a history is a
    difference of two measures under each of which tests are independent: one with the given risks, the other with
    nobody infected. Both follow the same recursion over the samples left, O(n^2) a pooling; summing over the 2^n true
    states is not needed.

    References
    ----------
    C. R. Bilder, J. M. Tebbs, P. Chen, "Informative retesting", JASA 105 (2010), 942-955; A. Sterrett, "On the
    detection of defective members of large populations", Annals of Mathematical Statistics 28 (1957), 1033-1036.

    Examples
    --------
    >>> risks = [0.002, 0.003, 0.005, 0.008, 0.010, 0.015, 0.020, 0.035, 0.060, 0.120]
    >>> full = sterrett(risks, sensitivity=0.95, specificity=0.99)
    >>> dorfman = sterrett(risks, sensitivity=0.95, specificity=0.99, n_repools=0)
    >>> round(full.expected_tests, 4), round(dorfman.expected_tests, 4)
    (2.0482, 3.4576)
    """
    risk = np.sort(np.asarray(risks, np.float64).ravel())[::-1]
    problems = [
        Problem(name, f"must be from 0 to 1, found {value:g}")
        for name, value in (("sensitivity", sensitivity), ("specificity", specificity))
        if not 0.0 <= value <= 1.0
    ]
    if not 1 <= risk.size <= _LARGEST:
        problems.append(Problem("risks", f"must be 1 to {_LARGEST}, found {risk.size}"))
    given_risks = np.asarray(risks, np.float64).ravel()
    wrong = np.flatnonzero(~((given_risks >= 0.0) & (given_risks <= 1.0)))
    if wrong.size:
        problems.append(Problem("risks", "must be from 0 to 1", tuple(map(int, wrong))))
    if n_repools is not None and not (n_repools >= 0 and n_repools % 1 == 0):
        problems.append(Problem("n_repools", f"must be whole, at least 0, found {n_repools}"))
    if problems:
        raise DesignError("not a plan", problems)
    if risk.size == 1:
        return _of(np.array([0.0, 1.0]))
    repools = risk.size if n_repools is None else min(n_repools, risk.size)
    given = _after(
        risk * sensitivity + (1.0 - risk) * (1.0 - specificity), 1.0 - risk, repools, (sensitivity, specificity)
    )
    return _of(given)


def _after(positive: Floats, healthy: Floats, repools: int, errors: tuple[float, float]) -> Floats:
    """Return the distribution of the tests of a pool that is tested now."""
    n = positive.size
    sensitivity, specificity = errors
    most = 2 * n + 1
    chance = np.full(n, 1.0 - specificity)
    # Tests after a pool of samples k.. has reacted, `repools` poolings being left: under the risks, and with nobody
    # infected (as a conditional distribution).
    risky = _alone(n, most)
    empty = _alone(n, most)
    nobody = np.append(np.cumprod(healthy[::-1])[::-1], 1.0)
    for _ in range(repools):
        risky, empty = (
            _taken_apart(positive, _pooled(risky, empty, nobody, sensitivity, specificity), most),
            _taken_apart(chance, _pooled(empty, empty, np.zeros(n + 1), 1.0 - specificity, specificity), most),
        )
    made: Floats = _pooled(risky, empty, nobody, sensitivity, specificity)[0]
    return made


def _alone(n: int, most: int) -> Floats:
    tests = np.zeros((n + 1, most))
    tests[np.arange(n + 1), n - np.arange(n + 1)] = 1.0
    return tests


def _pooled(reacted: Floats, empty: Floats, nobody: Floats, sensitivity: float, specificity: float) -> Floats:
    """Return the distributions where samples k.. are pooled and tested, for each k; one sample is tested alone."""
    n, most = reacted.shape[0] - 1, reacted.shape[1]
    made = np.zeros_like(reacted)
    share = (sensitivity + specificity - 1.0) * nobody
    made[:, 1:] = sensitivity * reacted[:, : most - 1] - share[:, None] * empty[:, : most - 1]
    made[:, 1] += 1.0 - sensitivity + share
    made[n - 1 :] = _alone(n, most)[n - 1 :]
    return made


def _taken_apart(positive: Floats, again: Floats, most: int) -> Floats:
    """Return the distributions of one test after the other from sample k on, until a find, then `again` on the rest."""
    n = positive.size
    made = np.zeros((n + 1, most))
    made[n, 0] = 1.0
    for k in range(n - 1, -1, -1):
        made[k, 1:] = positive[k] * again[k + 1, : most - 1] + (1.0 - positive[k]) * made[k + 1, : most - 1]
    return made


def _of(probability: Floats) -> Sterrett:
    # What rounding leaves of a difference of two measures is below 1e-15 and is no outcome.
    tests = np.flatnonzero(probability > 1e-16)
    kept = probability[tests]
    mean = float(tests @ kept)
    spread = float(np.sqrt(max(0.0, float((tests - mean) ** 2 @ kept))))
    return Sterrett(mean, spread, pd.DataFrame({"tests": tests, "probability": kept}))
