"""The best hierarchical design over all group sizes: dynamic programs over how each pool is split."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel


class Wanted(NamedTuple):
    """What a design is chosen by.

    reacts and false_reacts (largest size + 1,) say how likely a pool reacts by its size, with somebody infected and
    without; alone and false_alone the same of one sample. clean (samples + 1,) is the product of the probabilities of
    the first samples not to be infected, as a logarithm, infected (samples + 1,) the sum of those to be. The cost of a
    design is its tests, missed for each infected sample that is not found, false for each other that is called
    positive; each sample is to be found with the probability least, at least. Pools are in so many stages.
    """

    reacts: NDArray[np.float64]
    false_reacts: NDArray[np.float64]
    alone: float
    false_alone: float
    clean: NDArray[np.float64]
    infected: NDArray[np.float64]
    missed: float
    false: float
    least: float
    n_stages: int


@kernel
def _leaves(first: int, stop: int, none: float, some: float, wanted: Wanted) -> float:
    """Return the cost of the samples first to stop, all tested alone where the pool of them reacts.

    none and some are how likely it and all pools around it react when it holds nobody infected, and when it does.
    """
    n = stop - first
    clean = float(np.exp(wanted.clean[stop] - wanted.clean[first]))
    n_infected = wanted.infected[stop] - wanted.infected[first]
    found = some * wanted.alone
    if found < wanted.least:
        return float(np.inf)
    opened = clean * none + (1.0 - clean) * some
    # Of a sample that is not infected: the pool holds nobody, or somebody else.
    wrong = n * clean * none + max(n - n_infected - n * clean, 0.0) * some
    return float(n * opened + wanted.missed * n_infected * (1.0 - found) + wanted.false * wrong * wanted.false_alone)


@kernel
def _below(around: float, group: float, none: float, some: float) -> float:
    """Return how likely the pools around a group react when it holds nobody infected.

    around and group are logarithms of how likely the pool around it and itself hold nobody, none and some as in
    `_leaves` of the pool around it.
    """
    rest = float(np.exp(around - group))
    return rest * none + (1.0 - rest) * some


@kernel
def split(
    first: int, stop: int, stage: int, none: float, some: float, wanted: Wanted, last: NDArray[np.int64]
) -> float:
    """Return the least cost of what follows a reactive pool of the samples first to stop, in the order they have.

    stage is the pool's, none and some are as in `_leaves`. last (stop - first + 1,) is written: how many samples the
    last group holds where the first k are split best. Groups are gone into with a stack, one row a stage.
    """
    n, deepest = stop - first, max(wanted.n_stages - stage, 0)
    starts, sizes = np.empty(deepest + 1, np.int64), np.empty(deepest + 1, np.int64)
    ends, tried = np.empty(deepest + 1, np.int64), np.empty(deepest + 1, np.int64)
    reacts = np.empty((deepest + 1, 2))
    best, lasts = np.empty((deepest + 1, n + 1)), np.ones((deepest + 1, n + 1), np.int64)
    depth = 0
    starts[0], sizes[0], ends[0], tried[0] = first, n, 1, 1
    reacts[0, 0], reacts[0, 1] = none, some
    best[0, :] = np.inf
    best[0, 0] = 0.0
    while True:
        a, size = starts[depth], sizes[depth]
        whole = depth == deepest or size < 3
        if not whole and ends[depth] <= size:
            end, group = ends[depth], tried[depth]
            if group > min(end, size - 1):
                ends[depth], tried[depth] = end + 1, 1
                continue
            low, high = a + end - group, a + end
            own = wanted.clean[high] - wanted.clean[low]
            above = _below(wanted.clean[a + size] - wanted.clean[a], own, reacts[depth, 0], reacts[depth, 1])
            if group > 1:
                depth += 1
                starts[depth], sizes[depth], ends[depth], tried[depth] = low, group, 1, 1
                reacts[depth, 0] = above * wanted.false_reacts[group]
                reacts[depth, 1] = reacts[depth - 1, 1] * wanted.reacts[group]
                best[depth, : group + 1] = np.inf
                best[depth, 0] = 0.0
                continue
            cost = _leaves(low, high, above, reacts[depth, 1], wanted)
        else:
            cost = _leaves(a, a + size, reacts[depth, 0], reacts[depth, 1], wanted) if whole else best[depth, size]
            if depth == 0:
                for k in range(n + 1):
                    last[k] = 1 if whole else lasts[0, k]
                return float(cost)
            depth -= 1
            end, group = ends[depth], tried[depth]
            low, high = starts[depth] + end - group, starts[depth] + end
            own = wanted.clean[high] - wanted.clean[low]
            around = wanted.clean[starts[depth] + sizes[depth]] - wanted.clean[starts[depth]]
            above = _below(around, own, reacts[depth, 0], reacts[depth, 1])
            clean = np.exp(own)
            cost += clean * above + (1.0 - clean) * reacts[depth, 1]
        if best[depth, end - group] + cost < best[depth, end]:
            best[depth, end] = best[depth, end - group] + cost
            lasts[depth, end] = group
        tried[depth] += 1


@kernel
def _joined(n: int, costs: NDArray[np.float64], last: NDArray[np.int64]) -> float:
    """Return the least cost of n samples in groups of less, by the cost of each size; last (n + 1,) is written."""
    best = np.full(n + 1, np.inf)
    best[0] = 0.0
    for end in range(n + 1):
        last[end] = 1
        for size in range(1, min(end, n - 1) + 1):
            if best[end - size] + costs[size] < best[end]:
                best[end] = best[end - size] + costs[size]
                last[end] = size
    return float(best[n])


@kernel
def split_alike(n: int, stage: int, none: float, some: float, wanted: Wanted, last: NDArray[np.int64]) -> float:
    """Return the least cost of what follows a reactive pool of n samples that are all as likely infected.

    As `split`, but that a group costs the same wherever it stands.
    """
    deepest = max(wanted.n_stages - stage, 0)
    sizes, tried = np.empty(deepest + 1, np.int64), np.empty(deepest + 1, np.int64)
    reacts, costs = np.empty((deepest + 1, 2)), np.empty((deepest + 1, n + 1))
    depth = 0
    sizes[0], tried[0] = n, 1
    reacts[0, 0], reacts[0, 1] = none, some
    while True:
        size = sizes[depth]
        whole = depth == deepest or size < 3
        if not whole and tried[depth] < size:
            group = tried[depth]
            above = _below(wanted.clean[size], wanted.clean[group], reacts[depth, 0], reacts[depth, 1])
            if group == 1:
                costs[depth, 1] = _leaves(0, 1, above, reacts[depth, 1], wanted)
                tried[depth] = 2
                continue
            depth += 1
            sizes[depth], tried[depth] = group, 1
            reacts[depth, 0] = above * wanted.false_reacts[group]
            reacts[depth, 1] = reacts[depth - 1, 1] * wanted.reacts[group]
            continue
        if whole:
            cost = _leaves(0, size, reacts[depth, 0], reacts[depth, 1], wanted)
            last[: size + 1] = 1
        else:
            cost = _joined(size, costs[depth], last)
        if depth == 0:
            return float(cost)
        depth -= 1
        above = _below(wanted.clean[sizes[depth]], wanted.clean[size], reacts[depth, 0], reacts[depth, 1])
        clean = np.exp(wanted.clean[size])
        costs[depth, size] = clean * above + (1.0 - clean) * reacts[depth, 1] + cost
        tried[depth] += 1


@kernel
def roots_alike(wanted: Wanted, costs: NDArray[np.float64]) -> None:
    """Write the least cost of one block of each size whose samples are all as likely infected; costs (largest + 1,)."""
    last = np.empty(costs.size, np.int64)
    costs[0] = np.inf
    costs[1] = _leaves(0, 1, 1.0, 1.0, wanted)
    for n in range(2, costs.size):
        if wanted.n_stages == 0:
            costs[n] = np.inf
            continue
        costs[n] = 1.0 + split_alike(n, 1, wanted.false_reacts[n], wanted.reacts[n], wanted, last)


@kernel
def roots(largest: int, wanted: Wanted, last: NDArray[np.int64]) -> float:
    """Return the least cost of all samples in pools of at most largest, in the order they have.

    last (samples + 1,) is written: how many samples the last pool holds where the first k are pooled best.
    """
    n = last.size - 1
    best = np.full(n + 1, np.inf)
    best[0] = 0.0
    last[0] = 0
    inner = np.empty(n + 1, np.int64)
    for end in range(1, n + 1):
        for size in range(1, min(end, largest if wanted.n_stages > 0 else 1) + 1):
            if best[end - size] == np.inf:
                continue
            if size == 1:
                cost = _leaves(end - size, end, 1.0, 1.0, wanted)
            else:
                none, some = wanted.false_reacts[size], wanted.reacts[size]
                cost = 1.0 + split(end - size, end, 1, none, some, wanted, inner)
            if best[end - size] + cost < best[end]:
                best[end] = best[end - size] + cost
                last[end] = size
    return float(best[n])
