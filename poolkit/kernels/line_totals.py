"""Totals of a run over its bins of time, reckoned where other threads may go on."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


@kernel
def last_bin(counts: NDArray[np.int64]) -> int:
    """Return the last bin in which anything is counted in any row of counts (rows, bins), or -1."""
    for k in range(counts.shape[1] - 1, -1, -1):
        for row in range(counts.shape[0]):
            if counts[row, k] != 0:
                return k
    return -1


@kernel
def busy_until(
    started: NDArray[np.int64], ended: NDArray[np.int64], busy: NDArray[np.float64], n_bins: int, width: float
) -> float:
    """Return the minutes that servers were busy in the first bins.

    started and ended (bins,) are batches or people, busy (bins,) the minutes from each start, less those from each end,
    to the end of its bin; what goes on keeps its server for whole bins.
    """
    total, running = 0.0, 0
    for k in range(n_bins):
        total += busy[k] + width * running
        running += started[k] - ended[k]
    return total
