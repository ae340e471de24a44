"""What several pools that were laid out together say of the samples they share."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.evidence import IS_NEGATIVE, IS_POSITIVE, IS_SECOND_SUSPECT, IS_SUSPECT, Looks, Memberships, Pools


@kernel
def clear(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    membership: Memberships,
    known: Looks,
    pools: Pools,
    needed: int,
    cleared: NDArray[np.bool_],
) -> None:
    """Write which samples their designed pools clear, so that their reactive and exhausted ones need not be feared.

    offsets (pools + 1,) and members (memberships,) give each pool's samples; a sample needs `needed` negative pools, or
    all of its pools of their stage where it has fewer. cleared (samples,) is written.
    """
    for sample in range(cleared.size):
        last_negative, last_reactive = 0, 0
        for k in range(membership.offsets[sample], membership.offsets[sample + 1]):
            pool = membership.pools[k]
            outcome = known.outcome[pool]
            if outcome == IS_NEGATIVE and not pools.unusable[pool]:
                last_negative = max(last_negative, pools.stage[pool])
            elif outcome >= IS_SUSPECT:
                last_reactive = max(last_reactive, pools.stage[pool])
        n_negative, n_pools = 0, 0
        for k in range(membership.offsets[sample], membership.offsets[sample + 1]):
            pool = membership.pools[k]
            if pools.stage[pool] == last_negative:
                n_pools += 1
                if known.outcome[pool] == IS_NEGATIVE and not pools.unusable[pool]:
                    n_negative += 1
        cleared[sample] = (
            needed > 0 and last_negative > 0 and last_negative >= last_reactive and n_negative >= min(needed, n_pools)
        )
    # A reactive pool of which everybody would be cleared contradicts that: it clears nobody.
    contradicted = np.zeros(pools.stage.size, np.bool_)
    for pool in range(pools.stage.size):
        if pools.stage[pool] == 0 or known.outcome[pool] < IS_SUSPECT:
            continue
        contradicted[pool] = True
        for k in range(offsets[pool], offsets[pool + 1]):
            single = known.outcome[membership.alone[members[k]]]
            if not cleared[members[k]] or single == IS_POSITIVE or single == IS_SECOND_SUSPECT:
                contradicted[pool] = False
    for pool in range(pools.stage.size):
        if contradicted[pool]:
            for k in range(offsets[pool], offsets[pool + 1]):
                cleared[members[k]] = False
