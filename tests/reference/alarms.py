"""Charts of counts and pools, by the definition: plain Python, one day after another."""

from fractions import Fraction
from math import comb, exp, factorial, sqrt
from statistics import mean, stdev


def ears(counts, n_days, gap, threshold, least_sd):
    """Return (statistic, upper) of each day, None before there is a baseline."""
    found = []
    for t, y in enumerate(counts):
        base = counts[t - gap - n_days : t - gap] if t >= gap + n_days else None
        if base is None:
            found.append(None)
            continue
        sd = max(stdev(base), least_sd)
        found.append(((y - mean(base)) / sd, mean(base) + threshold * sd))
    return found


def ears_c3(counts, n_days, least_sd):
    """Return the sums of what C2 has above 1 over three days."""
    second = [None if each is None else each[0] for each in ears(counts, n_days, 2, 3, least_sd)]
    found = []
    for t in range(len(counts)):
        last = second[max(t - 2, 0) : t + 1]
        found.append(None if len(last) < 3 or None in last else sum(max(0, each - 1) for each in last))
    return found


def cusum(counts, m, k, transform):
    """Return the cumulated sums."""
    total, found = 0.0, []
    for y in counts:
        z = (y - 3 * m + 2 * sqrt(m * y)) / (2 * sqrt(m)) if transform == "rossi" else (y - m) / sqrt(m)
        total = max(0.0, total + z - k)
        found.append(total)
    return found


def as_or_more_pools(found, today, before, then):
    """Return P(at least so many of today's pools positive), given all positives and pools of both times."""
    every, n = found + before, today + then
    ways = sum(comb(today, x) * comb(then, every - x) for x in range(found, min(today, every) + 1))
    return ways / comb(n, every)


def as_or_more_counts(found, before, n_days):
    """Return P(at least so many cases fall on today) when each of all cases falls on any of the days."""
    n, chance = found + before, Fraction(1, n_days + 1)
    return float(sum(comb(n, x) * chance**x * (1 - chance) ** (n - x) for x in range(found, n + 1)))


def binomial(n, p):
    """Return the probabilities of 0 to n."""
    return [comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]


def poisson(m, last):
    """Return the probabilities of 0 to `last`."""
    return [exp(-m) * m**x / factorial(x) for x in range(last + 1)]


def run_length(scores, weights, limit, steps):
    """Return (mean of the smaller of run length and steps + 1, P(no alarm in so many steps)) of a cusum from 0.

    Scores are whole numbers or fractions; the sum of P(no alarm in t days) over t is the mean run length.
    """
    state, total = {Fraction(0): 1.0}, 0.0
    for _ in range(steps + 1):
        total += sum(state.values())
        later = {}
        for at, weight in state.items():
            for score, chance in zip(scores, weights, strict=True):
                to = max(Fraction(0), at + score)
                if to < limit:
                    later[to] = later.get(to, 0.0) + weight * chance
        state = later
    return total, sum(state.values())
