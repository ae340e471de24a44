"""Every truth of a small component, each with its weight."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Evidence, Graph, Parts

# Two sets whose weights differ by less than this part of them are equally probable.
TIE = 1e-9


class Beliefs(NamedTuple):
    """What is believed of samples and of components."""

    probability: NDArray[np.float64]  # (samples,)
    likely: NDArray[np.bool_]  # (samples,) whether in the most probable set
    tied: NDArray[np.bool_]  # (samples,) whether equally probable sets differ in it
    margin: NDArray[np.float64]  # (components,) log odds of the most probable set to the second
    error: NDArray[np.float64]  # (components,) bound on what any probability is wrong by; infinite where unknown
    method: NDArray[np.int8]  # (components,)


class Local(NamedTuple):
    """A component with samples and pools numbered from 0, and how many certain ones each pool holds besides."""

    offsets: NDArray[np.int64]
    members: NDArray[np.int32]
    starts: NDArray[np.int64]
    pools: NDArray[np.int32]
    low: NDArray[np.int32]


@kernel
def localise(graph: Graph, state: NDArray[np.int8], parts: Parts, part: int, place: NDArray[np.int32]) -> Local:
    """Return one component with numbers of its own; place (samples,) is room to work in."""
    start, n_samples = parts.sample_offsets[part], parts.sample_offsets[part + 1] - parts.sample_offsets[part]
    first, n_pools = parts.pool_offsets[part], parts.pool_offsets[part + 1] - parts.pool_offsets[part]
    n_edges = 0
    for i in range(n_samples):
        place[parts.samples[start + i]] = i
    for j in range(n_pools):
        pool = parts.pools[first + j]
        n_edges += graph.offsets[pool + 1] - graph.offsets[pool]
    offsets = np.zeros(n_pools + 1, np.int64)
    members = np.empty(n_edges, np.int32)
    starts = np.zeros(n_samples + 1, np.int64)
    low = np.zeros(n_pools, np.int32)
    n = 0
    for j in range(n_pools):
        pool = parts.pools[first + j]
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            sample = graph.members[k]
            if state[sample] == 1:
                low[j] += 1
            elif state[sample] < 0:
                members[n] = place[sample]
                starts[place[sample] + 1] += 1
                n += 1
        offsets[j + 1] = n
    for i in range(n_samples):
        starts[i + 1] += starts[i]
    pools = np.empty(n, np.int32)
    filled = starts[:-1].copy()
    for j in range(n_pools):
        for k in range(offsets[j], offsets[j + 1]):
            i = members[k]
            pools[filled[i]] = j
            filled[i] += 1
    return Local(offsets, members[:n], starts, pools, low)


@kernel
def enumerate_all(
    local: Local,
    odds: NDArray[np.float64],
    evidence: Evidence,
    parts: Parts,
    part: int,
    beliefs: Beliefs,
) -> bool:
    """Weigh every set of a component's samples, and write what follows; returns whether any has a weight.

    odds (samples of the graph,) are above 0 and finite; the component's places in beliefs are written. A pool is
    weighed when its last sample is decided, and what weighs nothing is not followed further.
    """
    n = local.starts.size - 1
    n_pools = local.low.size
    start, first = parts.sample_offsets[part], parts.pool_offsets[part]
    # The pools that are complete with a sample are the last ones of a list that is put in that order.
    last = np.zeros(n_pools, np.int32)
    complete = np.zeros(n + 1, np.int64)
    for j in range(n_pools):
        for k in range(local.offsets[j], local.offsets[j + 1]):
            last[j] = max(last[j], local.members[k])
        complete[last[j] + 1] += 1
    for i in range(n):
        complete[i + 1] += complete[i]
    ordered = np.empty(n_pools, np.int32)
    filled = complete[:-1].copy()
    for j in range(n_pools):
        ordered[filled[last[j]]] = j
        filled[last[j]] += 1
    count = local.low.copy()
    infected = np.full(n + 1, -1, np.int8)
    weight = np.zeros(n + 1)
    total = np.zeros(n + 1)
    with_it = np.zeros(n)
    best_set = np.zeros(n, np.int8)
    tied = np.zeros(n, np.bool_)
    best, second, best_size = 0.0, 0.0, 0
    size = 0
    weight[0] = 1.0
    depth = 0
    while depth >= 0:
        if depth == n:
            found = weight[n]
            if best > 0.0 and abs(found - best) <= TIE * best:
                second = max(second, min(found, best))
                for i in range(n):
                    tied[i] = tied[i] or infected[i] != best_set[i]
                if size < best_size:
                    best_size = size
                    best_set[:] = infected[:n]
            elif found > best:
                second, best, best_size = best, found, size
                best_set[:] = infected[:n]
                tied[:] = False
            elif found > second:
                second = found
            depth -= 1
            total[depth] += found
            if infected[depth] == 1:
                with_it[depth] += found
            continue
        infected[depth] += 1
        if infected[depth] == 1:
            size += 1
            for k in range(local.starts[depth], local.starts[depth + 1]):
                count[local.pools[k]] += 1
        elif infected[depth] == 2:
            size -= 1
            for k in range(local.starts[depth], local.starts[depth + 1]):
                count[local.pools[k]] -= 1
            infected[depth] = -1
            found = total[depth]
            total[depth] = 0.0
            depth -= 1
            if depth >= 0:
                total[depth] += found
                if infected[depth] == 1:
                    with_it[depth] += found
            else:
                total[n] = found
            continue
        own = odds[parts.samples[start + depth]]
        value = weight[depth] * (own / (1.0 + own) if infected[depth] == 1 else 1.0 / (1.0 + own))
        for k in range(complete[depth], complete[depth + 1]):
            j = ordered[k]
            value *= evidence.table[evidence.kind[parts.pools[first + j]], count[j]]
        if value > 0.0:
            depth += 1
            weight[depth] = value
    beliefs.margin[part] = np.log(best / second) if second > 0.0 else np.inf
    beliefs.error[part] = 0.0 if best > 0.0 else np.inf
    for i in range(n):
        sample = parts.samples[start + i]
        beliefs.probability[sample] = with_it[i] / total[n] if best > 0.0 else -1.0
        beliefs.likely[sample] = best_set[i] == 1
        beliefs.tied[sample] = tied[i]
    return bool(best > 0.0)
