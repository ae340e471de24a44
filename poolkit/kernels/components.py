"""Pools and samples as one flat graph: what is certain is taken out, what is left falls into components."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

UNDECIDED = -1


class Graph(NamedTuple):
    """Who is in which pool, from both sides."""

    offsets: NDArray[np.int64]  # (pools + 1,)
    members: NDArray[np.int32]  # samples, pool by pool
    starts: NDArray[np.int64]  # (samples + 1,)
    pools: NDArray[np.int32]  # pools, sample by sample, rising


class Evidence(NamedTuple):
    """What was read: of each pool the row of the table that holds its likelihood by the number of its infected."""

    kind: NDArray[np.int32]  # (pools,) -1 where nothing was read
    table: NDArray[np.float64]  # (kinds, largest pool + 1)
    logs: NDArray[np.float64]  # (kinds, largest pool + 1) its logarithms


class Parts(NamedTuple):
    """What is not certain, by component: samples and pools of component c stand at ``[c]`` to ``[c + 1]``."""

    sample_offsets: NDArray[np.int64]
    samples: NDArray[np.int32]
    pool_offsets: NDArray[np.int64]
    pools: NDArray[np.int32]


@kernel
def root_of(parent: NDArray[np.int32], node: int) -> int:
    """Return the root of a node's tree; the way there gets shorter."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@kernel
def connect(
    graph: Graph,
    live: NDArray[np.bool_],
    open_: NDArray[np.bool_],
    parent: NDArray[np.int32],
    number: NDArray[np.int32],
) -> int:
    """Give a number to each of the connected components of the open samples that live pools join, by first sample.

    live (pools,) and open_ (samples,) are read; parent (samples,) is room to work in; number (samples,) is written,
    -1 for samples that are not open. Returns the number of components.
    """
    for sample in range(open_.size):
        parent[sample] = sample
    for pool in range(live.size):
        if not live[pool]:
            continue
        first = -1
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            sample = graph.members[k]
            if not open_[sample]:
                continue
            root = root_of(parent, sample)
            if first < 0:
                first = root
            elif root < first:
                parent[first] = root
                first = root
            else:
                parent[root] = first
    n_components = 0
    for sample in range(open_.size):
        number[sample] = -1
        if open_[sample]:
            root = root_of(parent, sample)
            if root == sample:
                number[sample] = n_components
                n_components += 1
            else:
                number[sample] = number[root]
    return n_components


@kernel
def decide(
    graph: Graph,
    evidence: Evidence,
    odds: NDArray[np.float64],
    state: NDArray[np.int8],
    live: NDArray[np.bool_],
    conflict: NDArray[np.bool_],
) -> None:
    """Fold tests of one sample into its odds, and decide what the rest leaves no choice in.

    odds (samples,) holds the prior odds and is multiplied; state (samples,) becomes 0 or 1 where certain, else
    UNDECIDED; live (pools,) says which pools still tie undecided samples together; conflict (pools,) which say what
    cannot be, for all that is certain. What a single says that cannot be is left out.
    """
    waiting = np.empty(live.size, np.int32)
    queued = np.zeros(live.size, np.bool_)
    n_waiting = 0
    for sample in range(odds.size):
        state[sample] = UNDECIDED
    for pool in range(live.size):
        start = graph.offsets[pool]
        size = graph.offsets[pool + 1] - start
        conflict[pool] = False
        live[pool] = evidence.kind[pool] >= 0 and size > 1
        if evidence.kind[pool] >= 0 and size == 1:
            row = evidence.table[evidence.kind[pool]]
            sample = graph.members[start]
            # A perfect single that says no to a certain prior, or the other way round, is 0 times infinity.
            conflict[pool] = (row[0] == 0.0 and (row[1] == 0.0 or odds[sample] == 0.0)) or (
                row[1] == 0.0 and odds[sample] == np.inf
            )
            if not conflict[pool]:
                odds[sample] *= row[1] / row[0] if row[0] > 0.0 else np.inf
        if live[pool]:
            queued[pool] = True
            waiting[n_waiting] = pool
            n_waiting += 1
    for sample in range(odds.size):
        if odds[sample] == 0.0:
            state[sample] = 0
        elif odds[sample] == np.inf:
            state[sample] = 1
    head = 0
    left = n_waiting
    while left > 0:
        pool = waiting[head]
        head = head + 1 if head + 1 < waiting.size else 0
        left -= 1
        queued[pool] = False
        if not live[pool]:
            continue
        row = evidence.table[evidence.kind[pool]]
        low = 0
        free = 0
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            if state[graph.members[k]] == 1:
                low += 1
            elif state[graph.members[k]] == UNDECIDED:
                free += 1
        alike = True
        any_below = False
        any_above = False
        for k in range(low, low + free + 1):
            alike = alike and row[k] == row[low]
            any_below = any_below or (k < low + free and row[k] > 0.0)
            any_above = any_above or (k > low and row[k] > 0.0)
        if alike:
            live[pool] = False
            conflict[pool] = row[low] == 0.0
            continue
        decided = UNDECIDED
        if not any_above:
            decided = 0
        elif not any_below:
            decided = 1
        if decided == UNDECIDED:
            continue
        live[pool] = False
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            sample = graph.members[k]
            if state[sample] != UNDECIDED:
                continue
            state[sample] = decided
            for j in range(graph.starts[sample], graph.starts[sample + 1]):
                other = graph.pools[j]
                if live[other] and not queued[other]:
                    queued[other] = True
                    place = head + left
                    waiting[place if place < waiting.size else place - waiting.size] = other
                    left += 1


@kernel
def tied_together(graph: Graph, live: NDArray[np.bool_], state: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which undecided samples stand in a live pool; live (pools,) and state (samples,) are read."""
    found = np.zeros(state.size, np.bool_)
    for pool in range(live.size):
        if live[pool]:
            for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
                found[graph.members[k]] = state[graph.members[k]] == UNDECIDED
    return found


@kernel
def gather(
    graph: Graph,
    live: NDArray[np.bool_],
    number: NDArray[np.int32],
    parts: Parts,
) -> None:
    """Collect the samples and the live pools of each component.

    number (samples,) is from `connect`; the offsets of parts start at 0, and all of parts is written.
    """
    for sample in range(number.size):
        if number[sample] >= 0:
            parts.sample_offsets[number[sample] + 1] += 1
    for pool in range(live.size):
        if live[pool]:
            parts.pool_offsets[_component(graph, pool, number) + 1] += 1
    for part in range(parts.sample_offsets.size - 1):
        parts.sample_offsets[part + 1] += parts.sample_offsets[part]
        parts.pool_offsets[part + 1] += parts.pool_offsets[part]
    # Each start moves to its end while it is filled, so afterwards all starts are one place too far.
    for sample in range(number.size):
        if number[sample] >= 0:
            parts.samples[parts.sample_offsets[number[sample]]] = sample
            parts.sample_offsets[number[sample]] += 1
    for pool in range(live.size):
        if live[pool]:
            part = _component(graph, pool, number)
            parts.pools[parts.pool_offsets[part]] = pool
            parts.pool_offsets[part] += 1
    for part in range(parts.sample_offsets.size - 1, 0, -1):
        parts.sample_offsets[part] = parts.sample_offsets[part - 1]
        parts.pool_offsets[part] = parts.pool_offsets[part - 1]
    parts.sample_offsets[0] = 0
    parts.pool_offsets[0] = 0


@kernel
def _component(graph: Graph, pool: int, number: NDArray[np.int32]) -> int:
    """Return the component of a live pool: that of its first undecided member."""
    for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
        if number[graph.members[k]] >= 0:
            return int(number[graph.members[k]])
    return -1
