"""`mean_run_length`: how many days pass until a chart raises an alarm, by a Markov chain."""

from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from poolkit.errors import DesignError, Problem

Floats = NDArray[np.float64]
Transform = Literal["standard", "rossi"]
Chart = Literal["cusum", "binomial-cusum", "ewma"]
CHARTS = ("cusum", "binomial-cusum", "ewma")
# Fractions of a pool that a reference value is rounded to, so that the chain is exact; cells of a chain that is not;
# states and count of a day at most, since the chain is solved as it stands.
_GRAIN, _N_CELLS, _MOST_STATES, _LEFT_OUT = 20, 200, 1500, 1e-13


class Scores(NamedTuple):
    """What a day adds to a chart, and how likely.

    Attributes
    ----------
    values, weights : numpy.ndarray
        Score and probability of each count of a day.
    width : float
        Of the cells of the chain; all values and zero are multiples of it where the chain is exact.
    """

    values: Floats
    weights: Floats
    width: float


def mean_run_length(
    *,
    method: Chart,
    limit: float,
    expected: float | None = None,
    share: float | None = None,
    tested: int | None = None,
    true: float | None = None,
    reference: float = 0.5,
    odds_ratio: float = 2.0,
    weight: float = 0.2,
    transform: Transform = "standard",
) -> float:
    """Return the mean number of days until a chart raises its first alarm.

    Parameters
    ----------
    method
        "cusum" of counts, "binomial-cusum" or "ewma" of pools positive out of so many tested.
    limit
        As in `alarm`: standard deviations (cusum, ewma) or pools (binomial-cusum).
    expected
        Expected count of a day (cusum).
    share, tested
        Share of pools that is positive in quiet times, and pools tested a day (binomial-cusum, ewma).
    true
        The count or share that really holds; that of quiet times where not given.
    reference
        Standard deviations that a day may lie above the expected before it counts (cusum).
    odds_ratio
        Of the share that is to be found to that of quiet times (binomial-cusum).
    weight
        Of a day (ewma).
    transform
        "standard", (y - m) / sqrt(m), or "rossi", (y - 3 m + 2 sqrt(m y)) / (2 sqrt(m)) (cusum).

    Returns
    -------
    float
        Days; infinite where the chart can never alarm.

    Raises
    ------
    DesignError
        When a number is missing or out of range.

    Notes
    -----
    The chart's value is the state of a Markov chain; with R the probabilities of going from state to state below the
    limit, the mean run lengths solve (I - R) x = 1. Reference values are rounded to the nearest fraction with a
    denominator of at most 20: for the standard cusum and the binomial cusum the chain is then exact. For the transform
    of Rossi and the ewma the range below the limit is cut into 200 cells, which is good to about 2 % of run lengths of
    a year. The limit of the ewma is that of its late days. Independent days, one count of pools tested. It costs
    O(states^3), at most 1500 states.

    References
    ----------
    Brook, Evans 1972, *An approach to the probability distribution of CUSUM run length*, Biometrika 59:539. Lucas,
    Saccucci 1990, Technometrics 32:1. Rossi, Lampugnani, Marchi 1999, Statistics in Medicine 18:2111.

    Examples
    --------
    >>> quiet = {"method": "binomial-cusum", "limit": 4.0, "share": 0.05, "tested": 40}
    >>> round(mean_run_length(**quiet), 1), round(mean_run_length(**quiet, true=0.10), 1)
    (92.6, 4.1)
    """
    problems = [] if method in CHARTS else [Problem("method", f"must be one of {', '.join(CHARTS)}, found {method}")]
    if not limit > 0.0:
        problems.append(Problem("limit", f"must be above 0, found {limit:g}"))
    if method == "cusum":
        problems += [] if expected is not None else [Problem("expected", "must be given for a cusum of counts")]
        if expected is not None and not 0.0 < expected < np.inf:
            problems.append(Problem("expected", f"must be above 0, found {expected:g}"))
        if not reference >= 0.0:
            problems.append(Problem("reference", f"must be at least 0, found {reference:g}"))
        if transform not in get_args(Transform):
            problems.append(Problem("transform", f"must be standard or rossi, found {transform}"))
    else:
        problems += chart_problems(share, tested, odds_ratio, weight)
    if true is not None and not (0.0 <= true < np.inf and (method == "cusum" or true <= 1.0)):
        problems.append(Problem("true", f"must be a count or a share, found {true:g}"))
    if problems:
        raise DesignError("not a chart", problems)
    if method == "cusum":
        assert expected is not None
        return _run_length(_of_counts(expected, expected if true is None else true, reference, transform), limit)
    assert share is not None
    assert tested is not None
    really = share if true is None else true
    if method == "ewma":
        return _ewma(share, tested, really, weight, limit)
    return _run_length(_of_pools(share, tested, really, odds_ratio), limit)


def chart_problems(share: float | None, tested: int | None, odds_ratio: float, weight: float) -> list[Problem]:
    """Return what is wrong with the numbers of a chart of pools."""
    problems = []
    if share is None or not 0.0 < share < 1.0:
        problems.append(Problem("share", f"must be between 0 and 1, found {share}"))
    if tested is None or not (tested >= 1 and tested % 1 == 0):
        problems.append(Problem("tested", f"must be a whole number from 1, found {tested}"))
    if not odds_ratio > 1.0:
        problems.append(Problem("odds_ratio", f"must be above 1, found {odds_ratio:g}"))
    if not 0.0 < weight <= 1.0:
        problems.append(Problem("weight", f"must be above 0 and at most 1, found {weight:g}"))
    return problems


def score_of(counts: Floats, expected: float, transform: Transform) -> Floats:
    """Return counts in standard deviations from the expected."""
    if transform == "rossi":
        return np.asarray((counts - 3.0 * expected + 2.0 * np.sqrt(expected * counts)) / (2.0 * expected**0.5))
    return np.asarray((counts - expected) / expected**0.5)


def reference_share(share: float, odds_ratio: float) -> float:
    """Return the share of positive pools above which a day speaks for the raised odds."""
    raised = odds_ratio * share / (1.0 - share + odds_ratio * share)
    return float(np.log((1.0 - share) / (1.0 - raised)) / np.log(odds_ratio))


def _of_counts(expected: float, true: float, reference: float, transform: Transform) -> Scores:
    # Of many a day only those about the mean happen: all from 0 on would not fit into memory.
    least = max(int(stats.poisson.ppf(_LEFT_OUT, true)) - 1, 0)
    counts = np.arange(least, int(stats.poisson.isf(_LEFT_OUT, true)) + 2, dtype=np.float64)
    weights = stats.poisson.pmf(counts, true)
    if transform == "rossi":
        return Scores(score_of(counts, expected, transform) - reference, weights, 0.0)
    # In counts: a lattice.
    centre = Fraction(expected + reference * expected**0.5).limit_denominator(_GRAIN)
    unit = expected**-0.5
    return Scores((counts - float(centre)) * unit, weights, unit / centre.denominator)


def _of_pools(share: float, tested: int, true: float, odds_ratio: float) -> Scores:
    centre = Fraction(tested * reference_share(share, odds_ratio)).limit_denominator(_GRAIN)
    counts, weights = _likely(tested, true)
    return Scores(counts - float(centre), weights, 1.0 / centre.denominator)


def _likely(tested: int, share: float) -> tuple[Floats, Floats]:
    """Return the counts of positive pools that happen, and how likely they are."""
    weights = stats.binom.pmf(np.arange(tested + 1), tested, share)
    counts = np.flatnonzero(weights > _LEFT_OUT * 1e-4)
    return counts.astype(np.float64), weights[counts]


def _run_length(scores: Scores, limit: float) -> float:
    """Return the mean run length of a cusum from 0: alarm at the limit or above."""
    width = scores.width
    # A run up to a limit between two multiples ends at the next one.
    n = max(ceil(limit / width - 1e-9), 1) if width else _N_CELLS
    if n > _MOST_STATES:
        width, n = 0.0, _N_CELLS
    width = width or limit / (_N_CELLS - 0.5)
    at = np.arange(n)
    after = np.rint(at[:, None] + scores.values[None, :] / width).astype(np.int64).clip(0, n)
    return _solved(after, scores.weights, n, 0)


def _solved(after: NDArray[np.int64], weights: Floats, n: int, start: int) -> float:
    """Return the mean steps until the state n, from the state after each state and count."""
    places = (after + np.arange(n)[:, None] * (n + 1)).ravel()
    moves = np.bincount(places, np.broadcast_to(weights, after.shape).ravel(), n * (n + 1)).reshape(n, n + 1)
    if moves[:, n].max() <= 0.0:
        return float("inf")
    # What leaves a state stands on the diagonal, so that long run lengths lose no digits.
    leaving = -moves[:, :n]
    np.fill_diagonal(leaving, 0.0)
    np.fill_diagonal(leaving, moves[:, n] - leaving.sum(axis=1))
    try:
        found = np.linalg.solve(leaving, np.ones(n))
    except np.linalg.LinAlgError:
        return float("inf")
    return float(found[start]) if found[start] > 0.0 else float("inf")


def _ewma(share: float, tested: int, true: float, weight: float, limit: float) -> float:
    spread = (share * (1.0 - share) / tested * weight / (2.0 - weight)) ** 0.5
    top = share + limit * spread
    if top >= 1.0:
        return float("inf")
    counts, weights = _likely(tested, true)
    width = top / _N_CELLS
    centres = (np.arange(_N_CELLS) + 0.5) * width
    value = (1.0 - weight) * centres[:, None] + weight * counts[None, :] / tested
    after = np.where(value > top, _N_CELLS, np.minimum(value // width, _N_CELLS - 1)).astype(np.int64)
    return _solved(after, weights, _N_CELLS, int(share // width))


@lru_cache(maxsize=256)
def limit_for(
    method: Chart,
    days: float,
    level: tuple[float | None, float | None, int | None],
    steps: tuple[float, float, float],
    transform: Transform,
) -> float:
    """Return the smallest limit, to 1 part in 1000, with at least so many days until a false alarm.

    level: expected count, share and tested; steps: reference, odds ratio and weight.
    """

    def long_enough(limit: float) -> bool:
        run = mean_run_length(
            method=method,
            limit=limit,
            expected=level[0],
            share=level[1],
            tested=level[2],
            reference=steps[0],
            odds_ratio=steps[1],
            weight=steps[2],
            transform=transform,
        )
        return run >= days

    low, high = 0.0, 1.0
    while not long_enough(high):
        low, high = high, 2.0 * high
    # Where any rise is rare enough the limit is all but 0.
    while high - low > 1e-3 * high and high > 1e-3:
        middle = (low + high) / 2.0
        low, high = (low, middle) if long_enough(middle) else (middle, high)
    return high
