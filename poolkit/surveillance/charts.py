"""The statistics behind `alarm`, day by day: baselines, exact limits, cumulated sums and smoothed shares."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from poolkit.surveillance.run_length import Floats, Transform, reference_share, score_of

# Days between the baseline and the day itself.
LAGS = {"ears-c1": 0, "ears-c2": 2, "ears-c3": 2}


class Charted(NamedTuple):
    """One value a day.

    Attributes
    ----------
    expected : numpy.ndarray
        Count, or positive pools, that the baseline leads to expect.
    statistic, limit : numpy.ndarray
        What is compared; missing (NaN) where it cannot be said.
    upper : numpy.ndarray
        Count that the day may reach without an alarm.
    alarm : numpy.ndarray of bool
        Whether the limit is passed.
    """

    expected: Floats
    statistic: Floats
    limit: Floats
    upper: Floats
    alarm: NDArray[np.bool_]


def blank(n: int, limit: float) -> Charted:
    """Return a chart that says nothing yet."""
    return Charted(np.full(n, np.nan), np.full(n, np.nan), np.full(n, limit), np.full(n, np.nan), np.zeros(n, np.bool_))


def baselines(
    number: NDArray[np.int64], kind: NDArray[np.int64], reported: NDArray[np.bool_], n_days: int, lag: int
) -> list[NDArray[np.int64] | None]:
    """Return the days each day is compared with: the last reported ones of its kind that are old enough.

    None where there are not as many.
    """
    of_kind = {each: np.flatnonzero((kind == each) & reported) for each in np.unique(kind).tolist()}
    found: list[NDArray[np.int64] | None] = []
    for at, day in enumerate(number.tolist()):
        earlier = of_kind[int(kind[at])]
        end = int(np.searchsorted(number[earlier], day - lag, side="left"))
        found.append(earlier[end - n_days : end] if end >= n_days else None)
    return found


def ears(count: Floats, base: list[NDArray[np.int64] | None], threshold: float, minimum_sd: float) -> Charted:
    """Return counts against mean and standard deviation of their baseline (C1, C2)."""
    chart = blank(count.size, threshold)
    for at, days in enumerate(base):
        if days is None or np.isnan(count[at]):
            continue
        mean, sd = float(count[days].mean()), max(float(count[days].std(ddof=1)), minimum_sd)
        excess = count[at] - mean
        chart.expected[at], chart.upper[at] = mean, mean + threshold * sd
        # A baseline without spread and no floor: any excess is beyond all limits.
        chart.statistic[at] = excess / sd if sd > 0.0 else np.inf if excess > 0.0 else 0.0
        chart.alarm[at] = count[at] > chart.upper[at]
    return chart


def ears_c3(chart: Charted, threshold: float) -> Charted:
    """Return the sum over three days of what C2 has above 1, by the definition of the CDC."""
    told = np.flatnonzero(~np.isnan(chart.statistic))
    excess = np.maximum(chart.statistic[told] - 1.0, 0.0)
    third = blank(chart.alarm.size, threshold)
    third.expected[:] = chart.expected
    if told.size >= 3:
        third.statistic[told[2:]] = excess[2:] + excess[1:-1] + excess[:-2]
    third.alarm[:] = third.statistic > threshold
    return third


def exact(count: Floats, tested: Floats | None, base: list[NDArray[np.int64] | None], alpha: float) -> Charted:
    """Return counts, or positive pools, against the exact distribution given the baseline's total."""
    chart = blank(count.size, float(stats.norm.isf(alpha)))
    for at, days in enumerate(base):
        if days is None or np.isnan(count[at]) or (tested is not None and tested[at] == 0):
            continue
        before, found = float(count[days].sum()), int(count[at])
        if tested is None:
            one = days.size / (days.size + 1.0)
            chart.expected[at] = before / days.size
            chance = float(stats.nbinom.sf(found - 1, before + 1.0, one))
            chart.upper[at] = stats.nbinom.isf(alpha, before + 1.0, one)
        else:
            today, then = int(tested[at]), int(tested[days].sum())
            chart.expected[at] = today * before / then if then else np.nan
            every = np.arange(today + 1)
            chances = stats.hypergeom.sf(every - 1, today + then, every + int(before), today)
            chance = float(chances[found])
            chart.upper[at] = int((chances > alpha).sum()) - 1
        chart.statistic[at] = stats.norm.isf(min(max(chance, 1e-300), 1.0 - 1e-16))
        chart.alarm[at] = chance <= alpha
    return chart


def cusum(count: Floats, expected: Floats, reference: float, limit: float, transform: Transform) -> Charted:
    """Return the cumulated sum of counts in standard deviations above the expected."""
    chart = blank(count.size, limit)
    total = 0.0
    for at, mean in enumerate(expected.tolist()):
        if np.isnan(mean) or np.isnan(count[at]):
            continue
        needed = limit + reference - total
        root = mean**0.5
        if transform == "rossi":
            reached = max(4.0 * mean + 2.0 * root * needed, 0.0) ** 0.5 - root
            chart.upper[at] = max(reached, 0.0) ** 2
        else:
            chart.upper[at] = max(mean + root * needed, 0.0)
        total = max(0.0, total + float(score_of(count[at : at + 1], mean, transform)[0]) - reference)
        chart.expected[at], chart.statistic[at] = mean, total
        chart.alarm[at] = total >= limit
    return chart


def binomial_cusum(count: Floats, tested: Floats, share: float, odds_ratio: float, limit: float) -> Charted:
    """Return the cumulated sum of positive pools above those that the reference share gives."""
    chart = blank(count.size, limit)
    each, total = reference_share(share, odds_ratio), 0.0
    for at in np.flatnonzero(~np.isnan(count)).tolist():
        chart.upper[at] = max(limit - total + tested[at] * each, 0.0)
        total = max(0.0, total + count[at] - tested[at] * each)
        chart.expected[at], chart.statistic[at] = tested[at] * share, total
        chart.alarm[at] = total >= limit
    return chart


def ewma(count: Floats, tested: Floats, share: float, weight: float, limit: float) -> Charted:
    """Return the smoothed share of positive pools, its limit by the variance of the days that went into it."""
    chart = blank(count.size, np.nan)
    smooth, variance = share, 0.0
    for at in np.flatnonzero(~np.isnan(count)).tolist():
        if tested[at] > 0:
            before = (1.0 - weight) * smooth
            smooth = before + weight * count[at] / tested[at]
            variance = (1.0 - weight) ** 2 * variance + weight**2 * share * (1.0 - share) / tested[at]
            top = share + limit * variance**0.5
            chart.upper[at] = max((top - before) / weight * tested[at], 0.0)
            chart.alarm[at] = smooth > top
        chart.expected[at], chart.statistic[at] = tested[at] * share, smooth
        chart.limit[at] = share + limit * variance**0.5
    return chart
