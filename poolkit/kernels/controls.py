"""Control charts: which of Westgard's rules each reading of a control breaks."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

# What a point is.
JUDGED, BASELINE, NO_CT, NO_SCALE = 0, 1, 2, 3
# What it breaks, as bits.
B_NO_CT, B_12S, B_13S, B_22S, B_R4S, B_41S, B_SIDE = 1, 2, 4, 8, 16, 32, 64


@kernel
def follow(
    offsets: NDArray[np.int64],
    z: NDArray[np.float64],
    state: NDArray[np.uint8],
    same_side: int,
    broken: NDArray[np.uint8],
) -> None:
    """Set for each point of each chart the bits of the rules that it breaks alone or with those before it.

    offsets (charts + 1,), z and state (points,) are read, the points of a chart in order of time; broken (points,) is
    written. Only a JUDGED point has a meaning in z. Any other point ends what was consecutive. The caller guarantees
    same_side >= 1.
    """
    for chart in range(offsets.size - 1):
        # How many points up to this one lie beyond 1 and 2 standard deviations and beyond the mean, on which side.
        side = 0
        n_side = 0
        n_one = 0
        n_two = 0
        for point in range(offsets[chart], offsets[chart + 1]):
            broken[point] = B_NO_CT if state[point] == NO_CT else 0
            if state[point] != JUDGED:
                side = 0
                n_side = 0
                n_one = 0
                n_two = 0
                continue
            deviation = z[point]
            now = 1 if deviation > 0.0 else (-1 if deviation < 0.0 else 0)
            if now != side or now == 0:
                n_side = 0
                n_one = 0
                n_two = 0
            side = now
            size = abs(deviation)
            n_side = n_side + 1 if size > 0.0 else 0
            n_one = n_one + 1 if size > 1.0 else 0
            n_two = n_two + 1 if size > 2.0 else 0
            bits = 0
            if size > 2.0:
                bits |= B_12S
            if size > 3.0:
                bits |= B_13S
            if n_two >= 2:
                bits |= B_22S
            if n_one >= 4:
                bits |= B_41S
            if n_side >= same_side:
                bits |= B_SIDE
            broken[point] = bits


@kernel
def oppose(
    group: NDArray[np.int64],
    z: NDArray[np.float64],
    state: NDArray[np.uint8],
    beyond: NDArray[np.uint8],
    broken: NDArray[np.uint8],
) -> None:
    """Add R-4s to the points of a run of which one lies above +2 and another below -2 standard deviations.

    group (points,), the run and target of each, z and state (points,) are read; beyond (groups,) starts at 0 and is
    used up; broken (points,) is added to. The caller guarantees group < groups.
    """
    for point in range(group.size):
        if state[point] == JUDGED and z[point] > 2.0:
            beyond[group[point]] |= 1
        elif state[point] == JUDGED and z[point] < -2.0:
            beyond[group[point]] |= 2
    for point in range(group.size):
        if state[point] == JUDGED and abs(z[point]) > 2.0 and beyond[group[point]] == 3:
            broken[point] |= B_R4S
