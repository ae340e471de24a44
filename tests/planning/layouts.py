"""Small layouts written down by hand, so that planning is tested apart from the designs."""

import itertools

import numpy as np

from poolkit.pooling.designs import Layout


def staged(n, *stages):
    """Return the layout of lists of pools, one list a stage; pools of one sample do not stand in it."""
    pools = [(number, pool) for number, of in enumerate(stages, 1) for pool in of if len(pool) > 1]
    sizes = [len(pool) for _, pool in pools]
    return Layout(
        n,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([sample for _, pool in pools for sample in pool], np.int32),
        np.array([number for number, _ in pools], np.int8),
    )


def as_sets(bits):
    """Return rows of words as sets of samples."""
    flags = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little")
    return [set(np.flatnonzero(row).tolist()) for row in flags]


def as_pools(layout):
    """Return the pools of a layout as (stage, members)."""
    cuts = zip(layout.stage.tolist(), layout.offsets[:-1], layout.offsets[1:], strict=True)
    return [(stage, layout.members[start:stop].tolist()) for stage, start, stop in cuts]


def chunks(samples, size):
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def hierarchical(n, *sizes):
    """Return pools of falling sizes, each cut out of one of the stage before."""
    pools, found = [list(range(n))], []
    for size in sizes:
        pools = [part for pool in pools for part in chunks(pool, size)]
        found.append(pools)
    return staged(n, *found)


def array(rows, columns, *, master=False, n=None):
    n = rows * columns if n is None else n
    pools = [[s for s in range(n) if s // columns == row] for row in range(rows)]
    pools += [[s for s in range(n) if s % columns == column] for column in range(columns)]
    return staged(n, [list(range(n))], pools) if master else staged(n, pools)


def hypercube(side, dimensions, *, master=False):
    n = side**dimensions
    pools = [
        [s for s in range(n) if s // side**axis % side == slice_]
        for axis in range(dimensions)
        for slice_ in range(side)
    ]
    return staged(n, [list(range(n))], pools) if master else staged(n, pools)


def box(n, *sides):
    """Return the slices of a box of these sides that holds n samples."""
    pools, step = [], 1
    for side in sides:
        pools += [[s for s in range(n) if s // step % side == slice_] for slice_ in range(side)]
        step *= side
    return staged(n, pools)


def binary(n):
    return staged(n, [[s for s in range(n) if s >> bit & 1] for bit in range((n - 1).bit_length())])


def remainders(n, *moduli):
    return staged(n, [[s for s in range(n) if s % m == rest] for m in moduli for rest in range(m)])


def transversal(n, q, layers):
    """Return the shifted transversal design of q pools a layer (q prime)."""
    powers = itertools.takewhile(lambda power: q**power < n, itertools.count())
    gamma = max(powers)
    pools = [
        [s for s in range(n) if sum(layer**c * (s // q**c) for c in range(gamma + 1)) % q == pool]
        for layer in range(min(layers, q))
        for pool in range(q)
    ]
    if layers > q:
        pools += [[s for s in range(n) if s // q**gamma % q == pool] for pool in range(q)]
    return staged(n, pools)


def random_layout(rng, n, n_stages):
    """Return pools drawn at random, up to four a stage."""
    sizes = [[int(rng.integers(2, n + 1)) for _ in range(int(rng.integers(1, 5)))] for _ in range(n_stages)]
    return staged(n, *([sorted(rng.choice(n, size, replace=False).tolist()) for size in of] for of in sizes))
