"""The loads of a set of infected samples, fitted to the threshold cycles of their pools, and what the set weighs."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# What is known of a pool.
NEGATIVE, REACTIVE, UNKNOWN = 0, 1, 2
# A log weight below all that a sum of cycles can give, and the bar below which a penalty is a law.
NEVER = -1e300
FORBIDDEN = -1e5
_MOST_STEPS = 40
_LONGEST_STEP = 3.0
_ENOUGH = 0.01
_BACK = 1e-4
_HALF_LOG_TWO_PI = 0.9189385332046727
_ROOT_HALF = 0.7071067811865476


class Beliefs(NamedTuple):
    """What is believed before any reading; loads are natural logarithms."""

    mean: float
    sd: float
    uncovered: float  # log weight of a reactive pool without an infected member
    missed: float  # probability that a pool is read negative whatever its load
    outlier: float  # probability that a pool's Ct has nothing to do with its load
    wide: float  # sd of such a Ct
    n_fits: int  # sets whose loads may be fitted in one component


class Desk(NamedTuple):
    """One component laid out: its pools by their place, its candidates by theirs, and room for the equations."""

    edges: NDArray[np.int64]  # (pools + 1,) pool p holds the candidates ``inside[edges[p]:edges[p + 1]]``
    inside: NDArray[np.int32]
    outcome: NDArray[np.int8]
    height: NDArray[np.float64]  # (pools,) log load as read, NaN where there is no Ct
    trusted: NDArray[np.bool_]  # (pools,) whether the branches may build on the Ct
    sd: NDArray[np.float64]
    least: NDArray[np.float64]  # (pools,) log load at the limit of detection
    odds: NDArray[np.float64]  # (candidates,) log odds of infection
    most: NDArray[np.float64]  # (candidates,) the greatest log load that its pools allow
    order: NDArray[np.int32]  # (candidates,) row in the equations, -1 for who is not in the set
    rows: NDArray[np.int32]
    load: NDArray[np.float64]
    share: NDArray[np.float64]  # (edges,)
    normal: NDArray[np.float64]
    pull: NDArray[np.float64]
    step: NDArray[np.float64]


@kernel
def factor(normal: NDArray[np.float64], n: int) -> float:
    """Replace a positive definite matrix, of which the lower half is read, by its Cholesky factor.

    Returns half the log determinant.
    """
    half = 0.0
    for i in range(n):
        for j in range(i + 1):
            total = normal[i, j]
            for k in range(j):
                total -= normal[i, k] * normal[j, k]
            if i == j:
                normal[i, i] = np.sqrt(max(total, 1e-300))
                half += np.log(normal[i, i])
            else:
                normal[i, j] = total / normal[j, j]
    return half


@kernel
def solve(factored: NDArray[np.float64], n: int, right: NDArray[np.float64]) -> None:
    """Replace the right side by the solution of the factored equations."""
    for i in range(n):
        for k in range(i):
            right[i] -= factored[i, k] * right[k]
        right[i] /= factored[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            right[i] -= factored[k, i] * right[k]
        right[i] /= factored[i, i]


@kernel
def _seen(desk: Desk, beliefs: Beliefs, pool: int, total: float) -> tuple[float, float, float]:
    """Return the log likelihood of what a pool of this load read, its slope in the log load, and its curvature."""
    sd = desk.sd[pool]
    if desk.outcome[pool] == NEGATIVE:
        # Not detected: the load is below the limit, or the pool was missed.
        off = (desk.least[pool] - np.log(total)) / sd
        read = beliefs.missed + (1.0 - beliefs.missed) * 0.5 * math.erfc(-off * _ROOT_HALF)
        if read <= 0.0:
            return NEVER, 0.0, 0.0
        slope = -(1.0 - beliefs.missed) * np.exp(-0.5 * off * off - _HALF_LOG_TWO_PI) / read / sd
        return np.log(read), slope, slope * slope
    off = (desk.height[pool] - np.log(total)) / sd
    if np.isnan(off):
        return 0.0, 0.0, 0.0
    if beliefs.outlier <= 0.0:
        return -0.5 * off * off - np.log(sd) - _HALF_LOG_TWO_PI, off / sd, 1.0 / (sd * sd)
    far = off * sd / beliefs.wide
    inlier = (1.0 - beliefs.outlier) * np.exp(-0.5 * off * off) / sd
    stray = beliefs.outlier * np.exp(-0.5 * far * far) / beliefs.wide
    own = inlier / (inlier + stray) if inlier + stray > 0.0 else 0.0
    bend = own / (sd * sd) + (1.0 - own) / (beliefs.wide * beliefs.wide)
    return np.log(max(inlier + stray, 1e-300)) - _HALF_LOG_TWO_PI, off * sd * bend, bend


@kernel
def _equations(desk: Desk, beliefs: Beliefs, n: int, theta: NDArray[np.float64]) -> float:
    """Write the normal equations of a set's loads at `theta`, lower half only, and return its log weight there."""
    value: float = -n * np.log(beliefs.sd)
    for i in range(n):
        row = desk.rows[i]
        off = (theta[row] - beliefs.mean) / beliefs.sd
        value += desk.odds[row] - 0.5 * off * off
        desk.load[row] = np.exp(theta[row])
        desk.pull[i] = -off / beliefs.sd
        for j in range(i):
            desk.normal[i, j] = 0.0
        desk.normal[i, i] = 1.0 / (beliefs.sd * beliefs.sd)
    for pool in range(desk.outcome.size):
        first, last = desk.edges[pool], desk.edges[pool + 1]
        total = 0.0
        for k in range(first, last):
            if desk.order[desk.inside[k]] >= 0:
                total += desk.load[desk.inside[k]]
        if total <= 0.0:
            value += beliefs.uncovered if desk.outcome[pool] == REACTIVE else 0.0
            continue
        likelihood, slope, bend = _seen(desk, beliefs, pool, total)
        if likelihood == NEVER:
            return NEVER
        value += likelihood
        if bend == 0.0:
            continue
        for k in range(first, last):
            i = desk.order[desk.inside[k]]
            if i >= 0:
                desk.share[k] = desk.load[desk.inside[k]] / total
                desk.pull[i] += slope * desk.share[k]
                for m in range(first, k + 1):
                    j = desk.order[desk.inside[m]]
                    if j >= 0:
                        desk.normal[max(i, j), min(i, j)] += bend * desk.share[k] * desk.share[m]
    return value


@kernel
def weigh(desk: Desk, beliefs: Beliefs, chosen: NDArray[np.bool_], theta: NDArray[np.float64]) -> float:
    """Fit the loads of a set, from `theta` on, and return its log weight: Laplace's integral over the loads.

    chosen (candidates,) is read, theta (candidates,) is read and written where chosen.
    """
    n = 0
    for row in range(chosen.size):
        desk.order[row] = -1
        if chosen[row]:
            desk.order[row] = n
            desk.rows[n] = row
            n += 1
    value: float = NEVER
    before = NEVER
    half: float = 0.0
    shrink = 0.0
    for _ in range(_MOST_STEPS):
        value = _equations(desk, beliefs, n, theta)
        if n == 0:
            return value
        if value < before - _BACK:
            # Too far: back by half of the last step.
            shrink *= 0.5
            for i in range(n):
                theta[desk.rows[i]] -= shrink * desk.step[i]
            continue
        if value == NEVER:
            return value
        before = value
        half = factor(desk.normal, n)
        desk.step[:n] = desk.pull[:n]
        solve(desk.normal, n, desk.step)
        largest = 0.0
        gain = 0.0
        for i in range(n):
            largest = max(largest, abs(desk.step[i]))
            gain += 0.5 * desk.step[i] * desk.pull[i]
        shrink = 1.0 if largest <= _LONGEST_STEP else _LONGEST_STEP / largest
        for i in range(n):
            theta[desk.rows[i]] += shrink * desk.step[i]
        if gain < _ENOUGH and largest <= _LONGEST_STEP:
            value += gain
            break
    return value - half


@kernel
def misfits(desk: Desk, chosen: NDArray[np.bool_], theta: NDArray[np.float64], off: NDArray[np.float64]) -> float:
    """Write by how many sd each reactive pool's log load is above that of its members in the set, 0 where unknown.

    Returns the largest in size.
    """
    largest = 0.0
    for pool in range(off.size):
        off[pool] = 0.0
        if desk.outcome[pool] != REACTIVE or np.isnan(desk.height[pool]):
            continue
        total = 0.0
        for k in range(desk.edges[pool], desk.edges[pool + 1]):
            if chosen[desk.inside[k]]:
                total += np.exp(theta[desk.inside[k]])
        if total > 0.0:
            off[pool] = (desk.height[pool] - np.log(total)) / desk.sd[pool]
            largest = max(largest, abs(off[pool]))
    return largest
