"""`rank_candidates`: whom to test alone first, and the most probable set, by the threshold cycles of the pools."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, frozen, numbers, plain
from poolkit.assays import Assay, Dilution
from poolkit.assays.cycles import DETECTED, NOT_DETECTED, NOT_READ, Looked, look_up
from poolkit.deconvolution.posterior import graph_of
from poolkit.deconvolution.priors import PRIORS
from poolkit.errors import DesignError, Problem
from poolkit.kernels import candidates as open_kernels
from poolkit.kernels import loads, quantitative
from poolkit.kernels.components import Graph
from poolkit.schemas import conform

# Verwilt et al. 2020, Cq of 1,632 positives: median 28.8; quartiles 22.4 and 32.3, which are 1.349 sd apart.
TYPICAL_CT = (28.8, 7.3)
# A sample tested alone twice: what is between two runs of one tube. An assumption.
_SD_ALONE = 0.3
# The sd of a Ct that has nothing to do with its pool's load, in cycles. An assumption; the one of KEMRI is 13.5 off.
_WIDE = 8.0
_OUTLIERS = 0.01
# Below so many candidates a second thread costs more than it saves.
_WORTH_A_THREAD = 500

_CANDIDATES = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("expected_ct_cycles", pa.float64()),
        pa.field("most_probable", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who is still open, in the order in which to test them alone.

    Attributes
    ----------
    candidates : pyarrow.Table
        One row a sample that is open and was not tested alone, in order of rank: sample_id, part, rank (from 1),
        weight (its share of the sets looked at, 0 where none of them holds it), expected_ct_cycles (if tested alone,
        null outside of the most probable set), most_probable.
    sets : pyarrow.Table
        One row a part, which is a connected component of reactive pools and open samples: part, n_pools, n_candidates,
        most_probable (list of sample ids), weight (of that set among all looked at), margin (log weight over the next
        set, null where no other was looked at), complete (whether the search came to its end), n_unexplained (reactive
        pools without a member in the set), misfit_sd (by how many sd the worst pool is off).

    Notes
    -----
    A weight is no result: every candidate gets a test of its own.
    """

    candidates: pa.Table
    sets: pa.Table

    def __repr__(self) -> str:
        """Give the row counts."""
        return f"Candidates(candidates={self.candidates.num_rows}, sets={self.sets.num_rows})"


def rank_candidates(
    members: Any,
    calls: Any,
    *,
    dilution: Dilution,
    assay: Assay | None = None,
    prior: float | Any = 0.01,
    target: str | None = None,
    typical_ct: tuple[float, float] = TYPICAL_CT,
    ct_limit: float = 40.0,
    tolerance: int = 0,
    outliers: float | None = None,
    n_fits: int = 500,
) -> Candidates:
    """Rank the samples that negative pools leave open by the Ct of their reactive pools, and give the likeliest set.

    Parameters
    ----------
    members
        Table `members`.
    calls
        What was read: columns ``specimen_id`` (a pool, or a sample tested alone), ``ct_cycles`` (null: no curve
        crossed), and where there are any ``call`` (``suspect`` counts as reactive, ``invalid`` says nothing) and
        ``target``. Several rows of one specimen are replicates. A specimen without a row is unknown, never negative.
    dilution
        By how many cycles pools read later than their members, and the sd of that, as `fit_dilution` gives it.
    assay
        Specificity allows reactive pools without an infected member, sensitivity allows pools that were missed whatever
        their load; both perfect by default. Dilution is not its business here: that is in the cycles.
    prior
        Probability that a sample is infected, one for all or a table with columns ``sample_id`` and ``probability``.
    target
        The one target to use where several were read.
    typical_ct
        Mean and sd of the Ct of an infected sample tested alone.
    ct_limit
        Later than this nothing is detected.
    tolerance
        Negative pools that an infected sample may be in, by a missed aliquot or a missed detection.
    outliers
        Share of pools whose Ct has nothing to do with their load; that of `dilution` by default.
    n_fits
        Sets whose loads are fitted in one part at most.

    Returns
    -------
    Candidates
        Nobody in it is positive, and nobody is negative by a Ct: elimination alone clears.

    Raises
    ------
    SchemaError
        When a table is not what it should be.
    DesignError
        When a number is out of range, or the target is not clear.

    Notes
    -----
    Reactive pools measure the sum of their infected members' loads with a log-normal error. The weight of a set is
    prior times likelihood, its loads integrated out by Laplace's method under a normal prior of their Ct. Sets come
    from a branch and bound over a linear model of the loads (each part of at most 48 candidates; the linear fit thins
    larger ones), and are improved one sample at a time where the errors are too large for it.

    What a Ct is worth depends on the sd. Measured (300 batches, prior and sd known, perfect detection) is how often the
    most probable set is right: Kirkman 45x105 with 5 infected .91 by calls alone, and with Ct .997 at an sd of 0.1
    cycles, .97 at 0.5, .93 at 2.3; 93x961 with 8 infected .67 by calls alone, and .98, .93 and .76. With loads as far
    apart as those of patients, not within the same three cycles, it is .96 and .85 at 2.3. So at the sd of real pools a
    Ct is worth something as an order of retests, and not much more.

    O(memberships) and per part at most `n_fits` fits of O(pools x set ** 2); parts are independent and share threads.

    References
    ----------
    .. [1] S. Ghosh et al., "A compressed sensing approach to pooled RT-PCR testing for COVID-19 detection", IEEE Open
       Journal of Signal Processing 2 (2021), for the log-normal model of a pool's load.
    .. [2] G. M. Furnival and R. W. Wilson, "Regressions by leaps and bounds", Technometrics 16 (1974), for the search.

    Examples
    --------
    P1 and P2 read alike, so A explains both; somebody of P3 holds little, B or C.

    >>> import pyarrow as pa
    >>> members = pa.table({
    ...     "pool_id": ["P1", "P1", "P2", "P2", "P3", "P3"],
    ...     "sample_id": ["A", "B", "A", "C", "B", "C"],
    ...     "slot": [1, 2, 1, 2, 1, 2],
    ... })
    >>> calls = pa.table({"specimen_id": ["P1", "P2", "P3"], "ct_cycles": [25.0, 25.1, 33.0]})
    >>> found = rank_candidates(members, calls, dilution=Dilution(shift_cycles=1.0, sd_cycles=0.5))
    >>> [(row["sample_id"], row["rank"], round(row["weight"], 2)) for row in found.candidates.to_pylist()]
    [('A', 1, 1.0), ('B', 2, 0.5), ('C', 3, 0.5)]
    """
    _check_numbers(typical_ct, ct_limit, tolerance, outliers, n_fits)
    looked = look_up(members, calls, target)
    log_odds = _log_odds(looked, prior)
    per_cycle = math.log1p(dilution.efficiency)
    beliefs = _beliefs(dilution, assay or Assay(), typical_ct, ct_limit, outliers, n_fits)
    graph, n_singles = _graph(looked)
    read = _read(looked, graph, dilution, ct_limit, log_odds, n_singles)
    parts = _parts(graph, read.outcome, tolerance)
    found = _search(parts, read, beliefs)
    return _tables(looked, parts, found, per_cycle)


def _check_numbers(
    typical_ct: tuple[float, float], ct_limit: float, tolerance: int, outliers: float | None, n_fits: int
) -> None:
    problems = []
    if not (math.isfinite(typical_ct[0]) and 0.0 < typical_ct[1] < math.inf):
        problems.append(Problem("typical_ct", f"must be a mean and an sd above 0, found {typical_ct}"))
    if not 0.0 < ct_limit < math.inf:
        problems.append(Problem("ct_limit", f"must be above 0, found {ct_limit}"))
    if tolerance < 0:
        problems.append(Problem("tolerance", f"must be at least 0, found {tolerance}"))
    if outliers is not None and not 0.0 <= outliers < 1.0:
        problems.append(Problem("outliers", f"must be from 0 to below 1, found {outliers}"))
    if n_fits < 1:
        problems.append(Problem("n_fits", f"must be at least 1, found {n_fits}"))
    if problems:
        raise DesignError("candidates cannot be ranked so", problems)


def _log_odds(looked: Looked, prior: float | Any) -> NDArray[np.float64]:
    """Return the log odds of each sample; one that a table of priors does not name has the mean of those it names."""
    n_samples = len(looked.sample_ids)
    if isinstance(prior, int | float):
        if not 0.0 < prior < 1.0:
            raise DesignError(
                "candidates cannot be ranked so",
                [Problem("prior", f"must be above 0 and below 1, found {prior}")],
            )
        values = np.full(n_samples, float(prior))
    else:
        given = conform(prior, PRIORS)
        said = np.asarray(numbers(given["probability"]))
        values = np.full(n_samples, said.mean() if said.size else 0.5)
        rows = TextIndex.of(looked.sample_ids).find(plain(given["sample_id"]))
        values[rows[rows >= 0]] = said[rows >= 0]
    # A prior of 0 or 1 leaves nothing to find; it is kept a little away from certainty.
    values = np.clip(values, 1e-12, 1.0 - 1e-12)
    return np.asarray(np.log(values) - np.log1p(-values), np.float64)


def _beliefs(
    dilution: Dilution,
    assay: Assay,
    typical_ct: tuple[float, float],
    ct_limit: float,
    outliers: float | None,
    n_fits: int,
) -> loads.Beliefs:
    per_cycle = math.log1p(dilution.efficiency)
    table = assay.reactive(1)
    false_reactive, missed = float(table[1, 0]), 1.0 - float(table[1, 1])
    # The Ct of a pool without virus is anywhere up to the limit.
    uncovered = (
        math.log(false_reactive) - math.log(ct_limit * per_cycle) if false_reactive > 0.0 else 10 * loads.FORBIDDEN
    )
    share = (dilution.n_outliers + 0.5) / (dilution.n_pools + 1.0) if dilution.n_pools else _OUTLIERS
    return loads.Beliefs(
        -typical_ct[0] * per_cycle,
        typical_ct[1] * per_cycle,
        uncovered,
        missed,
        share if outliers is None else float(outliers),
        max(_WIDE, 4.0 * dilution.sd_cycles) * per_cycle,
        n_fits,
    )


def _graph(looked: Looked) -> tuple[Graph, int]:
    """Return pools and samples, each sample that was tested alone a pool of one behind the others."""
    n_pools, n_samples = len(looked.pool_ids), len(looked.sample_ids)
    alone = np.flatnonzero(looked.state[n_pools:] != NOT_READ).astype(np.int32)
    pool = np.concatenate((looked.pool, n_pools + np.arange(alone.size, dtype=np.int32)))
    sample = np.concatenate((looked.sample, alone))
    return graph_of(pool, sample, n_pools + alone.size, n_samples), alone.size


def _read(
    looked: Looked,
    graph: Graph,
    dilution: Dilution,
    ct_limit: float,
    log_odds: NDArray[np.float64],
    n_singles: int,
) -> quantitative.Read:
    """Return what was read in natural logarithms of load, undiluted."""
    n_pools = len(looked.pool_ids)
    per_cycle = math.log1p(dilution.efficiency)
    alone = np.flatnonzero(looked.state[n_pools:] != NOT_READ) + n_pools
    specimens = np.concatenate((np.arange(n_pools), alone))
    state, ct = looked.state[specimens], looked.ct_cycles[specimens]
    sizes = np.diff(graph.offsets)
    shift = dilution.shift_at(np.maximum(sizes, 1))
    sd = np.full(specimens.size, dilution.sd_cycles)
    sd[specimens.size - n_singles :] = min(_SD_ALONE, dilution.sd_cycles)
    outcome = np.full(specimens.size, loads.UNKNOWN, np.int8)
    outcome[state == NOT_DETECTED] = loads.NEGATIVE
    outcome[state == DETECTED] = loads.REACTIVE
    return quantitative.Read(
        frozen(outcome),
        frozen(-(ct - shift) * per_cycle),
        frozen(sd * per_cycle),
        frozen(-(ct_limit - shift) * per_cycle),
        frozen(log_odds),
    )


def _parts(graph: Graph, outcome: NDArray[np.int8], tolerance: int) -> open_kernels.Parts:
    candidate = np.zeros(graph.starts.size - 1, np.bool_)
    open_kernels.survive(graph, outcome, tolerance, candidate)
    part, counts = np.empty(outcome.size, np.int32), np.zeros((outcome.size, 3), np.int64)
    n_parts = open_kernels.divide(graph, outcome, candidate, part, counts)
    ends = np.zeros((n_parts + 1, 3), np.int64)
    np.cumsum(counts[:n_parts], axis=0, out=ends[1:])
    n_samples, n_pools, n_edges = ends[-1].tolist()
    parts = open_kernels.Parts(
        frozen(np.ascontiguousarray(ends[:, 0])),
        np.empty(n_samples, np.int32),
        frozen(np.ascontiguousarray(ends[:, 1])),
        np.empty(n_pools, np.int32),
        np.empty(n_pools + 1, np.int64),
        np.empty(n_edges, np.int32),
    )
    open_kernels.collect(graph, candidate, part, parts)
    return open_kernels.Parts(*(frozen(each) for each in parts))


def _search(parts: open_kernels.Parts, read: quantitative.Read, beliefs: loads.Beliefs) -> quantitative.Found:
    n_parts, n_samples = parts.first_sample.size - 1, read.odds.size
    found = quantitative.Found(
        np.zeros(n_samples),
        np.full(n_samples, np.nan),
        np.zeros(n_samples, np.bool_),
        np.empty(n_parts),
        np.empty(n_parts),
        np.empty(n_parts, np.int64),
        np.empty(n_parts, np.bool_),
        np.empty(n_parts, np.int32),
        np.empty(n_parts),
    )
    n_threads = (os.cpu_count() or 1) if parts.samples.size >= _WORTH_A_THREAD else 1
    # Several spans a thread, since parts differ much in what they take.
    share = parts.first_sample + np.arange(n_parts + 1)
    cuts = np.searchsorted(share, np.linspace(0, share[-1], 8 * n_threads + 1)) if n_threads > 1 else [0, n_parts]
    spans = [(int(low), int(high)) for low, high in pairwise(cuts) if low < high]

    def solve(span: tuple[int, int]) -> None:
        quantitative.search(parts, read, beliefs, span[0], span[1], found)

    if n_threads > 1:
        with ThreadPoolExecutor(n_threads) as threads:
            list(threads.map(solve, spans))
    else:
        for span in spans:
            solve(span)
    return found


def _tables(looked: Looked, parts: open_kernels.Parts, found: quantitative.Found, per_cycle: float) -> Candidates:
    n_pools, n_parts = len(looked.pool_ids), parts.first_sample.size - 1
    part = np.repeat(np.arange(n_parts, dtype=np.int32), np.diff(parts.first_sample))
    samples = parts.samples
    untested = looked.state[n_pools + samples] == NOT_READ
    rows, of_part = samples[untested], part[untested]
    expected = -found.height / per_cycle
    order = np.lexsort((rows, np.nan_to_num(expected[rows], nan=np.inf), -found.weight[rows]))
    rows, of_part = rows[order], of_part[order]
    ids = looked.sample_ids
    ranked = [
        ids.take(pa.array(rows)),
        pa.array(of_part),
        pa.array(np.arange(1, rows.size + 1, dtype=np.int32)),
        pa.array(found.weight[rows]),
        pa.array(expected[rows], pa.float64(), from_pandas=True),
        pa.array(found.best[rows]),
    ]
    best = samples[found.best[samples]]
    ends = np.zeros(n_parts + 1, np.int32)
    np.cumsum(np.bincount(part[found.best[samples]], minlength=n_parts), out=ends[1:])
    margin = np.where(found.looked > 1, found.margin, np.nan)
    sets = pa.table(
        {
            "part": pa.array(np.arange(n_parts, dtype=np.int32)),
            "n_pools": pa.array(np.diff(parts.first_pool).astype(np.int32)),
            "n_candidates": pa.array(np.diff(parts.first_sample).astype(np.int32)),
            "most_probable": pa.ListArray.from_arrays(pa.array(ends), ids.take(pa.array(best))),
            "weight": pa.array(found.share),
            "margin": pa.array(margin, pa.float64(), from_pandas=True),
            "complete": pa.array(found.ended),
            "n_unexplained": pa.array(found.unexplained),
            "misfit_sd": pa.array(found.misfit),
        }
    )
    return Candidates(pa.Table.from_arrays(ranked, schema=_CANDIDATES), sets)
