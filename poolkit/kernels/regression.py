"""How likely calls of nested pools are by each sample's risk, with slopes and curvature in the coefficients."""

from math import erfc
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
LINKS = ("logit", "probit", "cloglog")


class Forest(NamedTuple):
    """Samples in pools in larger pools: one tree for each pool that is in no larger one, or sample in no pool."""

    samples: Places  # (trees + 1,) first sample of each tree
    nodes: Places  # (trees + 1,) first pool of each tree, smaller pools before those that hold them
    inside: Places  # (samples,) smallest pool that holds it, -1 for none
    above: Places  # (pools,) next larger pool that holds it, -1 for none
    yes: Floats  # (samples,) likelihood of its own calls when infected
    no: Floats  # (samples,) and when not
    some: Floats  # (pools,) likelihood of a pool's calls when it holds an infected sample
    none: Floats  # (pools,) and when not


@kernel
def risk(eta: float, link: int) -> tuple[float, float, float, float]:
    """Return risk, 1 - risk, and first and second derivative of the risk in the linear predictor.

    The predictor is held where neither risk nor its complement underflows.
    """
    if link == 0:
        eta = min(max(eta, -300.0), 300.0)
        p, q = 1.0 / (1.0 + np.exp(-eta)), 1.0 / (1.0 + np.exp(eta))
        return p, q, p * q, p * q * (q - p)
    if link == 1:
        eta = min(max(eta, -30.0), 30.0)
        density = np.exp(-0.5 * eta * eta) / np.sqrt(2.0 * np.pi)
        return 0.5 * erfc(-eta / np.sqrt(2.0)), 0.5 * erfc(eta / np.sqrt(2.0)), density, -eta * density
    eta = min(max(eta, -300.0), 5.5)
    hazard = np.exp(eta)
    q = np.exp(-hazard)
    return -np.expm1(-hazard), q, hazard * q, hazard * q * (1.0 - hazard)


@kernel
def risks(eta: Floats, link: int, out: Floats) -> None:
    """Write the risk of each sample: eta (samples,) is read, out (samples,) is written."""
    for i in range(eta.size):
        out[i] = risk(eta[i], link)[0]


@kernel
def likelihood(
    forest: Forest, design: Floats, eta: Floats, link: int, total: Floats, slopes: Floats, bends: Floats
) -> None:
    """Write the log-likelihood of each tree, and its first and second derivatives in the coefficients.

    design (samples, k) and eta (samples,) are read. total (trees,) is written. slopes and bends are summed over trees,
    (1, k) and (1, k, k); or written for each, (trees, k) and (trees, k, k). bends has its lower half only.

    A pool's calls and those of what it holds have likelihood T = some (prod T_c - prod N_c) + none prod N_c, over
    samples and pools c directly inside, N when nobody is infected. With r = prod N_c / prod T_c all is done in
    logarithms: log T = sum log T_c + log(some (1 - r) + none r).
    """
    k = design.shape[1]
    largest = 0
    for tree in range(total.size):
        largest = max(largest, forest.nodes[tree + 1] - forest.nodes[tree])
    # Of each pool of a tree: logarithm, slopes and curvature of what it holds, T and N.
    value, slope, bend = np.empty((largest, 2)), np.empty((largest, 2, k)), np.empty((largest, 2, k, k))
    slopes[:] = 0.0
    bends[:] = 0.0
    for tree in range(total.size):
        first, last = forest.nodes[tree], forest.nodes[tree + 1]
        to = tree if slopes.shape[0] == total.size else 0
        total[tree] = 0.0
        value[: last - first] = 0.0
        slope[: last - first] = 0.0
        bend[: last - first] = 0.0
        for i in range(forest.samples[tree], forest.samples[tree + 1]):
            p, q, once, twice = risk(eta[i], link)
            yes, no = forest.yes[i], forest.no[i]
            either = yes * p + no * q
            with_it = (yes - no) * once / either
            curved = (yes - no) * twice / either - with_it * with_it
            if forest.inside[i] < 0:
                total[tree] += np.log(either)
                for a in range(k):
                    slopes[to, a] += with_it * design[i, a]
                    for b in range(a + 1):
                        bends[to, a, b] += curved * design[i, a] * design[i, b]
                continue
            node = forest.inside[i] - first
            without = -once / q
            flat = -twice / q - without * without
            value[node, 0] += np.log(either)
            value[node, 1] += np.log(no * q)
            for a in range(k):
                x = design[i, a]
                slope[node, 0, a] += with_it * x
                slope[node, 1, a] += without * x
                for b in range(a + 1):
                    y = x * design[i, b]
                    bend[node, 0, a, b] += curved * y
                    bend[node, 1, a, b] += flat * y
        for node in range(last - first):
            some, none = forest.some[first + node], forest.none[first + node]
            apart = value[node, 1] - value[node, 0]
            share = np.exp(apart)
            either = none * share - some * np.expm1(apart)
            pull = (none - some) * share / either
            above = forest.above[first + node] - first
            ends = forest.above[first + node] < 0
            if ends:
                total[tree] += value[node, 0] + np.log(either)
            else:
                value[above, 0] += value[node, 0] + np.log(either)
                value[above, 1] += value[node, 1] + np.log(none)
            for a in range(k):
                t, d = slope[node, 0, a], slope[node, 1, a] - slope[node, 0, a]
                if ends:
                    slopes[to, a] += t + pull * d
                else:
                    slope[above, 0, a] += t + pull * d
                    slope[above, 1, a] += slope[node, 1, a]
                for b in range(a + 1):
                    other = slope[node, 1, b] - slope[node, 0, b]
                    t = bend[node, 0, a, b]
                    t += pull * (bend[node, 1, a, b] - t + d * other) - pull * pull * d * other
                    if ends:
                        bends[to, a, b] += t
                    else:
                        bend[above, 0, a, b] += t
                        bend[above, 1, a, b] += bend[node, 1, a, b]


@kernel
def information(
    offsets: Places, members: Places, errors: Floats, design: Floats, eta: Floats, link: int, out: Floats
) -> None:
    """Write what one call of each pool is expected to say of the coefficients, pools as if independent.

    Pools by offsets (pools + 1,) and members; errors (pools, 2) are the probabilities to react with and without an
    infected sample; design (samples, k), eta (samples,); out (k, k), its lower half, is written.
    """
    k = design.shape[1]
    out[:] = 0.0
    slope = np.empty(k)
    for pool in range(offsets.size - 1):
        free = 0.0
        slope[:] = 0.0
        for at in range(offsets[pool], offsets[pool + 1]):
            i = members[at]
            _, q, once, _ = risk(eta[i], link)
            free += np.log(q)
            for a in range(k):
                slope[a] += once / q * design[i, a]
        found, false = errors[pool, 0], errors[pool, 1]
        reacts = false * np.exp(free) - found * np.expm1(free)
        silent = (1.0 - false) * np.exp(free) - (1.0 - found) * np.expm1(free)
        if reacts * silent > 0.0:
            weight = ((found - false) * np.exp(free)) ** 2 / (reacts * silent)
            for a in range(k):
                for b in range(a + 1):
                    out[a, b] += weight * slope[a] * slope[b]
