"""Jeffreys' posterior of the prevalence of pools of several sizes, added up in the logarithm of t = -log(1 - p)."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.prevalence import Errors, Groups, log_likelihood, moments

# Abscissas and weights of Gauss and Legendre, eight in each of so many panels; what is left out is exp(-46).
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PANELS, _LEFT_OUT = 96, 46.0
_FLOOR, _CEILING = -230.0, 6.3


@kernel
def _log_density(pools: Groups, errors: Errors, log_t: float) -> float:
    """Return the logarithm of likelihood and prior at a logarithm of t."""
    t = np.exp(log_t)
    information = moments(pools, 0, errors, t).information
    if information <= 0.0:
        return -np.inf
    return float(log_likelihood(pools, 0, errors, t) + 0.5 * np.log(information) + log_t)


@kernel
def _mass(pools: Groups, errors: Errors, top: float, low: float, high: float) -> float:
    """Return the probability between two logarithms of t, by eight points, relative to the density at the top."""
    total, half = 0.0, 0.5 * (high - low)
    for node in range(_NODES.size):
        total += _WEIGHTS[node] * np.exp(_log_density(pools, errors, low + half * (1.0 + _NODES[node])) - top)
    return total * half


@kernel
def quantiles(pools: Groups, errors: Errors, tails: tuple[float, float], found: NDArray[np.float64]) -> None:
    """Write the prevalences below and above which the tails lie; pools hold one group, found (1, 2) is written."""
    found[0, 0], found[0, 1] = 0.0, 1.0
    positive, negative = 0.0, 0.0
    for row in range(pools.size.size):
        positive += pools.positive[row]
        negative += pools.tested[row] - pools.positive[row]
    if positive + negative == 0.0:
        return
    # The top is looked for on a grid, then the ends where hardly anything is left.
    peak, top = 0.0, -np.inf
    for step in range(700):
        at = -40.0 + step * 0.06
        value = _log_density(pools, errors, at)
        if value > top:
            peak, top = at, value
    low = high = peak
    step_out = 0.02
    while low > _FLOOR and _log_density(pools, errors, low) > top - _LEFT_OUT:
        low -= step_out
        step_out *= 1.2
    step_out = 0.02
    while high < _CEILING and _log_density(pools, errors, high) > top - _LEFT_OUT:
        high += step_out
        step_out *= 1.2
    width = (high - low) / _PANELS
    masses = np.empty(_PANELS)
    total = 0.0
    for panel in range(_PANELS):
        masses[panel] = _mass(pools, errors, top, low + panel * width, low + (panel + 1) * width)
        total += masses[panel]
    for end in range(2):
        if tails[end] == 0.0:
            continue
        if end == 0 and positive == 0.0 and errors.specificity == 1.0:
            continue
        if end == 1 and negative == 0.0 and errors.sensitivity == 1.0:
            continue
        left = (tails[0] if end == 0 else 1.0 - tails[1]) * total
        panel = 0
        while panel < _PANELS - 1 and masses[panel] < left:
            left -= masses[panel]
            panel += 1
        start = low + panel * width
        a, b = start, start + width
        for _ in range(50):
            middle = 0.5 * (a + b)
            if _mass(pools, errors, top, start, middle) < left:
                a = middle
            else:
                b = middle
        found[0, end] = -np.expm1(-np.exp(0.5 * (a + b)))
