"""Registrations to pools: who shares a tube, counted and checked in one pass."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

MIXED_KINDS = 1
SLOT_SEEN = 2


@kernel
def tally(
    pool_of: NDArray[np.int32],
    sample_of: NDArray[np.int32],
    slot: NDArray[np.int16],
    kind: NDArray[np.int32],
    n_members: NDArray[np.int32],
    kind_of: NDArray[np.int32],
    slots: NDArray[np.uint64],
    flags: NDArray[np.uint8],
) -> None:
    """Count the members of each pool and flag mixed kinds and slots that may be used twice.

    pool_of, sample_of and slot (members,) and kind (samples,) are read; n_members, kind_of (starts at -1), slots and
    flags (pools,) are written. Slots 64 apart share a bit, so a flagged slot has to be looked at again.
    """
    for k in range(pool_of.size):
        pool = pool_of[k]
        n_members[pool] += 1
        swabbed = kind[sample_of[k]]
        if kind_of[pool] < 0:
            kind_of[pool] = swabbed
        elif kind_of[pool] != swabbed:
            flags[pool] |= np.uint8(MIXED_KINDS)
        bit = np.uint64(1) << np.uint64((slot[k] - 1) & 63)
        if slots[pool] & bit:
            flags[pool] |= np.uint8(SLOT_SEEN)
        slots[pool] |= bit


@kernel
def bucket(
    codes: NDArray[np.int32], values: NDArray[np.int32], offsets: NDArray[np.int64], sorted_: NDArray[np.int32]
) -> None:
    """Collect the values of equal codes side by side, in row order; rows with a code of -1 are left out.

    codes and values (rows,) are read; offsets (codes + 1,) starts at 0 and sorted_ (rows,) is written:
    the values of code c are ``sorted_[offsets[c]:offsets[c + 1]]``.
    """
    for row in range(codes.size):
        if codes[row] >= 0:
            offsets[codes[row] + 1] += 1
    for code in range(offsets.size - 1):
        offsets[code + 1] += offsets[code]
    # Each start moves to its end while it is filled, so afterwards all starts are one place too far.
    for row in range(codes.size):
        if codes[row] >= 0:
            sorted_[offsets[codes[row]]] = values[row]
            offsets[codes[row]] += 1
    for code in range(offsets.size - 1, 0, -1):
        offsets[code] = offsets[code - 1]
    offsets[0] = 0
