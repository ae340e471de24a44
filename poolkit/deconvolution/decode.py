"""`decode`: what pools and retests say of each sample, with an honest probability and one of three answers."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, coded, codes_in, frozen, numbers, plain
from poolkit.assays import Assay
from poolkit.deconvolution.looks import POOLED, READ
from poolkit.deconvolution.posterior import EFFORT, Posterior, components_of, evidence_of, graph_of, posterior_of
from poolkit.deconvolution.priors import PRIORS
from poolkit.errors import DesignError, Problem, SchemaError
from poolkit.kernels import elimination
from poolkit.kernels import posterior as methods
from poolkit.kernels.components import Graph
from poolkit.schemas import conform
from poolkit.schemas.tables import CALLS_MADE

ANSWERS = ("negative", "positive", "retest")
CERTAINTIES = ("definite", "exact", "approximate", "unconverged")
METHODS = (
    *("elimination", "alone", "nested", "pool states", "enumeration", "search"),
    *("likely sets", "belief propagation", "unconverged", "impossible"),
)
SAYS = ("negative", "positive", "unknown")
FITS = ("explained", "contradicted", "unknown")
_NEGATIVE, _POSITIVE, _RETEST = range(3)
_DEFINITE, _EXACT, _APPROXIMATE, _UNCONVERGED = range(4)
_PERFECT = Assay()


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the calls say of each sample.

    Attributes
    ----------
    samples : pyarrow.Table
        One row a sample, in order of `members`: sample_id, answer (negative, positive or retest), probability that it
        is infected (null where nothing was read or no number can be vouched for), most_probable (whether it is
        in the most probable set), tie_group (number of the group of samples that cannot be told apart, or that equally
        probable sets exchange; null for none), component, and certainty: definite (nothing else is possible), exact (to
        1e-9), approximate or unconverged; null where nothing was read.
    pools : pyarrow.Table
        One row a pool: pool_id, says (negative, positive, unknown), fit (explained, contradicted, unknown) by
        elimination.
    components : pyarrow.Table
        One row for all samples that pools join: component, n_samples, method (the hardest that was needed), converged,
        margin (log odds of the most probable set to the second; null where there is none), at_least (how many are
        infected unless a pool is wrong) and overloaded (more than rated; null where no rating is given).
    """

    samples: pa.Table
    pools: pa.Table
    components: pa.Table

    def __repr__(self) -> str:
        """Give the row count of each table."""
        return f"Decoded({', '.join(f'{each.name}={getattr(self, each.name).num_rows}' for each in fields(self))})"


class _Read(NamedTuple):
    """The pools and then the samples that were tested alone, as pools of one."""

    graph: Graph
    n_reactive: NDArray[np.int32]
    n_negative: NDArray[np.int32]
    reads: NDArray[np.int8]
    pool_ids: pa.Array
    sample_ids: pa.Array


def decode(
    members: Any,
    calls: Any,
    *,
    prior: float | Any = 0.01,
    assay: Assay = _PERFECT,
    tolerance: int = 0,
    rated: int | None = None,
    cost_missed: float = 200.0,
    cost_false: float = 50.0,
) -> Decoded:
    """Say of each sample whether it is infected, how sure that is, and whether to test it again.

    Parameters
    ----------
    members
        Columns ``pool_id`` and ``sample_id``, one row a sample in a pool, of any design; blocks that share no sample
        are decoded each for itself.
    calls
        Columns ``specimen_id`` (a pool, or a sample tested alone) and ``call``; suspect counts as reactive, invalid
        and absent as nothing read, and several rows of one specimen as replicates.
    prior
        Probability that a sample is infected before anything was read: one for all, or a table with ``sample_id`` and
        ``probability`` that names every sample.
    assay
        How likely a pool reacts; perfect by default.
    tolerance
        Negative pools that may be wrong before elimination clears their samples.
    rated
        Infected samples in a component that its design is made for.
    cost_missed, cost_false
        What a missed and a falsely reported infection cost, in tests.

    Returns
    -------
    Decoded
        Tables of samples, pools and components.

    Raises
    ------
    SchemaError
        When a table is not such a table, a call is of no known specimen, or a prior is no probability or missing.
    DesignError
        When a cost, the tolerance or the rating is out of range.

    Notes
    -----
    A sample is negative when missing it costs less than a test (probability times `cost_missed` below 1), positive when
    reporting it falsely does, and else tested again. The members of a positive pool that elimination or these answers
    would leave without anybody are tested again, all of them; so are samples whose component did not converge, but for
    those that elimination clears.

    Certain samples are taken out first; then each component that is left is decoded by the first that fits: a sum over
    the number of infected where pools are nested; a sweep over which pools hold somebody infected, where few are open
    at once (arrays, cubes, binary designs); all sets up to 16 samples; branch and bound over sets with a proved bound
    on the weight left out; the likely sets alone; or damped belief propagation. The last two are approximate, and
    nothing bounds their error: the likely sets say too little of samples below about 0.001, and belief propagation is
    too sure of itself both ways, so that it never makes a sample positive without another test.

    Examples
    --------
    A 2 x 2 array, one row and one column positive:

    >>> import pyarrow as pa
    >>> members = pa.table({"pool_id": ["R1", "R1", "R2", "R2", "C1", "C1", "C2", "C2"],
    ...                     "sample_id": ["A1", "A2", "B1", "B2", "A1", "B1", "A2", "B2"]})
    >>> calls = pa.table({"specimen_id": ["R1", "R2", "C1", "C2"], "call": ["positive", "negative"] * 2})
    >>> decoded = decode(members, calls, prior=0.02, assay=Assay(0.98, 0.999))
    >>> decoded.samples["answer"].to_pylist()
    ['positive', 'negative', 'negative', 'negative']
    >>> [round(p, 4) for p in decoded.samples["probability"].to_pylist()]
    [0.9999, 0.0004, 0.0004, 0.0]

    With all four positive, either diagonal explains them:

    >>> calls = pa.table({"specimen_id": ["R1", "R2", "C1", "C2"], "call": ["positive"] * 4})
    >>> decode(members, calls, prior=0.02).samples["tie_group"].to_pylist()
    [0, 0, 0, 0]
    """
    _check_numbers(tolerance, rated, cost_missed, cost_false)
    read = _read(members, calls)
    priors = _priors(prior, read.sample_ids)
    n_samples, n_pools = len(read.sample_ids), len(read.pool_ids)
    graph = read.graph
    eliminated = elimination.Eliminated(np.empty(n_samples, np.int8), np.empty(read.reads.size, np.int8))
    elimination.eliminate(graph, read.reads, tolerance, eliminated)
    believed = posterior_of(graph, evidence_of(graph, read.n_reactive, read.n_negative, assay), priors, EFFORT)
    component, n_components = components_of(graph, n_samples)
    method = _methods(believed, graph, component, n_components)
    certainty, probability = _certainty(believed, read, method[component])
    answer = _answers(read, eliminated, probability, certainty, cost_missed, cost_false)
    inside = np.flatnonzero(believed.part >= 0)
    passed_on = inside[believed.beliefs.method[believed.part[inside]] == methods.PROPAGATED]
    # Belief propagation is too sure of itself where a block holds more than it is made for.
    answer[passed_on[answer[passed_on] == _POSITIVE]] = _RETEST
    at_least = np.zeros(n_components, np.int32)
    elimination.at_least(graph, read.reads, eliminated, component, at_least)
    likely = believed.beliefs.likely
    samples = pa.table(
        {
            "sample_id": read.sample_ids,
            "answer": coded(answer.astype(np.int32), pa.array(ANSWERS)),
            "probability": pa.array(probability, mask=probability < 0.0),
            "most_probable": pa.array(likely),
            "tie_group": _tie_groups(read, eliminated, believed, certainty),
            "component": pa.array(component),
            "certainty": coded(certainty.astype(np.int32), pa.array(CERTAINTIES)),
        }
    )
    pools = pa.table(
        {
            "pool_id": read.pool_ids,
            "says": coded(read.reads[:n_pools].astype(np.int32), pa.array(SAYS)),
            "fit": coded(eliminated.fit[:n_pools].astype(np.int32), pa.array(FITS)),
        }
    )
    load = np.maximum(np.bincount(component[likely], minlength=n_components), at_least)
    margin = np.full(n_components, np.inf)
    np.minimum.at(margin, component[inside], believed.beliefs.margin[believed.part[inside]])
    parts = pa.table(
        {
            "component": pa.array(np.arange(n_components, dtype=np.int32)),
            "n_samples": pa.array(np.bincount(component, minlength=n_components).astype(np.int32)),
            "method": coded(method.astype(np.int32), pa.array(METHODS)),
            "converged": pa.array(method < methods.UNCONVERGED),
            "margin": pa.array(margin, mask=np.isinf(margin) | (method >= methods.PROPAGATED)),
            "at_least": pa.array(at_least),
            "overloaded": pa.nulls(n_components, pa.bool_()) if rated is None else pa.array(load > rated),
        }
    )
    return Decoded(samples, pools, parts)


def _check_numbers(tolerance: int, rated: int | None, cost_missed: float, cost_false: float) -> None:
    problems = [
        Problem(name, f"must be at least {least}, found {value}")
        for name, value, least in (
            ("tolerance", tolerance, 0),
            ("rated", 0 if rated is None else rated, 0),
            ("cost_missed", cost_missed, 1),
            ("cost_false", cost_false, 1),
        )
        if not value >= least
    ]
    if problems:
        raise DesignError("nothing can be decoded so", problems)


def _read(members: Any, calls: Any) -> _Read:
    """Return the graph of pools and singles, and what each says."""
    mixed, called = conform(members, POOLED), conform(calls, READ, keys=False)
    pool_index, sample_index = TextIndex.of(plain(mixed["pool_id"])), TextIndex.of(plain(mixed["sample_id"]))
    n_pools, n_samples = len(pool_index.values), len(sample_index.values)
    specimens = plain(called["specimen_id"])
    of_pool, of_sample = pool_index.find(specimens), sample_index.find(specimens)
    problems = []
    unknown = np.flatnonzero((of_pool < 0) & (of_sample < 0))
    if unknown.size:
        found = specimens[int(unknown[0])].as_py()
        problems.append(
            Problem("specimen_id", f"{found} is neither a pool nor a sample of members", tuple(unknown.tolist()))
        )
    both = np.flatnonzero((of_pool >= 0) & (of_sample >= 0))
    if both.size:
        found = specimens[int(both[0])].as_py()
        problems.append(Problem("specimen_id", f"{found} is both a pool and a sample", tuple(both.tolist())))
    if problems:
        raise SchemaError("not the calls of these members", problems)
    alone = np.unique(of_sample[of_sample >= 0])
    place = np.full(n_samples, -1, np.int32)
    place[alone] = n_pools + np.arange(alone.size, dtype=np.int32)
    specimen = np.where(of_pool >= 0, of_pool, place[of_sample] if n_samples else of_pool)
    n_specimens = n_pools + alone.size
    call = codes_in(called["call"], pa.array(CALLS_MADE))
    reactive = (call == CALLS_MADE.index("positive")) | (call == CALLS_MADE.index("suspect"))
    n_reactive = np.bincount(specimen[reactive], minlength=n_specimens).astype(np.int32)
    n_negative = np.bincount(specimen[call == CALLS_MADE.index("negative")], minlength=n_specimens).astype(np.int32)
    reads = np.where(
        n_reactive > 0,
        elimination.READS_POSITIVE,
        np.where(n_negative > 0, elimination.READS_NEGATIVE, elimination.READS_NOTHING),
    )
    graph = graph_of(
        np.concatenate((pool_index.codes, place[alone])),
        np.concatenate((sample_index.codes, alone.astype(np.int32))),
        n_specimens,
        n_samples,
    )
    return _Read(
        graph,
        frozen(n_reactive),
        frozen(n_negative),
        frozen(reads.astype(np.int8)),
        pool_index.values,
        sample_index.values,
    )


def _priors(prior: float | Any, sample_ids: pa.Array) -> NDArray[np.float64]:
    if isinstance(prior, int | float):
        if not 0.0 <= prior <= 1.0:
            raise SchemaError("not a prior", [Problem("prior", f"must be between 0 and 1, found {prior}")])
        return np.full(len(sample_ids), float(prior))
    given = conform(prior, PRIORS)
    rows = TextIndex.of(plain(given["sample_id"])).find(sample_ids)
    missing = np.flatnonzero(rows < 0)
    if missing.size:
        found = sample_ids[int(missing[0])].as_py()
        raise SchemaError("not the priors of these members", [Problem("sample_id", f"{found} has no prior")])
    return numbers(given["probability"])[rows]


def _methods(believed: Posterior, graph: Graph, component: NDArray[np.int32], n_components: int) -> NDArray[np.int8]:
    """Return the hardest method that each component needed."""
    method = np.full(n_components, methods.CERTAIN, np.int8)
    np.maximum.at(method, component[(believed.part < 0) & (believed.state < 0)], np.int8(methods.ALONE))
    inside = np.flatnonzero(believed.part >= 0)
    np.maximum.at(method, component[inside], believed.beliefs.method[believed.part[inside]])
    conflict = np.flatnonzero(believed.conflict)
    method[component[graph.members[graph.offsets[conflict]]]] = methods.IMPOSSIBLE
    return method


def _certainty(
    believed: Posterior, read: _Read, of_component: NDArray[np.int8]
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return each sample's certainty, -1 where nothing was read, and its probability, below 0 where there is none."""
    n_samples = of_component.size
    certainty = np.full(n_samples, _EXACT, np.int8)
    certainty[believed.state >= 0] = _DEFINITE
    inside = np.flatnonzero(believed.part >= 0)
    own = believed.beliefs.method[believed.part[inside]]
    certainty[inside[own >= methods.APPROXIMATED]] = _APPROXIMATE
    certainty[inside[own >= methods.UNCONVERGED]] = _UNCONVERGED
    certainty[of_component == methods.IMPOSSIBLE] = _UNCONVERGED
    of_member = np.repeat(np.arange(read.reads.size), np.diff(read.graph.offsets))
    was_read = np.zeros(n_samples, np.bool_)
    was_read[read.graph.members[read.reads[of_member] != elimination.READS_NOTHING]] = True
    certainty[~was_read] = -1
    probability = believed.beliefs.probability.copy()
    probability[(certainty < 0) | (certainty == _UNCONVERGED)] = -1.0
    return certainty, probability


def _answers(
    read: _Read,
    eliminated: elimination.Eliminated,
    probability: NDArray[np.float64],
    certainty: NDArray[np.int8],
    cost_missed: float,
    cost_false: float,
) -> NDArray[np.int8]:
    """Return each sample's answer; no positive pool is left without somebody who is positive or tested again."""
    answer = np.full(probability.size, _RETEST, np.int8)
    known = probability >= 0.0
    answer[known & (probability * cost_missed < 1.0)] = _NEGATIVE
    answer[known & ((1.0 - probability) * cost_false < 1.0)] = _POSITIVE
    answer[(certainty == _UNCONVERGED) & (eliminated.standing == elimination.CLEARED)] = _NEGATIVE
    answer[eliminated.standing == elimination.DOUBTFUL] = _RETEST
    members = read.graph.members
    of_member = np.repeat(np.arange(read.reads.size), np.diff(read.graph.offsets))
    held = np.bincount(of_member[answer[members] != _NEGATIVE], minlength=read.reads.size) > 0
    empty = (read.reads == elimination.READS_POSITIVE) & ~held
    answer[members[empty[of_member]]] = _RETEST
    return answer


def _tie_groups(
    read: _Read, eliminated: elimination.Eliminated, believed: Posterior, certainty: NDArray[np.int8]
) -> pa.Array:
    """Return the number of each sample's tie group, null for none."""
    n_samples, n_parts = certainty.size, believed.beliefs.method.size
    group = np.empty(n_samples, np.int32)
    elimination.indistinct(read.graph, read.reads, eliminated.standing, group)
    group[believed.state >= 0] = -1
    key = np.where(group >= 0, n_parts + group, -1)
    tied = np.flatnonzero(believed.beliefs.tied & (believed.part >= 0) & (certainty != _UNCONVERGED))
    # A group one of whose members equally probable sets exchange is part of what they exchange.
    part_of_group = np.full(n_samples, -1)
    with_group = tied[group[tied] >= 0]
    part_of_group[group[with_group]] = believed.part[with_group]
    joined = (group >= 0) & (part_of_group[group] >= 0)
    key[joined] = part_of_group[group[joined]]
    key[tied] = believed.part[tied]
    shared = np.bincount(key[key >= 0], minlength=n_parts + n_samples)
    key[(key >= 0) & (shared[key] < 2)] = -1
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(np.where(key[first] < 0, -1, first))) - int(bool((key < 0).any()))
    return pa.array(ranks[number].astype(np.int32), mask=key < 0)
