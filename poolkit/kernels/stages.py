"""Pools in stages against infected samples: what is tested, what reacts, who is left open; samples as bits of words."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

UNTESTED = np.int8(0)
NEGATIVE = np.int8(1)
REACTIVE = np.int8(2)

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_LOW = np.uint64(63)


class Pools(NamedTuple):
    """The pools of a layout: sample s of pool p is bit ``s % 64`` of ``bits[p, s // 64]``.

    size and stage (pools,) say how many samples a pool holds and from 1, never falling, when it is tested.
    """

    bits: NDArray[np.uint64]
    size: NDArray[np.int64]
    stage: NDArray[np.int64]


@kernel
def ones(word: np.uint64) -> int:
    """Count the bits of a word that are set."""
    word = word - ((word >> _ONE) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _shared(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    """Count the samples that two sets share."""
    n = 0
    for w in range(one.size):
        n += ones(one[w] & other[w])
    return n


@kernel
def _meet(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> bool:
    """Say whether two sets share a sample."""
    for w in range(one.size):
        if one[w] & other[w]:
            return True
    return False


@kernel
def pack(offsets: NDArray[np.int64], members: NDArray[np.int32], bits: NDArray[np.uint64]) -> None:
    """Set the bit of each member of each row.

    offsets (rows + 1,) and members (memberships,) are read; bits (rows, words) starts at 0 and is written.
    """
    for row in range(bits.shape[0]):
        for k in range(offsets[row], offsets[row + 1]):
            bits[row, members[k] >> 6] |= _ONE << (np.uint64(members[k]) & _LOW)


@kernel
def subsets(n: int, most: int, bits: NDArray[np.uint64]) -> None:
    """Write every set of at most this many of n samples, by size and then in order.

    bits (sets, words) starts at 0 and is written; the caller guarantees as many rows as there are sets.
    """
    row = 1
    chosen = np.empty(most, np.int64)
    for size in range(1, min(most, n) + 1):
        for k in range(size):
            chosen[k] = k
        last = size - 1
        while last >= 0:
            for k in range(size):
                bits[row, chosen[k] >> 6] |= _ONE << (np.uint64(chosen[k]) & _LOW)
            row += 1
            last = size - 1
            while last >= 0 and chosen[last] == n - size + last:
                last -= 1
            if last >= 0:
                chosen[last] += 1
                for k in range(last + 1, size):
                    chosen[k] = chosen[k - 1] + 1


@kernel
def run(pools: Pools, infected: NDArray[np.uint64], outcome: NDArray[np.int8], open_: NDArray[np.uint64]) -> None:
    """Test the pools of each set of infected samples by a perfect assay, stage after stage.

    infected (sets, words) is read; outcome (sets, pools) and open_ (sets, words), which starts with every sample, are
    written. A pool is tested when it holds a sample that is open after the stages before; a negative one clears all.
    """
    n_pools = pools.stage.size
    n_words = infected.shape[1]
    for row in range(infected.shape[0]):
        start = 0
        while start < n_pools:
            stop = start
            while stop < n_pools and pools.stage[stop] == pools.stage[start]:
                hit, held = _ZERO, _ZERO
                for w in range(n_words):
                    hit |= pools.bits[stop, w] & infected[row, w]
                    held |= pools.bits[stop, w] & open_[row, w]
                outcome[row, stop] = UNTESTED if not held else (REACTIVE if hit else NEGATIVE)
                stop += 1
            for pool in range(start, stop):
                if outcome[row, pool] == NEGATIVE:
                    for w in range(n_words):
                        open_[row, w] &= ~pools.bits[pool, w]
            start = stop


@kernel
def run_noisy(
    pools: Pools,
    infected: NDArray[np.uint64],
    reactive: NDArray[np.float64],
    uniform: NDArray[np.float64],
    outcome: NDArray[np.int8],
    open_: NDArray[np.uint64],
) -> None:
    """Test the pools of each set of infected samples by an assay that errs, stage after stage.

    reactive (largest size + 1, largest size + 1) is the probability that a pool of this size (row) with this many
    infected (column) reacts, uniform (sets, pools) a number from 0 to 1 for each pool; the rest is as in `run`.
    """
    n_pools = pools.stage.size
    for row in range(infected.shape[0]):
        start = 0
        while start < n_pools:
            stop = start
            while stop < n_pools and pools.stage[stop] == pools.stage[start]:
                outcome[row, stop] = UNTESTED
                if _meet(pools.bits[stop], open_[row]):
                    n_infected = _shared(pools.bits[stop], infected[row])
                    reacts = uniform[row, stop] < reactive[pools.size[stop], n_infected]
                    outcome[row, stop] = REACTIVE if reacts else NEGATIVE
                stop += 1
            for pool in range(start, stop):
                if outcome[row, pool] == NEGATIVE:
                    for w in range(open_.shape[1]):
                        open_[row, w] &= ~pools.bits[pool, w]
            start = stop


@kernel
def tally(
    pools: Pools,
    outcome: NDArray[np.int8],
    open_: NDArray[np.uint64],
    tests: NDArray[np.int64],
    definite: NDArray[np.uint64],
) -> None:
    """Count the tests of each stage and the samples left open, and mark those that must be positive.

    outcome (sets, pools) and open_ (sets, words) are read; tests (sets, stages + 1) and definite (sets, words) start
    at 0 and are written: the last column of tests is the samples left open, and a sample is definite when it is the
    only one left open in a reactive pool.
    """
    alone = tests.shape[1] - 1
    for row in range(outcome.shape[0]):
        for w in range(open_.shape[1]):
            tests[row, alone] += ones(open_[row, w])
        for pool in range(pools.stage.size):
            if outcome[row, pool] == UNTESTED:
                continue
            tests[row, pools.stage[pool] - 1] += 1
            if outcome[row, pool] == REACTIVE and _shared(pools.bits[pool], open_[row]) == 1:
                for w in range(open_.shape[1]):
                    definite[row, w] |= pools.bits[pool, w] & open_[row, w]


@kernel
def all_react(
    offsets: NDArray[np.int64],
    listed: NDArray[np.int32],
    pool_offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    some: NDArray[np.float64],
    probability: NDArray[np.float64],
) -> None:
    """Write for each list of pools how likely it is that all of them hold an infected sample.

    offsets (lists + 1,) and listed (pools of lists,) say which pools, pool_offsets (pools + 1,) and members
    (memberships,) who is in them, some (samples + 1,) how likely this many samples hold an infected one; probability
    (lists,) is written. By inclusion and exclusion over the unions of the pools, whose sizes come from how many samples
    are in just these pools and no other of the list: the caller guarantees that no list is longer than it can pay for.
    """
    longest = np.int64(0)
    for row in range(probability.size):
        longest = max(longest, offsets[row + 1] - offsets[row])
    inside = np.zeros(some.size, np.int64)
    within = np.zeros(np.int64(1) << longest, np.int64)
    odd = np.zeros(np.int64(1) << longest, np.bool_)
    for chosen in range(1, odd.size):
        odd[chosen] = not odd[chosen & (chosen - 1)]
    for row in range(probability.size):
        start = offsets[row]
        n_listed = offsets[row + 1] - start
        every = (np.int64(1) << n_listed) - 1
        for chosen in range(every + 1):
            within[chosen] = 0
        for k in range(n_listed):
            pool = listed[start + k]
            for place in range(pool_offsets[pool], pool_offsets[pool + 1]):
                inside[members[place]] |= np.int64(1) << k
        for k in range(n_listed):
            pool = listed[start + k]
            for place in range(pool_offsets[pool], pool_offsets[pool + 1]):
                within[inside[members[place]]] += 1 if inside[members[place]] else 0
                inside[members[place]] = 0
        # within[T]: samples that are in pools of T only.
        for k in range(n_listed):
            bit = np.int64(1) << k
            for chosen in range(every + 1):
                if chosen & bit:
                    within[chosen] += within[chosen ^ bit]
        total = 0.0 if n_listed else 1.0
        for chosen in range(1, every + 1):
            hit = some[within[every] - within[every ^ chosen]]
            total += hit if odd[chosen] else -hit
        probability[row] = total
