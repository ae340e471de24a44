"""Pools that lie inside pools: who is tested, who is called positive and how many tests it takes, exactly."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


class Tree(NamedTuple):
    """Pools of a nested layout, each before the pools inside it, and what stands directly in each.

    parent (pools,) is the pool around a pool and owner (samples,) the smallest around a sample, -1 for none. size
    (pools,) counts samples. Child pools of pool g are ``pools[pool_offsets[g]:pool_offsets[g + 1]]``, its samples that
    are in none of them ``samples[sample_offsets[g]:sample_offsets[g + 1]]``.
    """

    parent: NDArray[np.int64]
    owner: NDArray[np.int64]
    size: NDArray[np.int64]
    pool_offsets: NDArray[np.int64]
    pools: NDArray[np.int64]
    sample_offsets: NDArray[np.int64]
    samples: NDArray[np.int64]


@kernel
def nest(
    offsets: NDArray[np.int64],
    members: NDArray[np.int32],
    stage: NDArray[np.int8],
    parent: NDArray[np.int64],
    owner: NDArray[np.int64],
) -> bool:
    """Write the pool around each pool and sample, and say whether all pools are nested.

    offsets (pools + 1,), members (memberships,) and stage (pools,) are a layout's; parent (pools,) and owner
    (samples,) are written. Pools are nested when the samples of each were together in the same pool before, of an
    earlier stage, or in none.
    """
    owner[:] = -1
    for pool in range(stage.size):
        around = owner[members[offsets[pool]]]
        parent[pool] = around
        if around >= 0 and stage[around] >= stage[pool]:
            return False
        for k in range(offsets[pool], offsets[pool + 1]):
            if owner[members[k]] != around:
                return False
        for k in range(offsets[pool], offsets[pool + 1]):
            owner[members[k]] = pool
    return True


@kernel
def _add(held: NDArray[np.float64], top: int, one: NDArray[np.float64], n_one: int, limit: int) -> int:
    """Add an independent count to a count: held[:top + 1] and one[:n_one + 1] are probabilities; at most limit."""
    new_top = min(top + n_one, limit)
    for k in range(new_top, -1, -1):
        held[k] = held[k] if k <= top else 0.0
    # From above, so that what is read is not yet written; what exceeds the limit counts as the limit.
    for k in range(top, -1, -1):
        was = held[k]
        held[k] = was * one[0]
        for x in range(1, n_one + 1):
            held[min(k + x, limit)] += was * one[x]
    return new_top


@kernel
def counts(tree: Tree, risk: NDArray[np.float64], infected: NDArray[np.float64]) -> None:
    """Write how likely each pool holds 0, 1, 2 ... infected samples; the last column stands for so many or more.

    risk (samples,) is read; infected (pools, columns) is written.
    """
    limit = infected.shape[1] - 1
    one = np.empty(2)
    for pool in range(tree.size.size - 1, -1, -1):
        infected[pool, :] = 0.0
        infected[pool, 0] = 1.0
        top = 0
        for k in range(tree.sample_offsets[pool], tree.sample_offsets[pool + 1]):
            one[1] = risk[tree.samples[k]]
            one[0] = 1.0 - one[1]
            top = _add(infected[pool], top, one, 1, limit)
        for k in range(tree.pool_offsets[pool], tree.pool_offsets[pool + 1]):
            child = tree.pools[k]
            top = _add(infected[pool], top, infected[child], min(tree.size[child], limit), limit)


@kernel
def _share_out(
    tree: Tree,
    pool: int,
    risk: NDArray[np.float64],
    likely: NDArray[np.float64],
    value: NDArray[np.float64],
    of_child: NDArray[np.float64],
    of_sample: NDArray[np.float64],
) -> None:
    """Write what a value of the count of a pool is on average, for each count of each of its children.

    likely (pools, columns) is the distribution of each child, value (columns,) that of the pool by its count; of_child
    (pools, columns) and of_sample (samples, 2) are written for what stands directly in the pool. Of one child it is the
    sum over what the others hold: those before it as a distribution, those behind it as a mean for each count so far.
    """
    limit = likely.shape[1] - 1
    top = min(tree.size[pool], limit)
    n_samples = tree.sample_offsets[pool + 1] - tree.sample_offsets[pool]
    n_children = n_samples + tree.pool_offsets[pool + 1] - tree.pool_offsets[pool]
    behind = np.empty((n_children + 1, top + 1))
    # Copied one by one here and below: numba compiles the assignment of a slice for seconds.
    for k in range(top + 1):
        behind[n_children, k] = value[k]
    for place in range(n_children - 1, -1, -1):
        if place < n_samples:
            one = risk[tree.samples[tree.sample_offsets[pool] + place]]
            for k in range(top + 1):
                behind[place, k] = (1.0 - one) * behind[place + 1, k] + one * behind[place + 1, min(k + 1, top)]
        else:
            child = tree.pools[tree.pool_offsets[pool] + place - n_samples]
            for k in range(top + 1):
                total = 0.0
                for x in range(min(tree.size[child], limit) + 1):
                    total += likely[child, x] * behind[place + 1, min(k + x, top)]
                behind[place, k] = total
    before, both = np.zeros(top + 1), np.empty(2)
    before[0] = 1.0
    so_far = 0
    for place in range(n_children):
        if place < n_samples:
            sample = tree.samples[tree.sample_offsets[pool] + place]
            of_sample[sample, 0] = 0.0
            of_sample[sample, 1] = 0.0
            for k in range(so_far + 1):
                of_sample[sample, 0] += before[k] * behind[place + 1, k]
                of_sample[sample, 1] += before[k] * behind[place + 1, min(k + 1, top)]
            both[1] = risk[sample]
            both[0] = 1.0 - both[1]
            so_far = _add(before, so_far, both, 1, top)
        else:
            child = tree.pools[tree.pool_offsets[pool] + place - n_samples]
            n_child = min(tree.size[child], limit)
            of_child[child, :] = 0.0
            for x in range(n_child + 1):
                for k in range(so_far + 1):
                    of_child[child, x] += before[k] * behind[place + 1, min(k + x, top)]
            so_far = _add(before, so_far, likely[child], n_child, top)


@kernel
def reach(
    tree: Tree,
    risk: NDArray[np.float64],
    reactive: NDArray[np.float64],
    infected: NDArray[np.float64],
    above: NDArray[np.float64],
    tested: NDArray[np.float64],
    open_: NDArray[np.float64],
) -> None:
    """Write how likely each pool is tested, and each sample alone, where it is infected and where it is not.

    risk (samples,), reactive (pools, columns) how likely a pool with so many infected reacts, and infected (pools,
    columns) of `counts` are read; above (pools, columns) how likely all pools around each react by its infected, tested
    (pools,) and open_ (samples, 2), not infected first, are written.
    """
    value = np.empty(infected.shape[1])
    above[:, :] = 1.0
    open_[:, :] = 1.0
    for pool in range(tree.size.size):
        tested[pool] = 0.0
        for k in range(value.size):
            tested[pool] += infected[pool, k] * above[pool, k]
            value[k] = reactive[pool, k] * above[pool, k]
        _share_out(tree, pool, risk, infected, value, above, open_)


@kernel
def take_back(
    tree: Tree,
    risk: NDArray[np.float64],
    reactive: NDArray[np.float64],
    infected: NDArray[np.float64],
    above: NDArray[np.float64],
    back: NDArray[np.float64],
) -> None:
    """Write how likely a sample is cleared by a negative pool, and yet tested: a reactive pool around is left empty.

    All but back are as in `reach`; back (samples, 2), not infected first, is written. A reactive pool is empty when
    every pool directly in it is negative or empty itself, and no sample stands directly in it. Of the pools around a
    cleared sample one is the first that is negative; the sample is taken back when the pool around that one is empty.
    """
    n_pools, n_columns = infected.shape
    limit = n_columns - 1
    silent, empty = np.zeros((n_pools, n_columns)), np.zeros(n_pools, np.bool_)
    held = np.empty(n_columns)
    for pool in range(n_pools - 1, -1, -1):
        empty[pool] = tree.sample_offsets[pool + 1] == tree.sample_offsets[pool]
        held[:] = 0.0
        held[0] = 1.0
        top = 0
        for place in range(tree.pool_offsets[pool], tree.pool_offsets[pool + 1]):
            child = tree.pools[place]
            top = _add(held, top, silent[child], min(tree.size[child], limit), limit)
        for k in range(n_columns):
            silent[pool, k] = infected[pool, k] * (1.0 - reactive[pool, k])
            if empty[pool]:
                silent[pool, k] += reactive[pool, k] * held[k]
    # around[g, k]: how likely the samples of g are taken back by what is around it, when k of g are infected.
    around, others = np.zeros((n_pools, n_columns)), np.zeros((n_pools, n_columns))
    value, unread = np.empty(n_columns), np.zeros((risk.size, 2))
    back[:, :] = 0.0
    for pool in range(n_pools):
        for k in range(n_columns):
            value[k] = around[pool, k]
        _share_out(tree, pool, risk, infected, value, around, back)
        if empty[pool]:
            for k in range(n_columns):
                value[k] = reactive[pool, k] * above[pool, k]
            _share_out(tree, pool, risk, silent, value, others, unread)
            for place in range(tree.pool_offsets[pool], tree.pool_offsets[pool + 1]):
                child = tree.pools[place]
                for k in range(n_columns):
                    around[child, k] += (1.0 - reactive[child, k]) * others[child, k]


@kernel
def distribution(
    tree: Tree,
    risk: NDArray[np.float64],
    reactive: NDArray[np.float64],
    infected: NDArray[np.float64],
    starts: NDArray[np.int64],
    most: NDArray[np.int64],
    joint: NDArray[np.float64],
) -> None:
    """Write for each pool how likely it takes t tests in and below it and holds k infected, when it is tested.

    risk, reactive and infected are as in `reach`; most (pools,) is the most tests of each, and pool g is written to
    joint at ``starts[g] + k * (most[g] + 1) + t``, k from 0 to its size or the last column.
    """
    limit = infected.shape[1] - 1
    widest = np.int64(0)
    for pool in range(most.size):
        widest = max(widest, most[pool])
    held = np.empty((limit + 1, widest + 1))
    new = np.empty((limit + 1, widest + 1))
    for pool in range(most.size - 1, -1, -1):
        top, width = min(tree.size[pool], limit), most[pool] + 1
        held[: top + 1, :width] = 0.0
        n_samples = tree.sample_offsets[pool + 1] - tree.sample_offsets[pool]
        # Samples directly inside take one test each, whatever they are.
        held[0, n_samples] = 1.0
        for place in range(tree.sample_offsets[pool], tree.sample_offsets[pool + 1]):
            likely = risk[tree.samples[place]]
            for k in range(top, -1, -1):
                was = held[k, n_samples]
                held[k, n_samples] = was * (1.0 - likely)
                held[min(k + 1, top), n_samples] += was * likely
        longest = n_samples
        for place in range(tree.pool_offsets[pool], tree.pool_offsets[pool + 1]):
            child = tree.pools[place]
            new[: top + 1, :width] = 0.0
            for x in range(min(tree.size[child], limit) + 1):
                for s in range(most[child] + 1):
                    likely = joint[starts[child] + x * (most[child] + 1) + s]
                    if likely > 0.0:
                        for k in range(top + 1):
                            for t in range(longest + 1):
                                new[min(k + x, top), t + s] += held[k, t] * likely
            for k in range(top + 1):
                for t in range(width):
                    held[k, t] = new[k, t]
            longest += most[child]
        for k in range(top + 1):
            row = starts[pool] + k * width
            joint[row] = 0.0
            for t in range(1, width):
                joint[row + t] = reactive[pool, k] * held[k, t - 1]
            joint[row + 1] += (1.0 - reactive[pool, k]) * infected[pool, k]


@kernel
def moments(
    tree: Tree,
    risk: NDArray[np.float64],
    reactive: NDArray[np.float64],
    infected: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> None:
    """Write the mean and mean square of the tests below each pool when it is tested, apart by its infected.

    risk, reactive and infected are as in `reach`; first and second (pools, columns) are written: the sum of a row is
    the mean over all counts.
    """
    limit = infected.shape[1] - 1
    held = np.empty((3, limit + 1))
    new = np.empty((3, limit + 1))
    for pool in range(tree.size.size - 1, -1, -1):
        top = min(tree.size[pool], limit)
        held[:, :] = 0.0
        held[0, 0] = 1.0
        n_samples = tree.sample_offsets[pool + 1] - tree.sample_offsets[pool]
        for place in range(tree.sample_offsets[pool], tree.sample_offsets[pool + 1]):
            likely = risk[tree.samples[place]]
            for k in range(top, -1, -1):
                was = held[0, k]
                held[0, k] = was * (1.0 - likely)
                held[0, min(k + 1, top)] += was * likely
        for k in range(top + 1):
            held[1, k] = n_samples * held[0, k]
            held[2, k] = n_samples * held[1, k]
        for place in range(tree.pool_offsets[pool], tree.pool_offsets[pool + 1]):
            child = tree.pools[place]
            new[:, :] = 0.0
            for x in range(min(tree.size[child], limit) + 1):
                # Of a child's tests its own is one; first and second count those below it.
                zeroth, below, square = infected[child, x], first[child, x], second[child, x]
                one, two = zeroth + below, zeroth + 2.0 * below + square
                for k in range(top + 1):
                    both = min(k + x, top)
                    new[0, both] += held[0, k] * zeroth
                    new[1, both] += held[1, k] * zeroth + held[0, k] * one
                    new[2, both] += held[2, k] * zeroth + 2.0 * held[1, k] * one + held[0, k] * two
            for k in range(limit + 1):
                for moment in range(3):
                    held[moment, k] = new[moment, k]
        for k in range(limit + 1):
            first[pool, k] = reactive[pool, k] * held[1, k] if k <= top else 0.0
            second[pool, k] = reactive[pool, k] * held[2, k] if k <= top else 0.0
