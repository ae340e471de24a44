"""The posterior of every sample, from what was read of its pools and of itself."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.arrays import frozen
from poolkit.assays import Assay
from poolkit.kernels import components as parts_kernels
from poolkit.kernels import posterior as kernels
from poolkit.kernels.components import Evidence, Graph, Parts
from poolkit.kernels.enumeration import Beliefs
from poolkit.kernels.registration import bucket
from poolkit.kernels.search import Effort

# Below so many samples a second thread costs more than it saves.
_WORTH_A_THREAD = 2000


class Posterior(NamedTuple):
    """What is believed, and how it was found.

    Attributes
    ----------
    beliefs : Beliefs
        Of samples and of parts; a probability is -1 where nothing can be said.
    part : numpy.ndarray of int32
        (samples,) the part of what is not certain that the sample belongs to, -1 for none.
    conflict : numpy.ndarray of bool
        (pools,) whether the pool says what cannot be, for all that is certain.
    state : numpy.ndarray of int8
        (samples,) 0 or 1 where certain, else -1.
    """

    beliefs: Beliefs
    part: NDArray[np.int32]
    conflict: NDArray[np.bool_]
    state: NDArray[np.int8]


def graph_of(pool: NDArray[np.int32], sample: NDArray[np.int32], n_pools: int, n_samples: int) -> Graph:
    """Return the graph of (pool, sample) rows."""
    offsets, members = np.zeros(n_pools + 1, np.int64), np.empty(pool.size, np.int32)
    bucket(frozen(pool), frozen(sample), offsets, members)
    starts, pools = np.zeros(n_samples + 1, np.int64), np.empty(pool.size, np.int32)
    of_member = np.repeat(np.arange(n_pools, dtype=np.int32), np.diff(offsets))
    bucket(frozen(members), frozen(of_member), starts, pools)
    return Graph(frozen(offsets), frozen(members), frozen(starts), frozen(pools))


def evidence_of(graph: Graph, n_reactive: NDArray[np.int32], n_negative: NDArray[np.int32], assay: Assay) -> Evidence:
    """Return the likelihood of each pool's looks by the number of its infected, equal pools in one row.

    A row is divided by its largest value, which no posterior sees.
    """
    sizes = np.diff(graph.offsets)
    largest = int(sizes.max(initial=1))
    reactive = assay.reactive(largest)
    base_negative = int(n_negative.max(initial=0)) + 1
    base_reactive = int(n_reactive.max(initial=0)) + 1
    key = (sizes * base_reactive + n_reactive) * base_negative + n_negative
    read = np.flatnonzero((n_reactive + n_negative > 0) & (sizes > 0))
    keys, inverse = np.unique(key[read], return_inverse=True)
    kind = np.full(sizes.size, -1, np.int32)
    kind[read] = inverse
    size, looks = np.divmod(keys, base_reactive * base_negative)
    yes, no = np.divmod(looks, base_negative)
    rows = reactive[size]
    table = rows ** yes[:, None] * (1.0 - rows) ** no[:, None]
    table[np.arange(largest + 1)[None, :] > size[:, None]] = 0.0
    table /= np.maximum(table.max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore"):
        return Evidence(frozen(kind), frozen(np.ascontiguousarray(table)), frozen(np.log(table)))


def posterior_of(graph: Graph, evidence: Evidence, prior: NDArray[np.float64], effort: Effort) -> Posterior:
    """Return what is believed of each sample.

    Parameters
    ----------
    graph
        Pools and samples; a sample tested alone is a pool of one.
    evidence
        What was read of each pool.
    prior : numpy.ndarray of float64
        (samples,) probability that each is infected before anything was read.
    effort
        How much is tried.

    Returns
    -------
    Posterior
        Parts are the connected components of the samples that are not certain.

    Examples
    --------
    >>> import numpy as np
    >>> from poolkit.assays import Assay
    >>> graph = graph_of(np.array([0, 0], np.int32), np.array([0, 1], np.int32), 1, 2)
    >>> read = evidence_of(graph, np.array([1]), np.array([0]), Assay())
    >>> posterior_of(graph, read, np.array([0.5, 0.5]), EFFORT).beliefs.probability.round(4).tolist()
    [0.6667, 0.6667]
    """
    n_samples, n_pools = prior.size, evidence.kind.size
    with np.errstate(divide="ignore"):
        odds = prior / (1.0 - prior)
    state, live = np.empty(n_samples, np.int8), np.empty(n_pools, np.bool_)
    conflict = np.empty(n_pools, np.bool_)
    parts_kernels.decide(graph, evidence, odds, state, live, conflict)
    number = np.empty(n_samples, np.int32)
    open_ = parts_kernels.tied_together(graph, live, state)
    n_parts = parts_kernels.connect(graph, live, open_, np.empty(n_samples, np.int32), number)
    parts = Parts(
        np.zeros(n_parts + 1, np.int64),
        np.empty(int(np.count_nonzero(open_)), np.int32),
        np.zeros(n_parts + 1, np.int64),
        np.empty(int(np.count_nonzero(live)), np.int32),
    )
    parts_kernels.gather(graph, live, number, parts)
    beliefs = Beliefs(
        np.where(np.isinf(odds), 1.0, odds / (1.0 + np.where(np.isinf(odds), 0.0, odds))),
        odds > 1.0,
        odds == 1.0,
        np.full(n_parts, np.inf),
        np.zeros(n_parts),
        np.empty(n_parts, np.int8),
    )
    beliefs.probability[state == 0] = 0.0
    beliefs.probability[state == 1] = 1.0
    beliefs.likely[state >= 0] = state[state >= 0] == 1
    beliefs.tied[state >= 0] = False
    frozen_parts = Parts(*(frozen(each) for each in parts))

    def solve(span: tuple[int, int]) -> None:
        kernels.solve(graph, evidence, frozen(odds), frozen(state), frozen_parts, effort, span, beliefs)

    spans = _spans(parts.sample_offsets)
    if len(spans) > 1:
        with ThreadPoolExecutor(len(spans)) as threads:
            list(threads.map(solve, spans))
    else:
        solve((0, n_parts))
    return Posterior(beliefs, frozen(number), frozen(conflict), frozen(state))


def components_of(graph: Graph, n_samples: int) -> tuple[NDArray[np.int32], int]:
    """Return the component of each sample by all its pools, read or not, and how many there are."""
    number = np.empty(n_samples, np.int32)
    live, every = np.ones(graph.offsets.size - 1, np.bool_), np.ones(n_samples, np.bool_)
    n = parts_kernels.connect(graph, frozen(live), frozen(every), np.empty(n_samples, np.int32), number)
    return frozen(number), n


def vouched(believed: Posterior, graph: Graph, *, below: int) -> NDArray[np.float64]:
    """Return each sample's probability, and -1 where its part was found by a method from `below` on.

    No sample has one whose component, by all its pools, holds looks that cannot be.
    """
    found = believed.beliefs.probability.copy()
    inside = np.flatnonzero(believed.part >= 0)
    method = believed.beliefs.method[believed.part[inside]]
    found[inside[method >= below]] = -1.0
    impossible = inside[method == kernels.IMPOSSIBLE]
    if believed.conflict.any() or impossible.size:
        component, _ = components_of(graph, found.size)
        in_conflict = graph.members[graph.offsets[np.flatnonzero(believed.conflict)]]
        found[np.isin(component, component[np.concatenate((in_conflict, impossible))])] = -1.0
    return found


EFFORT = Effort(
    n_nested=1_000_000,
    n_open=14,
    n_enumerated=16,
    error=1e-9,
    n_steps=50_000,
    n_likely=500_000,
    n_proved=64,
    n_rounds=500,
    reach=8.0,
)


def _spans(sample_offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Divide the parts among the processors, by their samples; no number depends on how."""
    n_samples = int(sample_offsets[-1])
    n_threads = min(os.cpu_count() or 1, n_samples // _WORTH_A_THREAD)
    if n_threads < 2:
        return [(0, sample_offsets.size - 1)]
    n_spans = 8 * n_threads
    cuts = np.searchsorted(sample_offsets, np.linspace(0, n_samples, n_spans + 1)[1:-1])
    edges = np.unique(np.concatenate(([0], cuts, [sample_offsets.size - 1])))
    return [(int(low), int(high)) for low, high in pairwise(edges)]
