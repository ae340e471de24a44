"""How much the sets of a part of the search can weigh together, at least and at most."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import Local

# Pools of a component are the bits of two words.
MOST_POOLS = 128
N_TILTS = 12
_LARGEST_TILT, _TILT_STEP = 0.8, 0.72
# How the samples of a negative pool share it, by how many negative pools they are in: 1, 2, 3, more.
_SHARES = (1.0, 0.25, 0.08, 0.04)

_ONE = np.uint64(1)
_TWO = np.uint64(2)
_FOUR = np.uint64(4)
_LAST = np.uint64(56)
_ODD = np.uint64(0x5555555555555555)
_PAIRS = np.uint64(0x3333333333333333)
_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
_BYTES = np.uint64(0x0101010101010101)


class Setting(NamedTuple):
    """A component as the search sees it; pools are bits, those with the fewest explanations first.

    A pool is *up* when an infected member makes what it says more likely, else *down*.
    """

    mask: NDArray[np.uint64]  # (samples, 2) pools of each sample
    up: NDArray[np.uint64]  # (2,)
    odds: NDArray[np.float64]  # (samples,)
    log_odds: NDArray[np.float64]
    share: NDArray[np.int8]  # (samples,) class of _SHARES
    order: NDArray[np.int32]  # samples, the likeliest first
    likelihood: NDArray[np.float64]  # (pools, number infected) logarithms, by bit; the last column for more too
    rest: NDArray[np.float64]  # (pools, number infected) at most gained, log, by any more infected
    weights: NDArray[np.float64]  # (tilts, classes, down pools, up pools) at most added by a sample per unit of odds
    known: NDArray[np.bool_]  # (tilts,) whether its weights were worked out
    tilt: NDArray[np.float64]  # (tilts,) logarithms
    crowd: NDArray[np.float64]  # (classes,) exponents of the classes
    largest: float  # odds
    floor: float  # largest likelihood of an unexplained up pool
    top: float  # largest likelihood of an explained one
    down_most: float  # most and least that being first in a down pool multiplies by
    down_least: float
    step_up: float  # about what explaining an up pool, and contradicting a down pool, adds to a log weight
    step_down: float
    saturates: bool  # more infected than one change nothing


@kernel
def popcount(word: np.uint64) -> int:
    """Return how many bits of a word are set."""
    word = word - ((word >> _ONE) & _ODD)
    word = (word & _PAIRS) + ((word >> _TWO) & _PAIRS)
    word = (word + (word >> _FOUR)) & _NIBBLES
    return int(np.int64((word * _BYTES) >> _LAST))


@kernel
def prepare(local: Local, odds: NDArray[np.float64], evidence: Evidence, parts: Parts, part: int) -> Setting:
    """Return the setting of a component of at most MOST_POOLS pools."""
    n, n_pools = local.starts.size - 1, local.low.size
    own, log_own = np.empty(n), np.empty(n)
    for i in range(n):
        own[i] = odds[parts.samples[parts.sample_offsets[part] + i]]
        log_own[i] = log_own[i - 1] if i > 0 and own[i] == own[i - 1] else np.log(own[i])
    largest = 1
    for j in range(n_pools):
        largest = max(largest, local.offsets[j + 1] - local.offsets[j])
    saturates = True
    for j in range(n_pools):
        row, low = evidence.table[evidence.kind[parts.pools[parts.pool_offsets[part] + j]]], local.low[j]
        for k in range(low + 2, low + local.offsets[j + 1] - local.offsets[j] + 1):
            saturates = saturates and row[k] == row[low + 1]
    # Where more infected than one change nothing, the last column stands for all of them.
    raw = np.full((n_pools, 2 if saturates else largest + 1), -np.inf)
    is_up = np.zeros(n_pools, np.bool_)
    floor, top, down_most, down_least = 0.0, 0.0, 0.0, 1.0
    for j in range(n_pools):
        kind = evidence.kind[parts.pools[parts.pool_offsets[part] + j]]
        row, logs = evidence.table[kind], evidence.logs[kind]
        size = min(local.offsets[j + 1] - local.offsets[j], raw.shape[1] - 1)
        most = 0.0
        for k in range(1, size + 1):
            most = max(most, row[local.low[j] + k])
        none = row[local.low[j]]
        is_up[j] = most > none
        scale = max(most, none)
        shift = np.log(scale) if scale != 1.0 else 0.0
        for k in range(size + 1):
            raw[j, k] = logs[local.low[j] + k] - shift
        if is_up[j]:
            floor = max(floor, none / scale)
            top = 1.0
        else:
            down_most = max(down_most, most / none)
            down_least = min(down_least, most / none)
    n_down, n_up = np.zeros(n, np.int32), np.zeros(n, np.int32)
    deepest = 0
    for i in range(n):
        for k in range(local.starts[i], local.starts[i + 1]):
            if is_up[local.pools[k]]:
                n_up[i] += 1
            else:
                n_down[i] += 1
        deepest = max(deepest, n_up[i] + n_down[i])
    bit = _bits(local, own, is_up, n_down, down_most)
    mask, up = np.zeros((n, 2), np.uint64), np.zeros(2, np.uint64)
    likelihood, rest = np.empty_like(raw), np.zeros_like(raw)
    for j in range(n_pools):
        one = _ONE << np.uint64(bit[j] & 63)
        word = bit[j] >> 6
        if is_up[j]:
            up[word] |= one
        likelihood[bit[j]] = raw[j]
        best = -np.inf
        for k in range(0 if saturates else largest, -1, -1):
            if best > raw[j, k] > -np.inf:
                rest[bit[j], k] = best - raw[j, k]
            best = max(best, raw[j, k])
        for k in range(local.offsets[j], local.offsets[j + 1]):
            mask[local.members[k], word] |= one
    share = np.zeros(n, np.int8)
    for i in range(n):
        share[i] = min(max(n_down[i] - 1, 0), 3)
    crowd = _crowd(local, is_up, share)
    weights, known = np.empty((N_TILTS, 4, deepest + 1, deepest + 1)), np.zeros(N_TILTS, np.bool_)
    tilt = np.zeros(N_TILTS)
    for t in range(1, N_TILTS):
        tilt[t] = np.log(_LARGEST_TILT) + (t - 1) * np.log(_TILT_STEP)
    order = _order(n_down, n_up, deepest)
    return Setting(
        mask,
        up,
        own,
        log_own,
        share,
        order,
        likelihood,
        rest,
        weights,
        known,
        tilt,
        crowd,
        own.max(),
        floor,
        top,
        down_most,
        down_least,
        -np.log(max(floor, 1e-30)),
        np.log(max(down_most, 1e-30)),
        saturates,
    )


@kernel
def _bits(
    local: Local, odds: NDArray[np.float64], is_up: NDArray[np.bool_], n_down: NDArray[np.int32], ratio: float
) -> NDArray[np.int32]:
    """Return the bit of each pool: up pools by rising support, then the rest."""
    n_pools = is_up.size
    support = np.zeros(n_pools)
    power = np.empty(MOST_POOLS + 1)
    power[0] = 1.0
    for k in range(MOST_POOLS):
        power[k + 1] = power[k] * ratio
    for j in range(n_pools):
        for k in range(local.offsets[j], local.offsets[j + 1]):
            support[j] += odds[local.members[k]] * power[n_down[local.members[k]]]
        if not is_up[j]:
            support[j] = np.inf
    bit = np.empty(n_pools, np.int32)
    ranked = np.argsort(support)
    for k in range(n_pools):
        bit[ranked[k]] = k
    return bit


@kernel
def _order(n_down: NDArray[np.int32], n_up: NDArray[np.int32], deepest: int) -> NDArray[np.int32]:
    """Return the samples by rising number of down pools, then falling number of up pools."""
    n_keys = (deepest + 1) ** 2
    places = np.zeros(n_keys + 1, np.int32)
    for i in range(n_down.size):
        places[n_down[i] * (deepest + 1) + deepest - n_up[i] + 1] += 1
    for k in range(n_keys):
        places[k + 1] += places[k]
    order = np.empty(n_down.size, np.int32)
    for i in range(n_down.size):
        key = n_down[i] * (deepest + 1) + deepest - n_up[i]
        order[places[key]] = i
        places[key] += 1
    return order


@kernel
def _crowd(local: Local, is_up: NDArray[np.bool_], share: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return an exponent d for the samples of each class, so that 1 / d sums to at most 1 in each down pool."""
    most = 0.0
    for j in range(is_up.size):
        if not is_up[j]:
            held = 0.0
            for k in range(local.offsets[j], local.offsets[j + 1]):
                held += _SHARES[share[local.members[k]]]
            most = max(most, held)
    crowd = np.empty(4)
    for c in range(4):
        crowd[c] = max(most / _SHARES[c], 1.0)
    return crowd


@kernel
def work_out(setting: Setting, t: int) -> None:
    """Work out what a sample adds at most, per unit of its odds, to the logarithm of a sum of sets, for one tilt.

    By the generalised Hoelder inequality (Finner 1992): the sum over sets T of prod(odds) * ratio ** (down pools hit)
    is the mean of prod(1 + odds_u [its down pools are all in F]) over random sets F of down pools, each in F with
    probability ratio; it is at most the product of the d_u-norms where 1 / d_u sums to at most 1 in each pool.
    A tilt b <= 1 bounds an up pool hit by T from above by ``max(floor, top * b) * b ** -(hits)``.
    """
    deepest = setting.weights.shape[2] - 1
    setting.known[t] = True
    for c in range(4):
        d = setting.crowd[c]
        for a in range(deepest + 1):
            by_tilt = np.exp(-a * setting.tilt[t])
            x = setting.largest * by_tilt
            value = by_tilt * np.expm1(d * np.log1p(x)) / (d * x)
            for m in range(deepest + 1 - a):
                setting.weights[t, c, m, a] = value
                value *= setting.down_most


@kernel
def tilted(
    setting: Setting, listed: NDArray[np.int32], n_listed: int, hit: NDArray[np.uint64], t: int
) -> tuple[float, np.uint64, np.uint64]:
    """Return what the listed samples add at most, log, and the up pools not hit that they could still explain."""
    up0, up1 = setting.up[0] & ~hit[0], setting.up[1] & ~hit[1]
    down0, down1 = ~setting.up[0] & ~hit[0], ~setting.up[1] & ~hit[1]
    two = setting.likelihood.shape[0] > 64
    if not setting.known[t]:
        work_out(setting, t)
    weights, mask, odds, share = setting.weights[t], setting.mask, setting.odds, setting.share
    alive0, alive1 = np.uint64(0), np.uint64(0)
    inverse = -setting.tilt[t]
    added = 0.0
    for k in range(n_listed):
        i = listed[k]
        word = mask[i, 0]
        a, m = popcount(word & up0), popcount(word & down0)
        alive0 |= word
        if two:
            word = mask[i, 1]
            a += popcount(word & up1)
            m += popcount(word & down1)
            alive1 |= word
        if m == 0:
            added += np.log1p(odds[i] * np.exp(inverse * a))
        else:
            added += odds[i] * weights[share[i], m, a]
    return added, alive0 & up0, alive1 & up1
