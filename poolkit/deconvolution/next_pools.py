"""`next_pools`: which pools to test next, given what is known of every sample."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.deconvolution.looks import Looked, look
from poolkit.deconvolution.open_samples import NEGATIVE, OPEN, POSITIVE, Standing, stand
from poolkit.deconvolution.plans import Joint, Method, Rules, first_pools, plan
from poolkit.errors import DesignError, Problem
from poolkit.schemas import MEMBERS, POOLS, conform

_DIGITS = 6
# Samples that pools across components may tie together, so that all their truths can still be added up.
_MOST_LINKED = 30
_ANSWERS = {NEGATIVE: "negative", OPEN: "open", POSITIVE: "positive"}


class NextPools(NamedTuple):
    """What to test next, and where every sample stands.

    Attributes
    ----------
    pools, members : pyarrow.Table
        Tables `pools` and `members` of the new pools; one of a single sample is a test of that sample alone.
    standing : pyarrow.Table
        One row a sample: ``sample_id``, ``state`` (``negative``, ``positive``, ``open``) and ``probability``, null
        where what was read cannot be true.
    """

    pools: pa.Table
    members: pa.Table
    standing: pa.Table

    def __repr__(self) -> str:
        """Give the row count of each table."""
        counts = zip(self._fields, self, strict=True)
        return f"NextPools({', '.join(f'{name}={rows.num_rows}' for name, rows in counts)})"


def next_pools(
    members: Any,
    calls: Any,
    *,
    prior: float | Any,
    assay: Assay,
    pools: Any = None,
    max_pool: int = 10,
    n_pools: int | None = None,
    cost_missed: float = 200.0,
    cost_false: float = 50.0,
    cost_test: float = 1.0,
    method: Method = "nested",
    rounds_left: int | None = None,
    prefix: str = "N",
    start: int = 1,
) -> NextPools:
    """Choose the best next pools, given what was pooled and read so far.

    Parameters
    ----------
    members
        Table `members` of all pools so far; none before the first.
    calls
        Columns ``specimen_id`` (a pool, or a sample tested alone) and ``call``, several rows a specimen allowed.
        Suspect counts as reactive, invalid says nothing.
    prior
        Probability that a sample is infected before anything was read: columns ``sample_id`` and ``probability`` with
        every sample, pooled or not; or one for all, and then only samples with a pool or a call are known.
    assay
        How likely a pool is to react.
    pools
        Columns ``pool_id`` and ``stage`` of the pools so far; all of stage 1 by default.
    max_pool
        Most samples in a new pool.
    n_pools
        Most new pools, what the plate can hold; the likeliest infected come first.
    cost_missed, cost_false, cost_test
        What a missed infection, a falsely reported one and a test cost, in the same unit.
    method
        ``nested`` search, ``halving``, or mutual ``information``; see Notes.
    rounds_left
        Rounds that are left, this one included; any number by default.
    prefix, start
        Pool ids are the prefix and a running number of at least six digits, from `start`.

    Returns
    -------
    NextPools
        New pools, one stage above the highest so far, their members, and the standing of every sample.

    Raises
    ------
    DesignError
        When a number is out of range or a new pool id is in use already.
    SchemaError
        When a table is not what it should be, or `prior` is a table and does not name every sample.

    Notes
    -----
    **When a sample is settled.** The cheapest further look at a sample is its share of a full pool, ``cost_test /
    max_pool``. It saves at most ``P * cost_missed``, P the posterior. A sample is negative when not even that look
    can pay, ``P * cost_missed <= cost_test / max_pool``; and positive when no test of it alone can,
    ``(1 - P) * cost_false <= cost_test``. A negative further needs a negative look of its own, alone or in a pool
    that was never reactive, of the stage of its last reactive pool or later; a positive a reactive look alone, or
    that nobody else can have made a pool react. All others are open.

    **What is tested.** Samples against whom nothing speaks (never pooled, or back from a reactive pool in which
    another is found) are cut in order of risk into pools of the size that costs least, across components. Of a group
    that holds an infected sample:

    - ``nested`` tests the first of its samples in order of risk, the number by dynamic programming: if that pool
      reacts, the rest is as before any test. With `rounds_left`, several pools that overlap are read together, found
      by a local search over which sample goes into which (`adaptive_tests` states what both take).
    - ``halving`` tests the set that is infected with a chance nearest to one half.
    - ``information`` adds sets while each says most beside the others.

    In the last round every open sample is tested alone. With a perfect assay all three end with exactly the infected
    samples. Posteriors are summed over all truths of a component.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from poolkit import Assay
    >>> from poolkit.schemas import CALLS, MEMBERS
    >>> people = pa.table({"sample_id": [f"S{k}" for k in range(1, 11)], "probability": [0.01] * 10})
    >>> first = next_pools(MEMBERS.empty(), CALLS.empty(), prior=people, assay=Assay())
    >>> first.pools.to_pylist()
    [{'pool_id': 'N000001', 'formed': 'laboratory', 'n_members': 10, 'stage': 1, 'design': None, 'block_id': None}]
    >>> calls = pa.table({"specimen_id": ["N000001"], "call": ["positive"]})
    >>> then = next_pools(first.members, calls, prior=people, assay=Assay(), start=2)
    >>> then.members["sample_id"].to_pylist(), then.pools["stage"].to_pylist()
    (['S1', 'S2', 'S3', 'S4'], [2])
    """
    _check(max_pool, n_pools, (cost_missed, cost_false, cost_test), method, rounds_left, start)
    looked = look(members, calls, prior, pools)
    rules = Rules(method, max_pool, rounds_left, 1.0 - cost_test / cost_false, assay)
    standing = stand(
        looked, assay, negative_below=cost_test / (max_pool * cost_missed), positive_above=rules.positive_above
    )
    chosen = _choose(standing, rules)
    if n_pools is not None:
        urgency = [-max((float(standing.probability[s]) for s in pool), default=0.0) for pool in chosen]
        chosen = [chosen[k] for k in sorted(np.argsort(urgency, kind="stable")[:n_pools])]
    ids = _pool_ids(prefix, start, len(chosen))
    _check_ids(ids, looked)
    stage = int(looked.stage.max(initial=0)) + 1
    return NextPools(_pools(ids, chosen, stage), _members(ids, chosen, looked), _standing(looked, standing))


def _check(
    max_pool: int,
    n_pools: int | None,
    costs: tuple[float, float, float],
    method: str,
    rounds_left: int | None,
    start: int,
) -> None:
    problems = []
    if max_pool < 1:
        problems.append(Problem("max_pool", f"must be at least 1, found {max_pool}"))
    if n_pools is not None and n_pools < 1:
        problems.append(Problem("n_pools", f"must be at least 1, found {n_pools}"))
    if not costs[2] > 0.0:
        problems.append(Problem("cost_test", f"must be above 0, found {costs[2]:g}"))
    for name, cost in zip(("cost_missed", "cost_false"), costs, strict=False):
        if not cost > costs[2]:
            problems.append(Problem(name, f"must be more than a test costs, found {cost:g}"))
    if method not in ("nested", "halving", "information"):
        problems.append(Problem("method", f"must be nested, halving or information, found {method}"))
    if rounds_left is not None and rounds_left < 1:
        problems.append(Problem("rounds_left", f"must be at least 1, found {rounds_left}"))
    if start < 0:
        problems.append(Problem("start", f"must be at least 0, found {start}"))
    if problems:
        raise DesignError("no pools can be chosen so", problems)


def _choose(standing: Standing, rules: Rules) -> list[list[int]]:
    """Return the samples of each next pool: components first, then what is pooled across them."""
    chosen: list[list[int]] = []
    is_open = standing.state == OPEN
    free = is_open & (standing.probability >= 0.0)
    for samples, truths, weights in standing.components:
        pools, unsuspected = plan(Joint(truths, weights), standing.own[samples], is_open[samples], rules)
        chosen += [samples[pool].tolist() for pool in pools]
        free[samples] = False
        free[samples[unsuspected]] = True
    chosen += [[s] for s in np.flatnonzero(is_open & (standing.probability < 0.0)).tolist()]
    for among in _batches(np.flatnonzero(free), standing.tied_to):
        chosen += [among[places].tolist() for places in first_pools(standing.probability[among], rules)]
    return chosen


def _batches(free: NDArray[np.int64], tied_to: NDArray[np.int32]) -> list[NDArray[np.int64]]:
    """Divide samples into those that are pooled together: pools tie components together, but not too many."""
    n_tied = np.bincount(tied_to)
    alone = n_tied[tied_to[free]] == 1
    by_root = free[~alone][np.argsort(tied_to[free[~alone]], kind="stable")]
    roots, starts = np.unique(tied_to[by_root], return_index=True)
    cuts, linked = [], 0
    for root, start in zip(roots.tolist(), starts.tolist(), strict=True):
        linked += int(n_tied[root])
        if linked > _MOST_LINKED and start > 0:
            cuts.append(start)
            linked = int(n_tied[root])
    return [free[alone], *np.split(by_root, cuts)]


def _pool_ids(prefix: str, start: int, n_pools: int) -> pa.Array:
    numbers = pc.utf8_lpad(pa.array(np.arange(start, start + n_pools)).cast(pa.string()), _DIGITS, "0")
    return pc.binary_join_element_wise(prefix, numbers, "")


def _check_ids(ids: pa.Array, looked: Looked) -> None:
    known = pa.concat_arrays([looked.pool_names, looked.names])
    taken = known.filter(pc.is_in(known, value_set=ids))
    if len(taken):
        message = f"{taken[0].as_py()} would be a new pool and is known already; give another prefix or start"
        raise DesignError("the pools cannot be named so", [Problem("start", message)])


def _pools(ids: pa.Array, chosen: list[list[int]], stage: int) -> pa.Table:
    made = {
        "pool_id": ids,
        "formed": pa.repeat("laboratory", len(chosen)),
        "n_members": pa.array([len(pool) for pool in chosen], pa.int16()),
        "stage": pa.array(np.full(len(chosen), stage, np.int8)),
    }
    return conform(pa.table(made), POOLS)


def _members(ids: pa.Array, chosen: list[list[int]], looked: Looked) -> pa.Table:
    sizes = np.array([len(pool) for pool in chosen], np.int64)
    inside = np.array([sample for pool in chosen for sample in pool], np.int64)
    slot = np.arange(inside.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    made = {
        "pool_id": ids.take(pa.array(np.repeat(np.arange(sizes.size), sizes))),
        "sample_id": looked.names.take(pa.array(inside)),
        "slot": pa.array(slot.astype(np.int16)),
    }
    return conform(pa.table(made), MEMBERS)


def _standing(looked: Looked, standing: Standing) -> pa.Table:
    state = pa.array([_ANSWERS[code] for code in range(len(_ANSWERS))])
    return pa.table(
        {
            "sample_id": looked.names,
            "state": state.take(pa.array(standing.state.astype(np.int32))),
            "probability": pa.array(standing.probability, mask=standing.probability < 0.0),
        }
    )
