"""What a design can do, counted: which pools samples share, and how many infected it takes to hide a healthy one."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# Pools of a sample that fit a mask of 64 bits with its sign.
MOST_POOLS = 62


@kernel
def _n_bits(mask: int) -> int:
    """Return how many bits are set, mask >= 0."""
    n_set = 0
    while mask:
        mask &= mask - 1
        n_set += 1
    return n_set


@kernel
def disjunctness(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    sample_offsets: NDArray[np.int64],
    sample_pools: NDArray[np.int32],
    stride: int,
    n_steps: int,
    found: NDArray[np.int64],
) -> None:
    """Find the largest d for which no d samples are together in all pools of another one, and the largest overlap.

    Pools to samples, offsets (pools + 1,) and members, and samples to pools, sample_offsets (samples + 1,) and
    sample_pools, are read. found (3,) is written: a d that is proved, a d that is not surpassed, and the most pools
    that two samples share; the first two are equal unless the search was given up after n_steps masks looked at.
    Of every `stride` samples one is looked at, against all others; beyond a stride of 1 the first is not proved, and
    the third is what was seen. Samples in no pool are passed over; without any pool d is the number of samples. Each
    pool has two members or more.

    For each sample, those who share pools with it are masks over its pools, and the fewest masks that cover all of
    them are searched: covers of fewer are refused first, and only such as are smaller than the smallest so far.
    """
    n_samples = sample_offsets.size - 1
    overlap = 0
    best = n_samples + 1
    proved = n_samples + 1
    for sample in range(n_samples):
        n_pools = sample_offsets[sample + 1] - sample_offsets[sample]
        # One other member of each pool covers the sample.
        if n_pools > 0 and n_pools < best:
            best = n_pools
    mask_of = np.zeros(n_samples, np.int64)
    count_of = np.zeros(n_samples, np.int32)
    touched = np.empty(n_samples, np.int32)
    open_at = np.empty(MOST_POOLS + 2, np.int64)
    next_at = np.empty(MOST_POOLS + 2, np.int64)
    steps = 0
    for sample in range(0, n_samples, stride):
        first = sample_offsets[sample]
        n_pools = sample_offsets[sample + 1] - first
        if n_pools == 0:
            continue
        n_touched = 0
        for k in range(n_pools):
            pool = sample_pools[first + k]
            for m in range(offsets[pool], offsets[pool + 1]):
                other = members[m]
                if other != sample:
                    if count_of[other] == 0:
                        touched[n_touched] = other
                        n_touched += 1
                    count_of[other] += 1
                    if k < MOST_POOLS:
                        mask_of[other] |= np.int64(1) << np.int64(k)
        most = 0
        for k in range(n_touched):
            most = max(most, count_of[touched[k]])
        overlap = max(overlap, most)
        # So many others are needed at least, as none covers more than `most` pools.
        needed = (n_pools + most - 1) // most
        if needed < best and n_pools <= MOST_POOLS:
            masks = np.empty(n_touched, np.int64)
            for k in range(n_touched):
                masks[k] = mask_of[touched[k]]
            masks.sort()
            n_masks = 0
            for k in range(n_touched):
                if n_masks == 0 or masks[n_masks - 1] != masks[k]:
                    masks[n_masks] = masks[k]
                    n_masks += 1
            while needed < best and steps < n_steps:
                depth = 0
                open_at[0] = (np.int64(1) << np.int64(n_pools)) - 1
                next_at[0] = 0
                covered = False
                while depth >= 0 and steps < n_steps:
                    left = open_at[depth]
                    lowest = left & -left
                    more = needed - depth - 1
                    deeper = False
                    k = next_at[depth]
                    while k < n_masks and not deeper:
                        steps += 1
                        if masks[k] & lowest:
                            rest = left & ~masks[k]
                            if rest == 0:
                                covered = True
                                deeper = True
                            elif _n_bits(rest) <= more * most:
                                deeper = True
                                next_at[depth] = k + 1
                                depth += 1
                                open_at[depth] = rest
                                next_at[depth] = 0
                        k += 1
                    if covered:
                        break
                    if not deeper:
                        depth -= 1
                if covered:
                    best = needed
                elif depth < 0:
                    needed += 1
        proved = min(proved, needed)
        for k in range(n_touched):
            mask_of[touched[k]] = 0
            count_of[touched[k]] = 0
    found[0] = min(proved, best) - 1
    found[1] = best - 1
    found[2] = overlap


@kernel
def unions(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    sample_offsets: NDArray[np.int64],
    sample_pools: NDArray[np.int32],
    signed: NDArray[np.int64],
) -> None:
    """Count, over all samples and all sets of their pools, the others in the union; odd sets count as -1.

    Pools and samples are read as in `disjunctness`; signed (samples,) starts at 0. With it the chance that all pools of
    a healthy sample hold an infected one is a sum over the sizes of unions (inclusion and exclusion). The caller
    guarantees that no sample is in more than about twenty pools; cost is pools x 2 ** pools of each sample.
    """
    n_samples = sample_offsets.size - 1
    mask_of = np.zeros(n_samples, np.int64)
    most = 0
    for sample in range(n_samples):
        most = max(most, sample_offsets[sample + 1] - sample_offsets[sample])
    inside = np.zeros(1 << most, np.int64)
    parity = np.ones(1 << most, np.int64)
    for sets in range(1, parity.size):
        parity[sets] = -parity[sets & (sets - 1)]
    for sample in range(n_samples):
        first = sample_offsets[sample]
        n_pools = sample_offsets[sample + 1] - first
        if n_pools == 0:
            continue
        n_sets = 1 << n_pools
        inside[:n_sets] = 0
        n_others = 0
        for k in range(n_pools):
            pool = sample_pools[first + k]
            for m in range(offsets[pool], offsets[pool + 1]):
                if members[m] != sample:
                    mask_of[members[m]] |= np.int64(1) << np.int64(k)
        # Each other is counted once, and its mask cleared for the next sample.
        for k in range(n_pools):
            pool = sample_pools[first + k]
            for m in range(offsets[pool], offsets[pool + 1]):
                mask = mask_of[members[m]]
                if mask:
                    inside[mask] += 1
                    n_others += 1
                    mask_of[members[m]] = 0
        # From those in exactly a set of pools to those in no pool outside it.
        for k in range(n_pools):
            for sets in range(n_sets):
                if sets >> k & 1:
                    inside[sets] += inside[sets ^ (1 << k)]
        for sets in range(n_sets):
            signed[n_others - inside[n_sets - 1 - sets]] += parity[sets]
