"""Two prevalences from pools against each other: limits of their difference, or of their ratio by its logarithm."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.prevalence import BIAS_SKEW, LRT, SCORE, Errors, Groups, Rule, log_likelihood, moments

DIFFERENCE, RATIO = range(2)
_TINY, _ONE = 1e-90, 1.0 - 1e-15


@kernel
def _pair(scale: int, contrast: float, log_place: float) -> tuple[float, float]:
    """Return two prevalences so far apart; the logarithm of a place from 0 to 1 says which of all such pairs."""
    place = np.exp(log_place)
    if scale == RATIO:
        ratio = np.exp(contrast)
        second = place * min(1.0, 1.0 / ratio)
        return min(max(second * ratio, _TINY), _ONE), min(max(second, _TINY), _ONE)
    # The smaller of the two is what is placed, so that it keeps its digits next to 0.
    smaller = place * (1.0 - abs(contrast))
    larger = smaller + abs(contrast)
    first, second = (larger, smaller) if contrast > 0.0 else (smaller, larger)
    return min(max(first, _TINY), _ONE), min(max(second, _TINY), _ONE)


@kernel
def _of(pools: Groups, group: int, errors: Errors, scale: int, p: float) -> tuple[float, float, float, float]:
    """Return score, variance, third moment and bias at a prevalence, on the scale of the contrast."""
    at = moments(pools, group, errors, -np.log1p(-p))
    width = p if scale == RATIO else 1.0
    ratio = width / (1.0 - p)
    variance = 1.0 / max(at.information * ratio * ratio, 1e-290)
    bias = 0.5 * (1.0 - p) * at.bend / max(at.information * at.information, 1e-290) / width
    if scale == RATIO:
        bias -= 0.5 * variance
    return at.score * ratio, variance, at.third * ratio**3, bias


@kernel
def _constrained(pools: Groups, first: int, errors: Errors, scale: int, contrast: float) -> tuple[float, float]:
    """Return the likeliest two prevalences so far apart; second group follows the first."""
    low, high = -200.0, 0.0
    rise_low, rise_high = np.inf, -np.inf
    at, stayed = low, 0
    for _ in range(100):
        if np.isinf(rise_low) or np.isinf(rise_high) or high - low > 0.5:
            at, stayed = 0.5 * (low + high), 0
        else:
            # The Illinois method: a chord, of which an end that stays twice is pulled in.
            at = high - rise_high * (high - low) / (rise_high - rise_low)
        p1, p2 = _pair(scale, contrast, at)
        rise = _of(pools, first, errors, scale, p1)[0] + _of(pools, first + 1, errors, scale, p2)[0]
        moved = high - at if rise <= 0.0 else at - low
        if rise > 0.0:
            low, rise_low = at, rise
            rise_high *= 0.5 if stayed == 1 else 1.0
            stayed = 1
        else:
            high, rise_high = at, rise
            rise_low *= 0.5 if stayed == -1 else 1.0
            stayed = -1
        if rise == 0.0 or min(moved, high - low) < 1e-14:
            break
    return _pair(scale, contrast, at)


@kernel
def _value(pools: Groups, first: int, errors: Errors, scale: int, rule: Rule, contrast: float) -> float:
    """Return what is above 0 for a contrast too small for the limit, and below 0 for one too large."""
    p1, p2 = _constrained(pools, first, errors, scale, contrast)
    if rule.kind == LRT:
        likely = log_likelihood(pools, first, errors, -np.log1p(-p1))
        likely += log_likelihood(pools, first + 1, errors, -np.log1p(-p2))
        return float(rule.side * (2.0 * (rule.best - likely) - rule.z * rule.z))
    s1, v1, m1, b1 = _of(pools, first, errors, scale, p1)
    s2, v2, m2, b2 = _of(pools, first + 1, errors, scale, p2)
    root = np.sqrt(v1 + v2)
    value = (v1 * s1 - v2 * s2) / root - rule.side * rule.z
    if rule.kind != SCORE:
        value -= (v1**3 * m1 - v2**3 * m2) / root**3 * (rule.z * rule.z - 1.0) / 6.0
    if rule.kind == BIAS_SKEW:
        value -= (v2 * b1 - v1 * b2) / root**3
    return float(value)


@kernel
def limit(pools: Groups, errors: Errors, scale: int, rule: Rule, reach: tuple[float, float]) -> float:
    """Return the limit of the contrast of groups 0 and 1, looked for from the far end of its reach to the middle.

    The outermost crossing is taken; reach is the middle, from which no crossing is missed, and the far end.
    """
    middle, far = reach
    outside, value_outside = far, np.inf
    inside, value = middle, np.inf
    for _ in range(120):
        inside = middle + (outside - middle) * 0.7
        value = _value(pools, 0, errors, scale, rule, inside)
        if (value > 0.0) == (rule.side < 0.0):
            break
        outside, value_outside = inside, value
        if abs(outside - middle) <= 1e-15 * max(1.0, abs(middle)):
            return middle
    if outside == far and (_value(pools, 0, errors, scale, rule, far) > 0.0) == (rule.side < 0.0):
        return far
    at, stayed = inside, 0
    for _ in range(100):
        if np.isfinite(value_outside) and np.isfinite(value):
            at = outside - value_outside * (outside - inside) / (value_outside - value)
        else:
            at, stayed = 0.5 * (inside + outside), 0
        found = _value(pools, 0, errors, scale, rule, at)
        if (found > 0.0) == (rule.side < 0.0):
            moved = abs(at - inside)
            inside, value = at, found
            value_outside *= 0.5 if stayed == 1 else 1.0
            stayed = 1
        else:
            moved = abs(at - outside)
            outside, value_outside = at, found
            value *= 0.5 if stayed == -1 else 1.0
            stayed = -1
        if found == 0.0 or min(moved, abs(outside - inside)) <= 1e-13 * abs(at) + 1e-16:
            break
    return at


@kernel
def scores(
    pools: Groups,
    owner: NDArray[np.int64],
    errors: Errors,
    at: NDArray[np.float64],
    score: NDArray[np.float64],
    information: NDArray[np.float64],
) -> None:
    """Write score and information of each site at the prevalence of the group that owns it.

    pools holds a group a site, owner (sites,) the place of its prevalence in at; score and information (sites,) are
    written.
    """
    for site in range(score.size):
        found = moments(pools, site, errors, -np.log1p(-at[owner[site]]))
        score[site], information[site] = found.score, found.information
