"""Samples to pools: whole groups into open pools, best fit first."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


@kernel
def fill(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    stratum: NDArray[np.int32],
    size: int,
    open_pools: NDArray[np.int32],
    n_members: NDArray[np.int32],
    pool_of: NDArray[np.int32],
    slot: NDArray[np.int16],
) -> int:
    """Put each group whole into a pool of its stratum and return how many pools there are.

    offsets (groups + 1,), members (samples,) and stratum (groups,) are read, groups in order of arrival. open_pools
    (strata, places) starts at -1 and holds the pools that still take groups; n_members (samples,) starts at 0, its
    first entries are those of the pools; pool_of and slot (samples,) are written. The caller guarantees size >= 1,
    places >= 1, members < samples and stratum < strata.
    """
    n_pools = 0
    n_places = open_pools.shape[1]
    for group in range(stratum.size):
        k = offsets[group]
        stop = offsets[group + 1]
        places = open_pools[stratum[group]]
        while stop - k > size:
            for number in range(size):
                pool_of[members[k]] = n_pools
                slot[members[k]] = number + 1
                k += 1
            n_members[n_pools] = size
            n_pools += 1
        n_left = stop - k
        # The least room that is enough; the oldest of equals, as pools are numbered in order of opening.
        best = -1
        free = -1
        for place in range(n_places):
            pool = places[place]
            if pool < 0:
                free = place
            elif n_members[pool] + n_left <= size and (
                best < 0
                or n_members[pool] > n_members[places[best]]
                or (n_members[pool] == n_members[places[best]] and pool < places[best])
            ):
                best = place
        if best >= 0:
            pool = places[best]
        else:
            pool = n_pools
            n_pools += 1
        for number in range(n_members[pool], n_members[pool] + n_left):
            pool_of[members[k]] = pool
            slot[members[k]] = number + 1
            k += 1
        n_members[pool] += n_left
        if best >= 0:
            if n_members[pool] == size:
                places[best] = -1
        elif n_members[pool] < size:
            if free < 0:
                # No place left: the fullest of all, this one included, takes no more; the oldest of equals.
                fullest = 0
                for place in range(1, n_places):
                    more = n_members[places[place]] - n_members[places[fullest]]
                    if more > 0 or (more == 0 and places[place] < places[fullest]):
                        fullest = place
                if n_members[places[fullest]] >= n_members[pool]:
                    free = fullest
            if free >= 0:
                places[free] = pool
    return n_pools
