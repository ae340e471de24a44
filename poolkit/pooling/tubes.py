"""`pool_tubes`: single tubes that arrived become pools, households whole, sites and kinds apart."""

import math
import os
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem
from poolkit.kernels import pooling
from poolkit.pooling.mixing import MOST_SLOTS, Pooled, check_ids, check_tubes, groups, numbered_ids
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, conform


def pool_tubes(
    samples: Any,
    *,
    size: int = 10,
    protocol: Protocol | str | os.PathLike[str] = "cn-10in1-2020",
    keep_groups: bool = True,
    open_pools: int = 8,
    volume_ul: float | None = None,
    prefix: str = "P",
    start: int = 1,
) -> Pooled:
    """Mix single tubes into pools of at most `size`, members of a household together, sites and kinds apart.

    Parameters
    ----------
    samples
        Table `samples`, one row a tube, in order of arrival.
    size
        Samples that a full pool holds; at most the protocol's `max_pool_size`.
    protocol
        A protocol, the name of one, or the path of its file.
    keep_groups
        Whether the samples of one `group_id` (of one site and kind) stay in one pool.
    open_pools
        Pools of one site and kind that stand open on the bench at once.
    volume_ul
        Volume taken from each tube, in microlitres; null in the table when not given.
    prefix, start
        Pool ids are the prefix and a running number of at least six digits, from `start`.

    Returns
    -------
    Pooled
        The pools, their members, and the pools with fewer than `size` samples. The tubes themselves are retained:
        a positive pool asks for a `retest` of each.

    Raises
    ------
    DesignError
        When a tube holds more than one sample, `size` is larger than the protocol allows, a number is out of
        range, or a pool id is the barcode of one of the tubes or samples already.
    SchemaError
        When `samples` is not such a table.
    ProtocolError
        When no protocol has the name.

    Notes
    -----
    Groups are taken in order of their first sample. A group goes whole into the open pool of its site and kind with
    the least room that is enough (best fit), else into a new one; when more than `open_pools` stand open, the fullest
    is closed. A group larger than `size` fills pools of its own, and its rest is placed like a group. Guaranteed:

    - every sample is in exactly one pool, no pool holds two sites or two kinds, or more than `size`;
    - a group of at most `size` is in one pool;
    - at most one pool of a site and kind is half full or less, so there are fewer than ``2 n / size + 1`` pools of n
      samples; without groups all but the last are full, ``ceil(n / size)``.

    Cost is O(samples x open_pools); a million samples take well under a second once compiled.

    References
    ----------
    .. [1] D. S. Johnson, A. Demers, J. D. Ullman, M. R. Garey, R. L. Graham, "Worst-case performance bounds for
       simple one-dimensional packing algorithms", SIAM Journal on Computing 3 (1974), for the half-full bound.

    Examples
    --------
    >>> import datetime as dt
    >>> import pyarrow as pa
    >>> day = dt.datetime(2022, 6, 1, 8, tzinfo=dt.timezone.utc)
    >>> names = [f"S{k}" for k in range(5)]
    >>> samples = pa.table({
    ...     "sample_id": names, "subject_id": names, "site_id": ["A"] * 5, "collected_at": [day] * 5,
    ...     "kind": ["person"] * 5, "tube_id": [f"T{k}" for k in range(5)], "slot": pa.array([1] * 5, pa.int16()),
    ...     "group_id": ["H1", None, "H2", "H1", "H2"],
    ... })
    >>> pooled = pool_tubes(samples, size=3)
    >>> pooled.members.select(["pool_id", "sample_id"]).to_pydict()
    {'pool_id': ['P000001', 'P000001', 'P000001', 'P000002', 'P000002'],
     'sample_id': ['S0', 'S3', 'S1', 'S2', 'S4']}
    >>> pooled.remainders.to_pylist()
    [{'pool_id': 'P000002', 'site_id': 'A', 'kind': 'person', 'n_members': 2}]
    """
    rules = load_protocol(protocol)
    _check_numbers(size, rules, open_pools, volume_ul, start)
    arrived = conform(samples, SAMPLES)
    check_tubes(arrived)

    offsets, members, stratum, n_strata = groups(arrived, keep_groups=keep_groups)
    n_samples = arrived.num_rows
    n_members = np.zeros(n_samples, np.int32)
    pool_of = np.empty(n_samples, np.int32)
    slot = np.empty(n_samples, np.int16)
    places = np.full((n_strata, open_pools), -1, np.int32)
    n_pools = pooling.fill(offsets, members, stratum, size, places, n_members, pool_of, slot)
    n_members = n_members[:n_pools]

    # Pool and slot give each sample its row in the members table.
    firsts = np.cumsum(n_members) - n_members
    rows = np.empty(n_samples, np.int64)
    rows[firsts[pool_of] + slot - 1] = np.arange(n_samples)
    pool_ids = numbered_ids(prefix, start, n_pools)
    check_ids(pool_ids, arrived)
    return Pooled(
        _pools(pool_ids, n_members),
        _members(pool_ids, arrived, pool_of[rows], slot[rows], rows, volume_ul),
        _remainders(pool_ids, arrived, rows[firsts], n_members, size),
    )


def _check_numbers(size: int, protocol: Protocol, open_pools: int, volume_ul: float | None, start: int) -> None:
    problems = []
    largest = min(protocol.max_pool_size, MOST_SLOTS)
    if size < 1:
        problems.append(Problem("size", f"must be at least 1, found {size}"))
    elif size > largest:
        problems.append(
            Problem("size", f"{size} is more than {protocol.label} allows; the largest allowed is {largest}")
        )
    if open_pools < 1:
        problems.append(Problem("open_pools", f"must be at least 1, found {open_pools}"))
    if volume_ul is not None and not 0.0 < volume_ul < math.inf:
        problems.append(Problem("volume_ul", f"must be above 0, found {volume_ul:g}"))
    if start < 0:
        problems.append(Problem("start", f"must be at least 0, found {start}"))
    if problems:
        raise DesignError("the tubes cannot be pooled so", problems)


def _pools(pool_ids: pa.Array, n_members: NDArray[np.int32]) -> pa.Table:
    n_pools = len(pool_ids)
    return pa.Table.from_arrays(
        [
            pool_ids,
            pa.repeat("laboratory", n_pools),
            pa.array(n_members.astype(np.int16)),
            pa.array(np.ones(n_pools, np.int8)),
            pa.nulls(n_pools, pa.string()),
            pa.nulls(n_pools, pa.string()),
        ],
        schema=POOLS.schema,
    )


def _members(
    pool_ids: pa.Array,
    samples: pa.Table,
    pool_of: NDArray[np.int32],
    slot: NDArray[np.int16],
    rows: NDArray[np.int64],
    volume_ul: float | None,
) -> pa.Table:
    volume = pa.nulls(rows.size, pa.float64()) if volume_ul is None else pa.array(np.full(rows.size, float(volume_ul)))
    sample_ids = arrays.plain(samples["sample_id"])
    return pa.Table.from_arrays(
        [pool_ids.take(pa.array(pool_of)), sample_ids.take(pa.array(rows)), pa.array(slot), volume],
        schema=MEMBERS.schema,
    )


def _remainders(
    pool_ids: pa.Array, samples: pa.Table, first: NDArray[np.int64], n_members: NDArray[np.int32], size: int
) -> pa.Table:
    short = np.flatnonzero(n_members < size)
    rows = pa.array(first[short])
    return pa.table(
        {
            "pool_id": pool_ids.take(pa.array(short)),
            "site_id": arrays.plain(arrays.whole(samples["site_id"]).take(rows)),
            "kind": arrays.plain(arrays.whole(samples["kind"]).take(rows)),
            "n_members": pa.array(n_members[short].astype(np.int16)),
        }
    )
