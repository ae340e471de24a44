"""Elimination: who is cleared by negative pools, who alone can explain a positive one, and who cannot be told apart."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.components import Graph

# What a pool says.
READS_NEGATIVE, READS_POSITIVE, READS_NOTHING = 0, 1, 2
# Where a sample stands after elimination; doubtful: it would be cleared, but then one of its positive pools is empty.
OPEN, CLEARED, DEFINITE, DOUBTFUL = 0, 1, 2, 3
# Whether what a pool says fits the others.
EXPLAINED, CONTRADICTED, UNKNOWN = 0, 1, 2


class Eliminated(NamedTuple):
    """What elimination says of samples and pools."""

    standing: NDArray[np.int8]  # (samples,)
    fit: NDArray[np.int8]  # (pools,)


@kernel
def eliminate(graph: Graph, reads: NDArray[np.int8], tolerance: int, eliminated: Eliminated) -> None:
    """Clear who is in more than `tolerance` negative pools, unless that leaves a positive pool without anybody.

    reads (pools,) is read, the arrays of eliminated are written. A pool that reads nothing clears nobody.
    """
    standing, fit = eliminated.standing, eliminated.fit
    for sample in range(standing.size):
        n_negative = 0
        for k in range(graph.starts[sample], graph.starts[sample + 1]):
            if reads[graph.pools[k]] == READS_NEGATIVE:
                n_negative += 1
        standing[sample] = CLEARED if n_negative > tolerance else OPEN
    for pool in range(fit.size):
        fit[pool] = UNKNOWN if reads[pool] == READS_NOTHING else EXPLAINED
        if reads[pool] != READS_POSITIVE:
            continue
        held = False
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            held = held or standing[graph.members[k]] != CLEARED
        if not held:
            fit[pool] = CONTRADICTED
    # Only now, so that what one contradicted pool takes back does not hide another.
    for pool in range(fit.size):
        if fit[pool] == CONTRADICTED:
            for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
                standing[graph.members[k]] = DOUBTFUL
    for pool in range(fit.size):
        if reads[pool] != READS_POSITIVE or fit[pool] == CONTRADICTED:
            continue
        only = -1
        n_held = 0
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            if standing[graph.members[k]] != CLEARED:
                only = graph.members[k]
                n_held += 1
        if n_held == 1 and standing[only] == OPEN:
            standing[only] = DEFINITE
    for pool in range(fit.size):
        if reads[pool] == READS_NEGATIVE:
            for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
                if standing[graph.members[k]] == DEFINITE:
                    fit[pool] = CONTRADICTED


@kernel
def at_least(
    graph: Graph,
    reads: NDArray[np.int8],
    eliminated: Eliminated,
    number: NDArray[np.int32],
    infected: NDArray[np.int32],
) -> None:
    """Count in each component how many samples must be infected if no contradiction is a false reaction.

    number (samples,) is the component of each sample; infected (components,) is written: definite positives, and
    positive pools without one that share no candidate, taken in their order.
    """
    standing = eliminated.standing
    used = np.zeros(standing.size, np.bool_)
    infected[:] = 0
    for sample in range(standing.size):
        if standing[sample] == DEFINITE:
            used[sample] = True
            infected[number[sample]] += 1
    for pool in range(reads.size):
        if reads[pool] != READS_POSITIVE or eliminated.fit[pool] == CONTRADICTED:
            continue
        apart = True
        for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
            apart = apart and not used[graph.members[k]]
        if apart and graph.offsets[pool + 1] > graph.offsets[pool]:
            for k in range(graph.offsets[pool], graph.offsets[pool + 1]):
                if standing[graph.members[k]] != CLEARED:
                    used[graph.members[k]] = True
            infected[number[graph.members[graph.offsets[pool]]]] += 1


@kernel
def indistinct(graph: Graph, reads: NDArray[np.int8], standing: NDArray[np.int8], group: NDArray[np.int32]) -> int:
    """Group the samples that stand in the same pools of those that read something, cleared ones left out.

    group (samples,) is written: numbers from 0 in order of the first sample, -1 for a sample that stands alone.
    Returns the number of groups.
    """
    group[:] = -1
    n_groups = 0
    for sample in range(standing.size):
        first = -1
        for k in range(graph.starts[sample], graph.starts[sample + 1]):
            if reads[graph.pools[k]] != READS_NOTHING:
                first = graph.pools[k]
                break
        if first < 0 or standing[sample] == CLEARED or group[sample] >= 0:
            continue
        found = False
        for k in range(graph.offsets[first], graph.offsets[first + 1]):
            other = graph.members[k]
            if other == sample or standing[other] == CLEARED or group[other] >= 0:
                continue
            if _same(graph, reads, sample, other):
                group[other] = n_groups
                found = True
        if found:
            group[sample] = n_groups
            n_groups += 1
    return n_groups


@kernel
def _same(graph: Graph, reads: NDArray[np.int8], one: int, other: int) -> bool:
    """Return whether two samples stand in the same pools of those that read something."""
    j, end = graph.starts[other], graph.starts[other + 1]
    for k in range(graph.starts[one], graph.starts[one + 1]):
        if reads[graph.pools[k]] == READS_NOTHING:
            continue
        while j < end and reads[graph.pools[j]] == READS_NOTHING:
            j += 1
        if j == end or graph.pools[j] != graph.pools[k]:
            return False
        j += 1
    while j < end and reads[graph.pools[j]] == READS_NOTHING:
        j += 1
    return bool(j == end)
