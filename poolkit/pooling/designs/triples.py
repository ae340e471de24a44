"""Triples of pools: parallel classes of Kirkman systems, Steiner systems, and their arithmetic."""

from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels.ordering import even_order
from poolkit.pooling.designs.fields import Ring, is_prime_power, powers

Triples = NDArray[np.int64]


@lru_cache(maxsize=32)
def latin_classes(groups_of: int) -> Triples:
    """Return the triples of a Latin square with an orthogonal mate, in parallel classes.

    Pools stand in three groups of `groups_of` pools, a triple takes one pool of each group, any two pools of different
    groups are in exactly one triple, and each class holds each pool once.

    Parameters
    ----------
    groups_of
        Pools of a group, at least 3 and not twice an odd number.

    Returns
    -------
    numpy.ndarray of int64
        (groups_of, groups_of, 3) class, triple, pool.

    References
    ----------
    MacNeish 1922, *Euler squares*, Annals of Mathematics 23: orthogonal squares from products of fields.

    Examples
    --------
    >>> latin_classes(3)[0].tolist()
    [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    """
    ring = Ring(groups_of)
    column = np.arange(groups_of)
    step = column[:, None]
    second = ring.plus(column, step)
    third = ring.plus(column, ring.times(step, int(ring.points[2])))
    first = np.broadcast_to(column, second.shape)
    return np.stack([first, second + groups_of, third + 2 * groups_of], axis=2)


def _has_latin_classes(groups_of: int) -> bool:
    return groups_of > 2 and groups_of % 4 != 2


def _thrice(size: int) -> Triples:
    """Return the classes of a Kirkman system of three times `size` pools; `size` = 6 t + 1 is a prime power."""
    field, t, exponents = Ring(size), (size - 1) // 6, powers(size)
    exponent = np.arange(6 * t)
    across = np.stack([exponents[(exponent + 2 * t * k) % (6 * t)] + k * size for k in range(3)], axis=1)
    within = np.stack([exponents[exponent[:t] + 2 * t * k] for k in range(3)], axis=1)
    within = np.concatenate([within + k * size for k in range(3)])
    odd = exponent // t % 2 == 1
    zero = np.array([[0, size, 2 * size]])
    shifts = np.arange(size)[:, None, None]
    base = np.concatenate([zero, within, across[odd]])
    moved = field.plus(base % size, shifts) + base // size * size
    # Each of the other triples across the groups makes a class of its own with its shifts.
    alone = across[~odd][:, None, :]
    apart = field.plus(alone % size, shifts[None, :, :, 0]) + alone // size * size
    return np.concatenate([moved, apart])


def _twice_and_one(size: int) -> Triples:
    """Return the classes of a Kirkman system of twice `size` and 1 pools; `size` = 6 t + 1 is a prime power."""
    field, t, exponents = Ring(size), (size - 1) // 6, powers(size)
    position = np.empty(size, np.int64)
    position[exponents] = np.arange(size - 1)
    # x^m is the half of x^t + 1.
    wanted = int(field.plus(exponents[t : t + 1], 1)[0])
    doubled = field.plus(exponents, exponents)
    m = int(np.flatnonzero(doubled == wanted)[0])
    k = np.arange(6 * t)
    k = k[k // t % 2 == 0]
    mixed = np.stack(
        [exponents[k], exponents[(k + t) % (6 * t)], exponents[(k + m) % (6 * t)] + size],
        axis=1,
    )
    second = np.stack([exponents[(np.arange(t) + m + t * odd) % (6 * t)] + size for odd in (1, 3, 5)], axis=1)
    base = np.concatenate([mixed, second])
    shifts = np.arange(size)
    moved = field.plus(base % size, shifts[:, None, None]) + base // size * size
    fixed = np.stack([shifts, shifts + size, np.full(size, 2 * size)], axis=1)[:, None, :]
    return np.concatenate([fixed, moved], axis=1)


def _tripled(pools: int) -> Triples:
    """Return the classes of a Kirkman system from one of a third of the pools."""
    third = pools // 3
    smaller = kirkman_classes(third)
    within = np.concatenate([smaller + k * third for k in range(3)], axis=1)
    return np.concatenate([latin_classes(third), within])


def _inflation(pools: int) -> int | None:
    """Return the factor by which a smaller system can be inflated to so many pools, and one, or none."""
    for factor in range(4, (pools - 1) // 8 + 1, 3):
        smaller, left = divmod(pools - 1, factor)
        goes = not left and _has_latin_classes(factor) and smaller > 3
        if goes and has_kirkman(smaller + 1) and has_kirkman(2 * factor + 1):
            return factor
    return None


def _inflated(pools: int, factor: int) -> Triples:
    """Return the classes of a Kirkman system from a smaller one: a pool taken out, the others made `factor` pools."""
    smaller, squares = kirkman_classes((pools - 1) // factor + 1), latin_classes(factor)
    filling = kirkman_classes(2 * factor + 1)
    last = (pools - 1) // factor
    found = []
    for one in smaller:
        through = (one == last).any(axis=1)
        # Each triple becomes a Latin square; its classes leave out the two pools that met the pool taken out.
        blown = one[~through][None, :, None, :] * factor + (squares % factor)[:, None]
        hole = one[through][0]
        a, b = (np.arange(factor) + factor * place for place in hole[hole != last].tolist())
        put = np.concatenate([a, b, [pools - 1]])
        found.append(np.concatenate([blown.reshape(factor, -1, 3), put[filling]], axis=1))
    return np.concatenate(found)


@lru_cache(maxsize=1024)
def has_kirkman(pools: int) -> bool:
    """Say whether `kirkman_classes` makes a system of so many pools.

    Examples
    --------
    >>> [pools for pools in range(100) if has_kirkman(pools)]
    [3, 9, 15, 21, 27, 33, 39, 45, 51, 57, 63, 75, 81, 87, 93, 99]
    """
    if pools % 6 != 3:
        return False
    third, half = pools // 3, (pools - 1) // 2
    started = pools == 3 or _is_starter(third) or _is_starter(half)
    return started or has_kirkman(third) or _inflation(pools) is not None


def _is_starter(size: int) -> bool:
    return size % 6 == 1 and is_prime_power(size)


@lru_cache(maxsize=32)
def kirkman_classes(pools: int) -> Triples:
    """Return a Kirkman triple system, class by class: any two pools are in exactly one triple.

    Parameters
    ----------
    pools
        A number for which `has_kirkman` holds.

    Returns
    -------
    numpy.ndarray of int64
        ((pools - 1) / 2, pools / 3, 3) class, triple, pool; a class holds each pool once.

    References
    ----------
    Ray-Chaudhuri and Wilson 1971, *Solution of Kirkman's schoolgirl problem*, Proceedings of Symposia in Pure
    Mathematics 19, for three times and twice and one a prime power of the form 6 t + 1; tripling is Kirkman's own.
    Stinson 1987, *Frames for Kirkman triple systems*, Discrete Mathematics 65, for inflating.

    Examples
    --------
    >>> kirkman_classes(9).shape, kirkman_classes(93).shape
    ((4, 3, 3), (46, 31, 3))
    """
    if pools == 3:
        return np.arange(3).reshape(1, 1, 3)
    if _is_starter(pools // 3):
        return _thrice(pools // 3)
    if has_kirkman(pools // 3):
        return _tripled(pools)
    if _is_starter((pools - 1) // 2):
        return _twice_and_one((pools - 1) // 2)
    factor = _inflation(pools)
    assert factor is not None
    return _inflated(pools, factor)


@lru_cache(maxsize=32)
def steiner_triples(pools: int) -> Triples:
    """Return a Steiner triple system: any two pools are in exactly one triple.

    Parameters
    ----------
    pools
        At least 7, and 1 or 3 more than a multiple of 6.

    Returns
    -------
    numpy.ndarray of int64
        (pools (pools - 1) / 6, 3).

    References
    ----------
    Bose 1939, *On the construction of balanced incomplete block designs*, Annals of Eugenics 9, for 6 t + 3; Skolem
    1958, *Some remarks on the triple systems of Steiner*, Mathematica Scandinavica 6, for 6 t + 1.

    Examples
    --------
    >>> steiner_triples(7).tolist()
    [[0, 2, 4], [6, 1, 2], [6, 3, 4], [6, 5, 0], [0, 1, 3], [2, 3, 5], [4, 5, 1]]
    """
    side, infinity = pools // 3, pools - 1
    first, second = np.triu_indices(side, 1)
    total = (first + second) % side
    if pools % 6 == 3:
        columns, third = np.arange(side), total * ((side + 1) // 2) % side
        through = []
    else:
        columns, third = np.arange(side // 2), total // 2 + total % 2 * (side // 2)
        through = [
            np.stack([np.full(side // 2, infinity), columns + side // 2 + side * k, columns + side * ((k + 1) % 3)], 1)
            for k in range(3)
        ]
    upright = np.stack([columns + side * k for k in range(3)], axis=1)
    joined = [np.stack([first + side * k, second + side * k, third + side * ((k + 1) % 3)], axis=1) for k in range(3)]
    return np.concatenate([upright, *through, *joined])


@lru_cache(maxsize=16)
def all_triples(pools: int) -> Triples:
    """Return every triple of pools.

    Examples
    --------
    >>> all_triples(4).tolist()
    [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]
    """
    return np.array(list(combinations(range(pools), 3)), np.int64)


def evenly(triples: Triples, n: int) -> Triples:
    """Return the first n triples in an order that keeps the pools even and pairs of pools apart.

    Each time the triple is taken with the fewest pairs of pools that are in a triple already, of these one whose
    fullest pool is emptiest. Cost is O(n x triples).

    Examples
    --------
    >>> evenly(all_triples(6), 4).tolist()
    [[0, 1, 2], [3, 4, 5], [0, 1, 3], [2, 4, 5]]
    """
    pools = int(triples.max()) + 1
    order = np.empty(n, np.int64)
    even_order(triples, np.zeros(pools, np.int64), np.zeros((pools, pools), np.int64), order)
    return triples[order]
