"""Binary heaps: the first of many times at hand."""

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


@kernel
def sift_up(heap: NDArray[np.float64], n: int) -> None:
    """Bring the last of the first n numbers of a heap to its place; the least is the first."""
    k, value = n - 1, heap[n - 1]
    while k > 0 and heap[(k - 1) // 2] > value:
        heap[k] = heap[(k - 1) // 2]
        k = (k - 1) // 2
    heap[k] = value


@kernel
def sift_down(heap: NDArray[np.float64], n: int) -> None:
    """Bring the first of n numbers of a heap to its place."""
    if n == 0:
        return
    k, value = 0, heap[0]
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[k] = heap[child]
        k = child
    heap[k] = value


@kernel
def _sooner(time: float, slot: int, than: float, other: int, order: NDArray[np.int64]) -> bool:
    """Say whether a time comes before another, or with it and its slot is first in order."""
    return time < than or (time == than and order[slot] < order[other])


@kernel
def push(
    times: NDArray[np.float64], slots: NDArray[np.int64], order: NDArray[np.int64], n: int, time: float, slot: int
) -> None:
    """Put a time and its slot into a heap of n, sorted by time and then by the order of slots; the caller counts it."""
    k = n
    while k > 0:
        above = (k - 1) // 2
        if _sooner(times[above], slots[above], time, slot, order):
            break
        times[k], slots[k] = times[above], slots[above]
        k = above
    times[k], slots[k] = time, slot


@kernel
def pop(times: NDArray[np.float64], slots: NDArray[np.int64], order: NDArray[np.int64], n: int) -> None:
    """Take the first of a heap of n away; the caller counts one fewer."""
    n -= 1
    time, slot = times[n], slots[n]
    k = 0
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and _sooner(times[child + 1], slots[child + 1], times[child], slots[child], order):
            child += 1
        if _sooner(time, slot, times[child], slots[child], order):
            break
        times[k], slots[k] = times[child], slots[child]
        k = child
    times[k], slots[k] = time, slot
