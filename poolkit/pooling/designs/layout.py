"""`Layout`: which samples share a pool, and how layouts are made from pools, cut short and set one behind the other."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Layout(NamedTuple):
    """Which samples are in which pools, and when each pool is tested.

    A pool of stage 1 is tested always; one of a later stage when a member of it is still open after the stages before.
    What is open after the last stage is tested alone: pools of one sample do not stand in a layout.

    Attributes
    ----------
    n_samples : int
        Samples, numbered from 0 in the order in which they were given.
    offsets : numpy.ndarray of int64
        (pools + 1,) pool p holds ``members[offsets[p]:offsets[p + 1]]``.
    members : numpy.ndarray of int32
        (memberships,) samples, pool by pool, in the order of their slots.
    stage : numpy.ndarray of int8
        (pools,) from 1, never falling.
    """

    n_samples: int
    offsets: NDArray[np.int64]
    members: NDArray[np.int32]
    stage: NDArray[np.int8]


def of_pools(n_samples: int, *stages: Iterable[ArrayLike]) -> Layout:
    """Return the layout of these pools, given stage by stage.

    A pool of one sample is left out, and so is one with the samples of a pool before it: it would say nothing new.

    Examples
    --------
    >>> of_pools(3, [[0, 1, 2]], [[0, 1], [2]]).members.tolist()
    [0, 1, 2, 0, 1]
    """
    seen: set[bytes] = set()
    pools: list[NDArray[np.int32]] = []
    numbers: list[int] = []
    for stage, each in enumerate(stages, 1):
        for given in each:
            pool = np.asarray(given, np.int32)
            key = np.sort(pool).tobytes()
            if pool.size > 1 and key not in seen:
                seen.add(key)
                pools.append(pool)
                numbers.append(stage)
    offsets = np.zeros(len(pools) + 1, np.int64)
    np.cumsum([pool.size for pool in pools], out=offsets[1:])
    members = np.concatenate([np.empty(0, np.int32), *pools])
    return Layout(n_samples, offsets, members, np.array(numbers, np.int8))


def first_samples(layout: Layout, n: int) -> Layout:
    """Return the layout of its first n samples only.

    Examples
    --------
    >>> whole = of_pools(4, [[0, 1], [2, 3], [0, 2], [1, 3]])
    >>> first_samples(whole, 3).members.tolist()
    [0, 1, 0, 2]
    """
    if n == layout.n_samples:
        return layout
    stages: dict[int, list[NDArray[np.int32]]] = {s: [] for s in range(1, int(layout.stage.max(initial=0)) + 1)}
    for pool, stage in enumerate(layout.stage.tolist()):
        members = layout.members[layout.offsets[pool] : layout.offsets[pool + 1]]
        stages[stage].append(members[members < n])
    return of_pools(n, *stages.values())


def one_behind_the_other(full: Layout, n_full: int, rest: Layout) -> Layout:
    """Return so many copies of a full block and the rest behind them, pools in order of stage, then of block.

    Examples
    --------
    >>> pair = of_pools(2, [[0, 1]])
    >>> one_behind_the_other(pair, 2, of_pools(1)).members.tolist()
    [0, 1, 2, 3]
    """
    n_before = n_full * full.n_samples
    sizes, members, stages = [], [], []
    shifts = (np.arange(n_full, dtype=np.int32) * np.int32(full.n_samples))[:, None]
    for stage in sorted({*full.stage.tolist(), *rest.stage.tolist()}):
        for block, n_copies in ((full, n_full), (rest, 1)):
            first, stop = np.searchsorted(block.stage, [stage, stage + 1])
            found = block.members[block.offsets[first] : block.offsets[stop]]
            members.append((found[None, :] + shifts).ravel() if block is full else found + np.int32(n_before))
            sizes.append(np.tile(np.diff(block.offsets[first : stop + 1]), n_copies))
            stages.append(np.full(sizes[-1].size, stage, np.int8))
    offsets = np.zeros(sum(each.size for each in sizes) + 1, np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]), out=offsets[1:])
    return Layout(
        n_before + rest.n_samples,
        offsets,
        np.concatenate([np.empty(0, np.int32), *members]),
        np.concatenate([np.empty(0, np.int8), *stages]),
    )
