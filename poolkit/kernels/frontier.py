"""Exact sums over which pools hold somebody infected: arrays, cubes and binary designs of any size."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import TIE, Beliefs, Local


class Sweep(NamedTuple):
    """The order of work: which bit stands for which pool, from its first sample to its last."""

    mask: NDArray[np.int64]  # (samples,) bits of the pools of each
    bit: NDArray[np.int64]  # (pools,)
    closes: NDArray[np.int64]  # (samples + 1,) pools whose last sample it is stand in `closed`
    closed: NDArray[np.int32]
    no: NDArray[np.float64]  # (pools,) likelihood when nobody in it is infected
    yes: NDArray[np.float64]  # (pools,) and when somebody is


@kernel
def new_sweep(local: Local) -> Sweep:
    """Return room for the order of work of a component."""
    n, n_pools = local.starts.size - 1, local.low.size
    return Sweep(
        np.zeros(n, np.int64),
        np.zeros(n_pools, np.int64),
        np.zeros(n + 1, np.int64),
        np.zeros(n_pools, np.int32),
        np.empty(n_pools),
        np.empty(n_pools),
    )


@kernel
def plan_sweep(local: Local, evidence: Evidence, parts: Parts, part: int, most: int, sweep: Sweep) -> int:
    """Write the order of work, and return how many pools are open at once at most.

    Returns -1 when that is more than `most`, or when a pool feels more than whether somebody in it is infected.
    """
    n, n_pools = local.starts.size - 1, local.low.size
    last = np.zeros(n_pools, np.int32)
    for j in range(n_pools):
        row = evidence.table[evidence.kind[parts.pools[parts.pool_offsets[part] + j]]]
        low, size = local.low[j], local.offsets[j + 1] - local.offsets[j]
        for k in range(2, size + 1):
            if row[low + k] != row[low + 1]:
                return -1
        sweep.no[j], sweep.yes[j] = row[low], row[low + 1]
        for k in range(local.offsets[j], local.offsets[j + 1]):
            last[j] = max(last[j], local.members[k])
        sweep.bit[j] = -1
    taken = np.zeros(most, np.bool_)
    n_closed, widest = 0, 0
    for i in range(n):
        sweep.mask[i] = 0
        for k in range(local.starts[i], local.starts[i + 1]):
            j = local.pools[k]
            if sweep.bit[j] < 0:
                free = 0
                while free < most and taken[free]:
                    free += 1
                if free == most:
                    return -1
                taken[free] = True
                sweep.bit[j] = free
                widest = max(widest, free + 1)
            sweep.mask[i] |= np.int64(1) << sweep.bit[j]
        for k in range(local.starts[i], local.starts[i + 1]):
            j = local.pools[k]
            if last[j] == i:
                taken[sweep.bit[j]] = False
                sweep.closed[n_closed] = j
                n_closed += 1
        sweep.closes[i + 1] = n_closed
    return widest


@kernel
def run_sweep(sweep: Sweep, width: int, odds: NDArray[np.float64], parts: Parts, part: int, beliefs: Beliefs) -> bool:
    """Weigh all sets of a component, and write what follows; returns whether any has a weight."""
    n, start = sweep.mask.size, parts.sample_offsets[part]
    own = np.empty(n)
    for i in range(n):
        own[i] = odds[parts.samples[start + i]]
    size = 1 << width
    forward, backward = np.zeros((n + 1, size)), np.zeros((n + 1, size))
    total = 0.0
    for largest in (False, True):
        _ahead(sweep, own, largest, forward)
        _back(sweep, own, largest, backward)
        total = forward[n, 0]
        if total <= 0.0:
            beliefs.error[part] = np.inf
            return False
        second = 0.0
        for i in range(n):
            sample, mask = parts.samples[start + i], sweep.mask[i]
            no, yes = 0.0, 0.0
            for state in range(size):
                # The table after sample i still holds its pools open: they are closed on the way back.
                before = forward[i, state]
                if before > 0.0:
                    without, with_it = before * backward[i, state], before * own[i] * backward[i, state | mask]
                    no = max(no, without) if largest else no + without
                    yes = max(yes, with_it) if largest else yes + with_it
            if largest:
                second = max(second, min(no, yes))
                beliefs.tied[sample] = min(no, yes) >= (1.0 - TIE) * total
            else:
                beliefs.probability[sample] = yes / (no + yes)
        beliefs.margin[part] = max(np.log(total / second), 0.0) if second > 0.0 else np.inf
    beliefs.error[part] = 0.0
    state = 0
    for i in range(n):
        mask = int(sweep.mask[i])
        infected = own[i] * backward[i, state | mask] > backward[i, state] * (1.0 + TIE)
        beliefs.likely[parts.samples[start + i]] = infected
        state = state | mask if infected else state
        for k in range(sweep.closes[i], sweep.closes[i + 1]):
            state &= ~(1 << int(sweep.bit[sweep.closed[k]]))
    return True


@kernel
def _ahead(sweep: Sweep, odds: NDArray[np.float64], largest: bool, forward: NDArray[np.float64]) -> None:
    """Write the weight of all that was decided before each sample, by which open pools hold somebody infected."""
    forward[0, :] = 0.0
    forward[0, 0] = 1.0
    size = forward.shape[1]
    for i in range(odds.size):
        mask, own = sweep.mask[i], odds[i]
        table = forward[i + 1]
        table[:] = forward[i]
        for state in range(size):
            value = forward[i, state] * own
            if value > 0.0:
                held = table[state | mask]
                table[state | mask] = max(held, value) if largest else held + value
        for k in range(sweep.closes[i], sweep.closes[i + 1]):
            j = sweep.closed[k]
            one = np.int64(1) << sweep.bit[j]
            for state in range(size):
                if state & one == 0:
                    no, yes = table[state] * sweep.no[j], table[state | one] * sweep.yes[j]
                    table[state] = max(no, yes) if largest else no + yes
                    table[state | one] = 0.0


@kernel
def _back(sweep: Sweep, odds: NDArray[np.float64], largest: bool, backward: NDArray[np.float64]) -> None:
    """Write the weight of all that comes after each sample, its own pools still open, by the same."""
    size, n = backward.shape[1], odds.size
    backward[n, :] = 1.0
    for i in range(n - 1, -1, -1):
        table = backward[i]
        if i == n - 1:
            table[:] = 1.0
        else:
            mask, own = sweep.mask[i + 1], odds[i + 1]
            for state in range(size):
                no, yes = backward[i + 1, state], own * backward[i + 1, state | mask]
                table[state] = max(no, yes) if largest else no + yes
        for k in range(sweep.closes[i + 1] - 1, sweep.closes[i] - 1, -1):
            j = sweep.closed[k]
            one = np.int64(1) << sweep.bit[j]
            for state in range(size):
                if state & one == 0:
                    table[state | one] = table[state] * sweep.yes[j]
                    table[state] *= sweep.no[j]
