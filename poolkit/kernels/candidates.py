"""What is open after the negative pools: its components, and who is in which pool of each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Graph, root_of
from poolkit.kernels.loads import NEGATIVE, REACTIVE, UNKNOWN


class Parts(NamedTuple):
    """Components of what is open: their candidates and pools side by side, and who is in which.

    Component c has the candidates ``samples[first_sample[c]:first_sample[c + 1]]``, pools likewise. ``inside`` names
    candidates by their place in the component, pool after pool; ``edges`` are the offsets by place in ``pools``.
    """

    first_sample: NDArray[np.int64]
    samples: NDArray[np.int32]
    first_pool: NDArray[np.int64]
    pools: NDArray[np.int32]
    edges: NDArray[np.int64]
    inside: NDArray[np.int32]


@kernel
def survive(graph: Graph, outcome: NDArray[np.int8], tolerance: int, candidate: NDArray[np.bool_]) -> None:
    """Mark each sample that is in a reactive pool and in at most `tolerance` negative ones.

    graph and outcome (pools,) are read, candidate (samples,) is written.
    """
    for sample in range(candidate.size):
        n_reactive = 0
        n_negative = 0
        for k in range(graph.starts[sample], graph.starts[sample + 1]):
            said = outcome[graph.pools[k]]
            n_reactive += said == REACTIVE
            n_negative += said == NEGATIVE
        candidate[sample] = n_reactive > 0 and n_negative <= tolerance


@kernel
def divide(
    graph: Graph,
    outcome: NDArray[np.int8],
    candidate: NDArray[np.bool_],
    part: NDArray[np.int32],
    n_of: NDArray[np.int64],
) -> int:
    """Give each read pool the number of its component, and count candidates, pools and edges of each.

    part (pools,) is written: -1 where a pool is unread or holds no candidate and did not react; n_of (pools, 3) is
    written up to the number of components, which is returned.
    """
    parent = np.empty(outcome.size, np.int32)
    for pool in range(outcome.size):
        parent[pool] = pool
    for sample in range(candidate.size):
        if candidate[sample]:
            first = -1
            for k in range(graph.starts[sample], graph.starts[sample + 1]):
                if outcome[graph.pools[k]] != UNKNOWN:
                    root = root_of(parent, graph.pools[k])
                    if first < 0:
                        first = root
                    elif root != first:
                        parent[max(root, first)] = min(root, first)
                        first = min(root, first)
    n_parts = 0
    number = np.full(outcome.size, -1, np.int32)
    for pool in range(outcome.size):
        part[pool] = -1
        if outcome[pool] == UNKNOWN:
            continue
        n_edges = 0
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            n_edges += candidate[graph.members[k]]
        if outcome[pool] == REACTIVE or n_edges > 0:
            root = root_of(parent, pool)
            if number[root] < 0:
                number[root] = n_parts
                n_of[n_parts, :] = 0
                n_parts += 1
            part[pool] = number[root]
            n_of[number[root], 1] += 1
            n_of[number[root], 2] += n_edges
    for sample in range(candidate.size):
        if candidate[sample]:
            for k in range(graph.starts[sample], graph.starts[sample + 1]):
                if part[graph.pools[k]] >= 0:
                    n_of[part[graph.pools[k]], 0] += 1
                    break
    return n_parts


@kernel
def collect(graph: Graph, candidate: NDArray[np.bool_], part: NDArray[np.int32], parts: Parts) -> None:
    """Put candidates, pools and edges of each component side by side.

    first_sample and first_pool of parts are read, the other arrays are written.
    """
    n_parts = parts.first_sample.size - 1
    filled = np.zeros((n_parts, 2), np.int64)
    place = np.empty(candidate.size, np.int32)
    for sample in range(candidate.size):
        if candidate[sample]:
            for k in range(graph.starts[sample], graph.starts[sample + 1]):
                own = part[graph.pools[k]]
                if own >= 0:
                    place[sample] = filled[own, 0]
                    parts.samples[parts.first_sample[own] + filled[own, 0]] = sample
                    filled[own, 0] += 1
                    break
    for pool in range(part.size):
        own = part[pool]
        if own >= 0:
            parts.pools[parts.first_pool[own] + filled[own, 1]] = pool
            filled[own, 1] += 1
    n_edges = 0
    parts.edges[0] = 0
    for k in range(parts.pools.size):
        pool = parts.pools[k]
        for j in range(graph.offsets[pool], graph.offsets[pool + 1]):
            if candidate[graph.members[j]]:
                parts.inside[n_edges] = place[graph.members[j]]
                n_edges += 1
        parts.edges[k + 1] = n_edges
