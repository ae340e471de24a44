"""Which samples to test alone, once the pools are read, when at most a few can be infected."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.stages import REACTIVE, Pools

_ONE = np.uint64(1)
_LOW = np.uint64(63)


@kernel
def _candidates(open_: NDArray[np.uint64], found: NDArray[np.int64]) -> int:
    """List the open samples and return how many there are."""
    n = 0
    for w in range(open_.size):
        word = open_[w]
        while word:
            rest = word & (word - _ONE)
            lowest = word ^ rest
            place = 0
            while lowest > _ONE:
                lowest >>= _ONE
                place += 1
            found[n] = 64 * w + place
            n += 1
            word = rest
    return n


@kernel
def _explanations(
    hits: NDArray[np.uint64], n: int, need: NDArray[np.uint64], most: int, sets: NDArray[np.int64]
) -> int:
    """List the sets of at most this many candidates that hit every reactive pool; -1 when they are too many.

    hits (candidates, words) are the reactive pools of each candidate, need (words,) all of them; sets (places, most)
    is written, filled up with -1.
    """
    n_words = need.size
    n_sets = 0
    chosen = np.empty(most + 1, np.int64)
    union = np.zeros((most + 1, n_words), np.uint64)
    explained = True
    for w in range(n_words):
        explained = explained and not need[w]
    if explained:
        sets[0] = -1
        n_sets = 1
    if most == 0:
        return n_sets
    depth = 0
    chosen[0] = -1
    while depth >= 0:
        chosen[depth] += 1
        if chosen[depth] >= n:
            depth -= 1
            continue
        explained = True
        for w in range(n_words):
            union[depth + 1, w] = union[depth, w] | hits[chosen[depth], w]
            explained = explained and union[depth + 1, w] == need[w]
        if explained:
            if n_sets == sets.shape[0]:
                return -1
            for k in range(most):
                sets[n_sets, k] = chosen[k] if k <= depth else -1
            n_sets += 1
        if depth + 1 < most:
            chosen[depth + 1] = chosen[depth]
            depth += 1
    return n_sets


@kernel
def _telling(sets: NDArray[np.int64], n_sets: int, n: int, part: NDArray[np.int64], told: NDArray[np.bool_]) -> int:
    """Choose candidates that tell the sets apart, each time the one that separates most pairs; return how many.

    sets (n_sets, most) are read; part (n_sets,) is scratch; told (n,) is written.
    """
    for k in range(n):
        told[k] = False
    for row in range(n_sets):
        part[row] = 0
    n_parts, n_told = 1, 0
    inside = np.zeros((n_sets, n), np.int64)
    size = np.zeros(n_sets, np.int64)
    renamed = np.zeros(n_sets, np.int64)
    while n_parts < n_sets:
        for p in range(n_parts):
            size[p] = 0
            for k in range(n):
                inside[p, k] = 0
        for row in range(n_sets):
            size[part[row]] += 1
            for k in range(sets.shape[1]):
                if sets[row, k] >= 0:
                    inside[part[row], sets[row, k]] += 1
        best, most_pairs = -1, 0
        for k in range(n):
            pairs = 0
            for p in range(n_parts):
                pairs += inside[p, k] * (size[p] - inside[p, k])
            if pairs > most_pairs:
                best, most_pairs = k, pairs
        told[best] = True
        n_told += 1
        for p in range(n_parts):
            renamed[p] = -1
        n_before = n_parts
        for p in range(n_before):
            if 0 < inside[p, best] < size[p]:
                renamed[p] = n_parts
                n_parts += 1
        for row in range(n_sets):
            if renamed[part[row]] >= 0:
                for k in range(sets.shape[1]):
                    if sets[row, k] == best:
                        part[row] = renamed[part[row]]
                        break
    return n_told


@kernel
def retests(
    pools: Pools,
    outcome: NDArray[np.int8],
    open_: NDArray[np.uint64],
    definite: NDArray[np.uint64],
    most: int,
    places: int,
    n_retests: NDArray[np.int64],
) -> None:
    """Count for each set of outcomes the samples to test alone, given that at most `most` are infected.

    outcome (sets, pools), open_ and definite (sets, words) are read; n_retests (sets,) is written. Of all sets of at
    most `most` open samples that explain the outcomes, samples are tested until one is left, all in one round; where
    there are more than `places` such sets or ways to try, or no fewer tests, it is the open samples that are not
    definite.
    """
    n_rows, n_pools = outcome.shape
    n_samples = 64 * open_.shape[1]
    found = np.empty(n_samples, np.int64)
    sets = np.empty((places, max(most, 1)), np.int64)
    part = np.empty(places, np.int64)
    told = np.empty(n_samples, np.bool_)
    n_words = (n_pools + 63) >> 6
    hits = np.empty((n_samples, n_words), np.uint64)
    need = np.empty(n_words, np.uint64)
    for row in range(n_rows):
        n = _candidates(open_[row], found)
        undecided = n - _candidates(definite[row], found)
        if undecided == 0:
            n_retests[row] = 0
            continue
        _candidates(open_[row], found)
        ways, more = 1, 1
        for k in range(most):
            more = more * (n - k) // (k + 1)
            ways += more
        n_retests[row] = undecided
        if ways > 64 * places:
            continue
        for w in range(n_words):
            need[w] = 0
        for k in range(n):
            for w in range(n_words):
                hits[k, w] = 0
        for pool in range(n_pools):
            if outcome[row, pool] == REACTIVE:
                bit = _ONE << (np.uint64(pool) & _LOW)
                need[pool >> 6] |= bit
                for k in range(n):
                    if (pools.bits[pool, found[k] >> 6] >> (np.uint64(found[k]) & _LOW)) & _ONE:
                        hits[k, pool >> 6] |= bit
        n_sets = _explanations(hits, n, need, most, sets)
        if n_sets > 0:
            n_retests[row] = min(undecided, _telling(sets, n_sets, n, part, told))
