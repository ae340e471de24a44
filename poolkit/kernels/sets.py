"""What a search over sets of samples has found so far, and the steps of its way."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.bounds import Setting, popcount
from poolkit.kernels.components import Parts
from poolkit.kernels.enumeration import TIE, Beliefs

_ONE = np.uint64(1)
_NO = np.uint64(0)


class Found(NamedTuple):
    """What the search has found so far; sets are given as flags of samples."""

    with_it: NDArray[np.float64]  # (samples,) weight of the sets found that hold the sample
    best: NDArray[np.bool_]
    here: NDArray[np.bool_]
    tied: NDArray[np.bool_]
    n_chosen: NDArray[np.int32]  # (pools,) chosen samples, by bit
    sums: NDArray[np.float64]  # total, left out, log weight of best, second, largest left out; total known to be there


@kernel
def new_found(n: int, n_pools: int) -> Found:
    """Return what is found before anything is."""
    sums = np.zeros(6)
    sums[2:5] = -np.inf
    return Found(
        np.zeros(n),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        np.zeros(n_pools, np.int32),
        sums,
    )


@kernel
def write(found: Found, parts: Parts, part: int, beliefs: Beliefs) -> None:
    """Write what was found of a component's samples, and the margin."""
    start, total = parts.sample_offsets[part], found.sums[0]
    beliefs.margin[part] = found.sums[2] - max(found.sums[3], found.sums[4])
    for i in range(found.best.size):
        sample = parts.samples[start + i]
        beliefs.probability[sample] = found.with_it[i] / total if total > 0.0 else -1.0
        beliefs.likely[sample] = found.best[i]
        beliefs.tied[sample] = found.tied[i]


@kernel
def count_in(setting: Setting, found: Found, sample: int, by: int) -> None:
    """Count a sample into its pools, or out of them."""
    for word in range(2):
        bits = setting.mask[sample, word]
        while bits != _NO:
            low = bits & (~bits + _ONE)
            found.n_chosen[word * 64 + popcount(low - _ONE)] += by
            bits ^= low


@kernel
def gain_of(setting: Setting, found: Found, sample: int) -> float:
    """Return what a sample adds to the log weight, counted into its pools already."""
    value = setting.log_odds[sample]
    for word in range(2):
        bits = setting.mask[sample, word]
        while bits != _NO:
            low = bits & (~bits + _ONE)
            j = word * 64 + popcount(low - _ONE)
            k = min(found.n_chosen[j], setting.likelihood.shape[1] - 1)
            value += setting.likelihood[j, k]
            if found.n_chosen[j] > 1 or setting.up[word] & low == _NO:
                value -= setting.likelihood[j, min(found.n_chosen[j] - 1, setting.likelihood.shape[1] - 1)]
            bits ^= low
    return float(value)


@kernel
def unexplained(setting: Setting, hit: NDArray[np.uint64], dead0: np.uint64, dead1: np.uint64) -> float:
    """Return the log likelihood of up pools that hold nobody infected."""
    value = 0.0
    for word in range(2):
        bits = (dead0 if word == 0 else dead1) & ~hit[word]
        while bits != _NO:
            low = bits & (~bits + _ONE)
            value += setting.likelihood[word * 64 + popcount(low - _ONE), 0]
            bits ^= low
    return value


@kernel
def compare(found: Found, weight: float, second: float) -> None:
    """Take note of the set that stands here, and of the best one beside it, whose weight is `second` of its own."""
    sums = found.sums
    if abs(weight - sums[2]) <= TIE:
        n_here, n_best = 0, 0
        for i in range(found.here.size):
            n_here += found.here[i]
            n_best += found.best[i]
            found.tied[i] = found.tied[i] or found.here[i] != found.best[i]
        sums[3] = max(sums[3], min(weight, sums[2]))
        if n_here < n_best:
            found.best[:] = found.here
    elif weight > sums[2]:
        sums[3] = max(sums[2], sums[3])
        sums[2] = weight
        found.best[:] = found.here
        found.tied[:] = False
    else:
        sums[3] = max(sums[3], weight)
    if second > 0.0:
        sums[3] = max(sums[3], weight + np.log(second))
