"""Which sizes of each family of designs are worth a closer look, by formulas that are quick and nearly right."""

from collections.abc import Iterator
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Of each family so many sizes are looked at closely.
_CLOSE = 3
_MOST_A_SAMPLE = 8
_MOST_SIDE = 64
_MOST_SPLIT = 1024
# Samples may be cut into so many blocks, each pooled by itself; of many samples blocks have at most so many.
_BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
_LARGEST_BLOCK = 4096


class Wanted(NamedTuple):
    """What is asked of a design.

    Attributes
    ----------
    n : int
        Samples.
    some : numpy.ndarray
        (n + 1,) how likely any m samples hold an infected one.
    max_positives : int or None
        Infected samples at most, where that is promised.
    max_pool : int
        Samples a pool at most.
    max_rounds : int
        Rounds of tests at most.
    """

    n: int
    some: Floats
    max_positives: int | None
    max_pool: int
    max_rounds: int


Scored = tuple[float, str]


def candidates(wanted: Wanted) -> dict[str, list[str]]:
    """Return names of designs worth a closer look, by family, most promising first.

    Parameters
    ----------
    wanted
        What is asked.

    Returns
    -------
    dict of str to list of str
        At most a few names of each family.
    """
    every = {
        "two-stage": _two_stage(wanted),
        "hierarchical": _hierarchical(wanted),
        "array": _arrays(wanted, ""),
        "array with master": _arrays(wanted, "-master"),
        "hypercube": _hypercubes(wanted, ""),
        "hypercube with master": _hypercubes(wanted, "-master"),
        "partitions": _partitions(wanted),
        "std": _layers(wanted, "std", _is_prime),
        "reed-solomon": _layers(wanted, "reed-solomon", _is_prime_power),
        "kirkman": _kirkman(wanted),
        "hyper": _hyper(wanted),
        "random": _random(wanted),
        "binary": _numbered(wanted, "binary"),
        "sperner": _numbered(wanted, "sperner"),
        "chinese-remainder": _promised(wanted, "chinese-remainder", 1),
        "chinese-remainder-backtracked": _promised(wanted, "chinese-remainder-backtracked", 1),
        "chinese-remainder-special": _promised(wanted, "chinese-remainder-special", 2),
    }
    return {family: [name for _, name in sorted(set(scored))[:_CLOSE]] for family, scored in every.items()}


def _one_stage(wanted: Wanted, block: int, n_pools: int, each: int, name: str, layers: int = 1) -> list[Scored]:
    """Score a design that gives each of the samples of a block `each` of its pools, one of each layer or any.

    As if the pools were drawn at random, t of a sample's pools leave out C(P - t, w) / C(P, w) of the block, or
    (1 - 1/q)^t where each is of a layer of q pools.
    """
    if not (n_pools < block and 2 <= block * each / n_pools <= wanted.max_pool):
        return []
    taken = np.arange(1, each + 1)
    if layers > 1:
        out = (1.0 - layers / n_pools) ** taken
    else:
        out = np.array([comb(n_pools - t, each) / comb(n_pools, each) for t in range(1, each + 1)])
    union = block * (1.0 - out)
    whole = union.astype(np.int64)
    further = wanted.some[np.minimum(whole + 1, wanted.n)]
    held = wanted.some[whole] + (union - whole) * (further - wanted.some[whole])
    left = float(sum((-1) ** (t + 1) * comb(each, t) * held[t - 1] for t in range(1, each + 1)))
    return [(wanted.n / block * n_pools + wanted.n * left, name)]


def _sizes(wanted: Wanted) -> range:
    return range(2, min(wanted.n, wanted.max_pool) + 1)


def _blocks(wanted: Wanted, least: int = 8) -> list[int]:
    whole = min(wanted.n, _LARGEST_BLOCK)
    found = {-(-whole // number) for number in _BLOCKS}
    return sorted((block for block in found if block >= least), reverse=True)


def _two_stage(wanted: Wanted) -> list[Scored]:
    n = wanted.n
    return [(-(-n // size) + n * float(wanted.some[size]), f"two-stage-{size}") for size in _sizes(wanted)]


def _hierarchical(wanted: Wanted) -> list[Scored]:
    """Score for each first size the best chain that follows, found by dynamic programming from the smallest size up."""
    largest, some = min(wanted.n, wanted.max_pool, _MOST_SPLIT), wanted.some
    # after[m] and part[s][m]: best expected tests of all stages that follow a pool of m, and the size of their pools.
    after = np.arange(largest + 1) * some[: largest + 1]
    after[:2] = 0.0
    parts: list[NDArray[np.int64]] = []
    for _ in range(min(wanted.max_rounds - 2, 8)):
        following, part = after.copy(), np.zeros(largest + 1, np.int64)
        for m in range(4, largest + 1):
            sizes = np.arange(2, m // 2 + 1)
            n_parts, left = np.divmod(m, sizes)
            tests = (n_parts + (left > 0)) * some[m] + n_parts * after[sizes] + after[left]
            best = int(np.argmin(tests))
            if tests[best] < after[m]:
                following[m], part[m] = tests[best], sizes[best]
        if not part.any():
            break
        after = following
        parts.append(part)
    found: list[Scored] = []
    for size in _sizes(wanted)[: largest - 1]:
        chain = [size]
        for part in reversed(parts):
            if part[chain[-1]]:
                chain.append(int(part[chain[-1]]))
        n_first, rest = divmod(wanted.n, size)
        total = n_first * (1.0 + after[size]) + (1.0 + after[rest] if rest > 1 else rest)
        if len(chain) > 1:
            found.append((float(total), "-".join(map(str, ("hierarchical", *chain, 1)))))
    return found


def _arrays(wanted: Wanted, last: str) -> list[Scored]:
    some, n, found = wanted.some, wanted.n, []
    most = min(wanted.max_pool, _MOST_SIDE, max(2, -(-n // 2)))
    for rows in range(2, most + 1):
        for columns in range(rows, most + 1):
            block = rows * columns
            if (rows - 1) * columns >= n or (last and block > wanted.max_pool):
                continue
            n_blocks = n / block if block <= n else 1.0
            sides = n_blocks * (rows + -(-min(block, n) // rows))
            if last:
                sides = n_blocks + sides * float(some[min(n, block)])
            alone = some[rows] + some[columns] - some[min(n, rows + columns - 1)]
            found.append((sides + n * float(alone), f"array-{rows}x{columns}{last}"))
    return found


def _hypercubes(wanted: Wanted, last: str) -> list[Scored]:
    some, n, found = wanted.some, wanted.n, []
    for dimensions in range(3, 8):
        for side in range(2, _MOST_SIDE + 1):
            block = side**dimensions
            largest = block if last else side ** (dimensions - 1)
            if min(n, largest) > wanted.max_pool or (side - 1) ** dimensions >= n:
                break
            slices = side * dimensions * max(1.0, n / block)
            if last:
                slices = max(1.0, n / block) + slices * float(some[min(n, block)])
            left = [min(n, block - (side - 1) ** t * side ** (dimensions - t)) for t in range(1, dimensions + 1)]
            alone = sum((-1) ** t * comb(dimensions, t + 1) * float(some[m]) for t, m in enumerate(left))
            found.append((slices + n * alone, f"hypercube-{side}-{dimensions}{last}"))
    return found


def _partitions(wanted: Wanted) -> list[Scored]:
    return [
        scored
        for number in range(2, 7)
        for size in _sizes(wanted)[:_MOST_SPLIT]
        if (number - 1) * size <= wanted.n
        for scored in _one_stage(
            wanted, wanted.n, -(-wanted.n // size) * number, number, f"partitions-{number}x{size}", number
        )
    ]


def _layers(wanted: Wanted, family: str, fits: NDArray[np.bool_]) -> list[Scored]:
    found = []
    for block in _blocks(wanted):
        for size in np.flatnonzero(fits[: block // 2 + 1]).tolist():
            if -(-block // size) > wanted.max_pool:
                continue
            shared = 1
            while size ** (shared + 1) < block:
                shared += 1
            for each in range(shared + 1, min(size + 1, _MOST_A_SAMPLE) + 1):
                name = f"std-{block}-{size}-{each}" if family == "std" else f"reed-solomon-{size * each}x{block}"
                found += _one_stage(wanted, block, size * each, each, name, each)
    return found


def _kirkman(wanted: Wanted) -> list[Scored]:
    return [
        scored
        for block in _blocks(wanted)
        for pools in range(9, min(block, 400), 6)
        if block <= pools * (pools - 1) // 6
        for scored in _one_stage(wanted, block, pools, 3, f"kirkman-{pools}x{block}")
    ]


def _hyper(wanted: Wanted) -> list[Scored]:
    return [
        scored
        for block in _blocks(wanted)
        for each in (2, 3)
        for pools in range(6, min(block, 400), 2 if each == 2 else 6)
        if block <= comb(pools, each) and (each == 2 or _is_prime[pools - 1])
        for scored in _one_stage(wanted, block, pools, each, f"hyper-{block}-{pools}-{each}")
    ]


def _random(wanted: Wanted) -> list[Scored]:
    return [
        scored
        for block in _blocks(wanted)
        for each in range(2, 7)
        for pools in range(2 * each, min(block, 200), max(1, block // 32))
        for scored in _one_stage(wanted, block, pools, each, f"random-{block}-{pools}-{each}")
    ]


def _numbered(wanted: Wanted, family: str) -> Iterator[Scored]:
    # The more blocks, the more pools and the fewer of them hold more than one infected.
    for place, block in enumerate(_blocks(wanted)):
        if block // 2 <= wanted.max_pool:
            yield float(place), f"{family}-{block}"


def _promised(wanted: Wanted, family: str, least: int) -> Iterator[Scored]:
    if wanted.max_positives is None:
        return
    for block in _blocks(wanted):
        if block >= min(wanted.n, _LARGEST_BLOCK) or wanted.max_pool < wanted.n:
            for positives in range(least, min(wanted.max_positives, 3) + 1):
                yield float(wanted.n / block + positives), f"{family}-{block}-{positives}"


def _primes(most: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    prime = np.ones(most + 1, np.bool_)
    prime[:2] = False
    for number in range(2, int(most**0.5) + 1):
        if prime[number]:
            prime[number * number :: number] = False
    power = prime.copy()
    for number in np.flatnonzero(prime).tolist():
        reached = number * number
        while reached <= most:
            power[reached] = True
            reached *= number
    return prime, power & ~prime


_is_prime, _is_prime_power = _primes(20_000)
