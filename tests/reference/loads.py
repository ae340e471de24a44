"""Slow twin of the detection of pools by viral load: sums over fine steps of the load, from the published tables."""

import math

QUANTILES = (0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
LOADS = (3.49, 3.96, 4.39, 5.13, 6.51, 7.91, 8.94, 9.39, 10.05)
CT_AT_ONE_COPY_A_SWAB = 48.37
CT_AT_ONE_COPY_A_REACTION = 38.0


def normal_below(x):
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def score(p):
    low, high = -10.0, 10.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if normal_below(middle) < p else (low, middle)
    return (low + high) / 2.0


KNOTS = [score(p) for p in QUANTILES]


def load_at(z):
    """Return the log10 load at a normal score, straight between the published ones and beyond them."""
    k = min(max(sum(knot < z for knot in KNOTS) - 1, 0), len(KNOTS) - 2)
    return LOADS[k] + (z - KNOTS[k]) * (LOADS[k + 1] - LOADS[k]) / (KNOTS[k + 1] - KNOTS[k])


def detected(copies, shift, limit, sd):
    """Return how likely a pool is detected by the copies of its members together."""
    cycles = CT_AT_ONE_COPY_A_SWAB - math.log2(10.0) * math.log10(copies) + shift
    molecules = 2.0 ** (CT_AT_ONE_COPY_A_REACTION - cycles)
    return normal_below((limit - cycles) / sd) * -math.expm1(-molecules)


def steps(n):
    """Give scores and their weights, fine enough for four digits and more."""
    width = 12.0 / n
    for k in range(n):
        z = -6.0 + (k + 0.5) * width
        yield load_at(z), width * math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)


def mean_detected(shift, limit, sd, n=2000):
    """Return how likely a pool with one infected member is detected."""
    return sum(weight * detected(10.0**load, shift, limit, sd) for load, weight in steps(n))


def both_detected(shift, limit, sd, n=2000):
    """Return how likely a pool with one infected member is detected, and the member alone, by the same load."""
    return sum(
        weight * detected(10.0**load, shift, limit, sd) * detected(10.0**load, 0.0, limit, sd)
        for load, weight in steps(n)
    )


def two_detected(shift, limit, sd, n=300):
    """Return how likely a pool with two infected members is detected."""
    grid = list(steps(n))
    return sum(one * other * detected(10.0**a + 10.0**b, shift, limit, sd) for a, one in grid for b, other in grid)


def all_detected(shifts, limit, sd, n=2000):
    """Return how likely one infected sample is detected in tests of several shifts, by the same load."""
    return sum(
        weight * math.prod(detected(10.0**load, shift, limit, sd) for shift in shifts) for load, weight in steps(n)
    )


def helped_detected(shift, limit, sd, n=300):
    """Return how likely a pool with two infected members is detected and the first of them alone too."""
    grid = list(steps(n))
    return sum(
        one * detected(10.0**a, 0.0, limit, sd) * other * detected(10.0**a + 10.0**b, shift, limit, sd)
        for a, one in grid
        for b, other in grid
    )
