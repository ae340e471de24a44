"""Which samples to test alone, once the pools are read, when at most a few can be infected."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.stages import REACTIVE, Pools, ones

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
    # Nobody hits more pools than this, so that a set that misses too many of them need not be gone on with.
    most_hit = 0
    for k in range(n):
        hit = 0
        for w in range(n_words):
            hit += ones(hits[k, w])
        most_hit = max(most_hit, hit)
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
            missed = 0
            for w in range(n_words):
                missed += ones(need[w] & ~union[depth + 1, w])
            if missed <= most_hit * (most - depth - 1):
                chosen[depth + 1] = chosen[depth]
                depth += 1
    return n_sets


class _Room(NamedTuple):
    """Room to tell sets apart: an order of the sets, the parts of it, and numbers for each candidate."""

    order: NDArray[np.int64]
    stops: NDArray[np.int64]
    starts: NDArray[np.int64]
    inside: NDArray[np.int64]
    pairs: NDArray[np.int64]


@kernel
def _holds(sets: NDArray[np.int64], row: int, candidate: int) -> bool:
    """Say whether a set holds a candidate."""
    for k in range(sets.shape[1]):
        if sets[row, k] == candidate:
            return True
    return False


@kernel
def _telling(sets: NDArray[np.int64], n_sets: int, n: int, room: _Room) -> int:
    """Choose candidates that tell the sets apart, each time the one that separates most pairs; return how many.

    sets (n_sets, most) are read; room is written. Sets that are not told apart yet stand side by side.
    """
    for row in range(n_sets):
        room.order[row] = row
    for k in range(n):
        room.inside[k] = 0
    room.starts[0], room.stops[0] = 0, n_sets
    n_parts = 1 if n_sets > 1 else 0
    n_told = 0
    while n_parts > 0:
        for k in range(n):
            room.pairs[k] = 0
        for part in range(n_parts):
            size = room.stops[part] - room.starts[part]
            for place in range(room.starts[part], room.stops[part]):
                for k in range(sets.shape[1]):
                    if sets[room.order[place], k] >= 0:
                        room.inside[sets[room.order[place], k]] += 1
            for place in range(room.starts[part], room.stops[part]):
                for k in range(sets.shape[1]):
                    candidate = sets[room.order[place], k]
                    if candidate >= 0 and room.inside[candidate] > 0:
                        room.pairs[candidate] += room.inside[candidate] * (size - room.inside[candidate])
                        room.inside[candidate] = 0
        best = 0
        for k in range(1, n):
            if room.pairs[k] > room.pairs[best]:
                best = k
        n_told += 1
        # Those with the candidate go to the front of their part; a part of one is told apart and left out. There are
        # at most half as many parts as sets, so that new ones are kept behind and moved to the front afterwards.
        n_before = n_parts
        n_new = 0
        for part in range(n_before):
            start, stop = room.starts[part], room.stops[part]
            middle = start
            for place in range(start, stop):
                row = room.order[place]
                if _holds(sets, row, best):
                    room.order[place] = room.order[middle]
                    room.order[middle] = row
                    middle += 1
            if middle - start > 1:
                room.starts[n_before + n_new], room.stops[n_before + n_new] = start, middle
                n_new += 1
            if stop - middle > 1:
                room.starts[n_before + n_new], room.stops[n_before + n_new] = middle, stop
                n_new += 1
        for part in range(n_new):
            room.starts[part], room.stops[part] = room.starts[n_before + part], room.stops[n_before + part]
        n_parts = n_new
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
    there are more than `places` such sets, more than four times as many to try, or no fewer tests, it is the open
    samples that are not definite.
    """
    n_rows, n_pools = outcome.shape
    n_samples = 64 * open_.shape[1]
    found = np.empty(n_samples, np.int64)
    sets = np.empty((places, max(most, 1)), np.int64)
    room = _Room(
        np.empty(places, np.int64),
        np.empty(places + 1, np.int64),
        np.empty(places + 1, np.int64),
        np.empty(n_samples, np.int64),
        np.empty(n_samples, np.int64),
    )
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
        if ways > 4 * places:
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
            n_retests[row] = min(undecided, _telling(sets, n_sets, n, room))
