"""Pools within pools: exact sums over the number of infected in each, at any size."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Parts
from poolkit.kernels.enumeration import TIE, Beliefs, Local


class Tree(NamedTuple):
    """The pools of a component from the smallest to the one that holds all, samples first: node n + p is a pool."""

    order: NDArray[np.int32]  # pools by rising size
    offsets: NDArray[np.int64]  # (pools + 1,) children of each pool in that order
    children: NDArray[np.int32]  # nodes
    sizes: NDArray[np.int32]  # (nodes,) samples in each
    places: NDArray[np.int64]  # (nodes + 1,) where the weights by number of infected stand, size + 1 of them


@kernel
def plant(local: Local, tree: Tree) -> bool:
    """Write the tree of a component's pools, and return whether they are nested at all.

    All arrays of tree are written.
    """
    n, n_pools = local.starts.size - 1, local.low.size
    size = local.offsets[1:] - local.offsets[:-1]
    ranked = np.argsort(size, kind="mergesort")
    top = np.arange(n)
    n_children = 0
    seen = np.full(n + n_pools, -1, np.int32)
    held = np.zeros(n + n_pools, np.int32)
    tree.sizes[:n] = 1
    tree.offsets[0] = 0
    for rank in range(n_pools):
        pool = ranked[rank]
        tree.order[rank] = pool
        for k in range(local.offsets[pool], local.offsets[pool + 1]):
            node = top[local.members[k]]
            if seen[node] != rank:
                seen[node] = rank
                held[node] = 0
                tree.children[n_children] = node
                n_children += 1
            held[node] += 1
        for k in range(tree.offsets[rank], n_children):
            if held[tree.children[k]] != tree.sizes[tree.children[k]]:
                return False
        tree.offsets[rank + 1] = n_children
        tree.sizes[n + rank] = size[pool]
        for k in range(local.offsets[pool], local.offsets[pool + 1]):
            top[local.members[k]] = n + rank
    tree.places[0] = 0
    for node in range(n + n_pools):
        tree.places[node + 1] = tree.places[node] + tree.sizes[node] + 1
    return n_pools > 0 and size[ranked[n_pools - 1]] == n


@kernel
def new_tree(local: Local) -> Tree:
    """Return room for the tree of a component."""
    n, n_pools = local.starts.size - 1, local.low.size
    return Tree(
        np.empty(n_pools, np.int32),
        np.empty(n_pools + 1, np.int64),
        np.empty(n + n_pools, np.int32),
        np.empty(n + n_pools, np.int32),
        np.empty(n + n_pools + 1, np.int64),
    )


@kernel
def climb(
    local: Local,
    tree: Tree,
    odds: NDArray[np.float64],
    evidence: Evidence,
    parts: Parts,
    part: int,
    beliefs: Beliefs,
) -> bool:
    """Weigh all sets of a component of nested pools, and write what follows; returns whether any has a weight."""
    n = local.starts.size - 1
    start = parts.sample_offsets[part]
    inside, outside = np.zeros(tree.places[-1]), np.zeros(tree.places[-1])
    best_in, best_out = np.zeros(tree.places[-1]), np.zeros(tree.places[-1])
    for i in range(n):
        own = odds[parts.samples[start + i]]
        for weights in (inside, best_in):
            weights[2 * i] = 1.0 / (1.0 + own)
            weights[2 * i + 1] = own / (1.0 + own)
    for largest in (False, True):
        _up(local, tree, evidence, parts, part, largest, best_in if largest else inside)
        _down(
            local,
            tree,
            evidence,
            parts,
            part,
            largest,
            best_in if largest else inside,
            best_out if largest else outside,
        )
    root = tree.places[-2]
    total, best = 0.0, 0.0
    for k in range(n + 1):
        total += inside[root + k]
        best = max(best, best_in[root + k])
    beliefs.error[part] = 0.0 if total > 0.0 else np.inf
    second = 0.0
    for i in range(n):
        sample = parts.samples[start + i]
        no, yes = inside[2 * i] * outside[2 * i], inside[2 * i + 1] * outside[2 * i + 1]
        beliefs.probability[sample] = yes / (no + yes) if total > 0.0 else -1.0
        no, yes = best_in[2 * i] * best_out[2 * i], best_in[2 * i + 1] * best_out[2 * i + 1]
        beliefs.tied[sample] = min(no, yes) >= (1.0 - TIE) * best
        second = max(second, min(no, yes))
    beliefs.margin[part] = max(np.log(best / second), 0.0) if second > 0.0 else np.inf
    if total > 0.0:
        _trace_back(tree, best_in, parts, part, beliefs)
    return bool(total > 0.0)


@kernel
def _joined(total: float, value: float, largest: bool) -> float:
    """Return the larger of two weights, or their sum."""
    return max(total, value) if largest else total + value


@kernel
def _up(
    local: Local,
    tree: Tree,
    evidence: Evidence,
    parts: Parts,
    part: int,
    largest: bool,
    inside: NDArray[np.float64],
) -> None:
    """Write for each pool the weight of what is in it by its number of infected: the sum of sets or the best."""
    n = local.starts.size - 1
    for rank in range(tree.order.size):
        pool = tree.order[rank]
        place, held = tree.places[n + rank], 0
        inside[place] = 1.0
        for c in range(tree.offsets[rank], tree.offsets[rank + 1]):
            child = tree.children[c]
            below, size = tree.places[child], tree.sizes[child]
            for k in range(held + size, -1, -1):
                value = 0.0
                for j in range(max(0, k - held), min(k, size) + 1):
                    value = _joined(value, inside[place + k - j] * inside[below + j], largest)
                inside[place + k] = value
            held += size
        row = evidence.table[evidence.kind[parts.pools[parts.pool_offsets[part] + pool]]]
        for k in range(held + 1):
            inside[place + k] *= row[local.low[pool] + k]


@kernel
def _down(
    local: Local,
    tree: Tree,
    evidence: Evidence,
    parts: Parts,
    part: int,
    largest: bool,
    inside: NDArray[np.float64],
    outside: NDArray[np.float64],
) -> None:
    """Write for each node the weight of what is outside of it, by its number of infected."""
    n = local.starts.size - 1
    outside[tree.places[-2] :] = 1.0
    before = np.empty(n + 1)
    after = np.empty((n + 2, n + 2))
    for rank in range(tree.order.size - 1, -1, -1):
        pool = tree.order[rank]
        place, size = tree.places[n + rank], tree.sizes[n + rank]
        row = evidence.table[evidence.kind[parts.pools[parts.pool_offsets[part] + pool]]]
        first, last = tree.offsets[rank], tree.offsets[rank + 1]
        # after[c, k]: children c and later and all outside, when k of the children before are infected.
        for k in range(size + 1):
            after[last - first, k] = outside[place + k] * row[local.low[pool] + k]
        held = size
        for c in range(last - 1, first - 1, -1):
            child = tree.children[c]
            below, own = tree.places[child], tree.sizes[child]
            held -= own
            for k in range(held + 1):
                value = 0.0
                for j in range(own + 1):
                    value = _joined(value, inside[below + j] * after[c - first + 1, k + j], largest)
                after[c - first, k] = value
        before[0] = 1.0
        held = 0
        for c in range(first, last):
            child = tree.children[c]
            below, own = tree.places[child], tree.sizes[child]
            for j in range(own + 1):
                value = 0.0
                for k in range(held + 1):
                    value = _joined(value, before[k] * after[c - first + 1, k + j], largest)
                outside[below + j] = value
            for k in range(held + own, -1, -1):
                value = 0.0
                for j in range(max(0, k - held), min(k, own) + 1):
                    value = _joined(value, before[k - j] * inside[below + j], largest)
                before[k] = value
            held += own


@kernel
def _trace_back(tree: Tree, best_in: NDArray[np.float64], parts: Parts, part: int, beliefs: Beliefs) -> None:
    """Write the most probable set: of equal ones that with the fewest infected, and of those the first samples."""
    n_nodes = tree.sizes.size
    n_pools = tree.order.size
    n = n_nodes - n_pools
    share = np.zeros(n_nodes, np.int32)
    root = tree.places[n_nodes - 1]
    for k in range(1, n + 1):
        if best_in[root + k] > best_in[root + share[n_nodes - 1]] * (1.0 + TIE):
            share[n_nodes - 1] = k
    before = np.zeros((n + 1, n + 1))
    for rank in range(n_pools - 1, -1, -1):
        first, last = tree.offsets[rank], tree.offsets[rank + 1]
        held = 0
        before[0, 0] = 1.0
        for c in range(first, last):
            child = tree.children[c]
            below, own = tree.places[child], tree.sizes[child]
            for k in range(held + own + 1):
                value = 0.0
                for j in range(max(0, k - held), min(k, own) + 1):
                    value = max(value, before[c - first, k - j] * best_in[below + j])
                before[c - first + 1, k] = value
            held += own
        left = share[n + rank]
        for c in range(last - 1, first - 1, -1):
            child = tree.children[c]
            below, own = tree.places[child], tree.sizes[child]
            held -= own
            best, taken = -1.0, 0
            for j in range(max(0, left - held), min(left, own) + 1):
                value = before[c - first, left - j] * best_in[below + j]
                if value > best * (1.0 + TIE):
                    best, taken = value, j
            share[child] = taken
            left -= taken
    for i in range(n):
        beliefs.likely[parts.samples[parts.sample_offsets[part] + i]] = share[i] == 1
