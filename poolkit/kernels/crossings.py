"""Pools that cross: how likely all pools of a sample react when tests err, by inclusion and exclusion."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# The logarithm of a probability of 0: low enough that its power of e is 0, high enough that sums keep their digits.
NEVER = -800.0


class Crossing(NamedTuple):
    """Pools and how likely each reacts.

    offsets (pools + 1,) and members (memberships,) say who is in each; reacts and false_reacts (pools,) are for a pool
    with somebody infected and without; log_clean (samples,) is the logarithm of how likely a sample is not infected,
    at least `NEVER`.
    """

    offsets: NDArray[np.int64]
    members: NDArray[np.int32]
    reacts: NDArray[np.float64]
    false_reacts: NDArray[np.float64]
    log_clean: NDArray[np.float64]


@kernel
def all_react(
    offsets: NDArray[np.int64],
    listed: NDArray[np.int32],
    but: NDArray[np.int64],
    crossing: Crossing,
    probability: NDArray[np.float64],
) -> None:
    """Write for each list of pools how likely all of them react.

    offsets (lists + 1,) and listed (pools of lists,) say which pools, but (lists,) a sample that is known not to be
    infected, or -1; probability (lists,) is written. With u(T) how likely the union of the pools of T holds nobody
    infected it is the sum over all T of u(T), times false_reacts - reacts for each pool in T and reacts for each other.
    The caller guarantees that no list is longer than it can pay for.
    """
    longest = np.int64(0)
    for row in range(probability.size):
        longest = max(longest, offsets[row + 1] - offsets[row])
    inside = np.zeros(crossing.log_clean.size, np.int64)
    within = np.zeros(np.int64(1) << longest)
    weight = np.zeros(np.int64(1) << longest)
    for row in range(probability.size):
        start = offsets[row]
        n_listed = offsets[row + 1] - start
        every = (np.int64(1) << n_listed) - 1
        within[: every + 1] = 0.0
        weight[0] = 1.0
        for k in range(n_listed):
            pool = listed[start + k]
            bit = np.int64(1) << k
            for chosen in range(bit):
                weight[chosen | bit] = weight[chosen] * (crossing.false_reacts[pool] - crossing.reacts[pool])
                weight[chosen] *= crossing.reacts[pool]
            for place in range(crossing.offsets[pool], crossing.offsets[pool + 1]):
                inside[crossing.members[place]] |= bit
        for k in range(n_listed):
            pool = listed[start + k]
            for place in range(crossing.offsets[pool], crossing.offsets[pool + 1]):
                sample = crossing.members[place]
                if inside[sample] and sample != but[row]:
                    within[inside[sample]] += crossing.log_clean[sample]
                inside[sample] = 0
        # within[T]: samples that are in pools of T only.
        for k in range(n_listed):
            bit = np.int64(1) << k
            for chosen in range(every + 1):
                if chosen & bit:
                    within[chosen] += within[chosen ^ bit]
        total = 0.0
        for chosen in range(every + 1):
            total += weight[chosen] * np.exp(within[every] - within[every ^ chosen])
        probability[row] = max(total, 0.0)
