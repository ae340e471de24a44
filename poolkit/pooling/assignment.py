"""`pool_samples`: single tubes that arrived stand in blocks of a design, and its first pools are mixed."""

import math
import os
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem
from poolkit.kernels import pooling
from poolkit.pooling.designs import Design
from poolkit.pooling.designs import design as design_of
from poolkit.pooling.mixing import MOST_SLOTS, Pooled, check_ids, check_tubes, groups, numbered_ids
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, conform

Order = Literal["arrival", "households", "risk"]

# Blocks of one site and kind that households are fitted into at once, as in `pool_tubes`.
_OPEN_BLOCKS = 8


def pool_samples(
    samples: Any,
    design: Design | str | os.PathLike[str] | Any,
    *,
    protocol: Protocol | str | os.PathLike[str] = "cn-10in1-2020",
    order: Order = "arrival",
    risk: ArrayLike | pa.Array | pa.ChunkedArray | None = None,
    volume_ul: float | None = None,
    prefix: str = "P",
    start: int = 1,
) -> Pooled:
    """Lay single tubes out in blocks of a design and mix its pools of the first stage, sites and kinds apart.

    Parameters
    ----------
    samples
        Table `samples`, one row a tube, in order of arrival.
    design
        A design, or what `poolkit.design` takes: a name, a table or a file.
    protocol
        A protocol, the name of one, or the path of its file; no pool of the design may be larger than it allows.
    order
        How samples of a site and kind follow each other: ``arrival``; ``households``, those of one `group_id` side by
        side and in one block; ``risk``, the likeliest to be infected together and last.
    risk
        With ``risk``: how likely each sample is to be infected, 0 to 1, one a row.
    volume_ul
        Volume taken from each tube for each pool, in microlitres; null in the table when not given.
    prefix, start
        Pool ids are the prefix and a running number of at least six digits, from `start`; block ids have a B between.

    Returns
    -------
    Pooled
        The pools of stage 1 with `design` and `block_id`, their members in order of pool and slot, and as remainders
        the pools of blocks that are not full. A sample that the design puts in no pool, such as the last alone in its
        block, is not there: its tube is tested alone. `next_stage_pools` gives the pools of later stages.

    Raises
    ------
    DesignError
        When a tube holds more than one sample, the design has a larger pool than the protocol allows, no design has
        the name, a number is out of range, or a pool id is the barcode of one of the tubes or samples already.
    SchemaError
        When `samples` is not such a table.
    ProtocolError
        When no protocol has the name.

    Notes
    -----
    Guaranteed: no block, and so no pool, holds two sites or two kinds; each sample is in one block; with ``arrival``
    and ``risk`` all blocks of a site and kind but the last are full; with ``households`` a group that a block can hold
    is in one block, placed by best fit as in `pool_tubes`, its samples in neighbouring slots.

    Why households together: infected members of one household then make one pool reactive in place of several. In
    pools of ten this spares 7 to 17 % of the tests: simulated, 8 % at 1 % infected and 10 % at 5 % with the correlation
    of 0.16 that households have, 14 and 16 % at 1 and 2 % where it is 0.3; a test of this function repeats it. It
    spares less in smaller pools and next to nothing in arrays, whose pools cut across households anyway. Why by risk:
    pools of the unlikely stay negative, and the likely share few pools; the smaller last block falls to the likeliest.

    Cost is O(samples x (pools a sample + 8)); a million samples take about a second, mostly for their ids.

    References
    ----------
    .. [1] Y. Barak et al., "Lessons from applied large-scale pooling of 133,816 SARS-CoV-2 RT-PCR tests", Science
       Translational Medicine 13 (2021), eabf2823: fewer tests than independence predicts, as the infected come
       together; [2] C. R. Bilder, J. M. Tebbs, P. Chen, "Informative retesting", JASA 105 (2010), 942-955.

    Examples
    --------
    >>> import datetime as dt
    >>> import pyarrow as pa
    >>> day = dt.datetime(2022, 6, 1, 8, tzinfo=dt.timezone.utc)
    >>> names = [f"S{k}" for k in range(5)]
    >>> samples = pa.table({
    ...     "sample_id": names, "subject_id": names, "site_id": ["A"] * 5, "collected_at": [day] * 5,
    ...     "kind": ["person"] * 5, "tube_id": [f"T{k}" for k in range(5)], "slot": pa.array([1] * 5, pa.int16()),
    ... })
    >>> pooled = pool_samples(samples, "array-2x2")
    >>> pooled.members.group_by("pool_id").aggregate([("sample_id", "list")])["sample_id_list"].to_pylist()
    [['S0', 'S2'], ['S1', 'S3'], ['S0', 'S1'], ['S2', 'S3']]
    >>> pooled.pools["block_id"].to_pylist()
    ['PB000001', 'PB000001', 'PB000001', 'PB000001']
    """
    rules = load_protocol(protocol)
    laid_out = design_of(design)
    arrived = conform(samples, SAMPLES)
    chances = _checked(laid_out, rules, arrived.num_rows, order, risk, volume_ul, start)
    check_tubes(arrived)
    queue, blocks = _queued(arrived, laid_out.block, order, chances)
    first = _first_pools(laid_out, blocks)

    n_pools = first.sizes.size
    pool_ids = numbered_ids(prefix, start, n_pools)
    check_ids(pool_ids, arrived)
    pool = np.repeat(np.arange(n_pools), first.sizes)
    starts = np.cumsum(first.sizes) - first.sizes
    slot = np.arange(pool.size) - starts[pool] + 1
    rows = queue[first.places]
    number = np.cumsum(np.diff(first.block, prepend=-1) > 0) - 1
    n_blocks = int(number.max(initial=-1)) + 1
    n_members = pa.array(first.sizes.astype(np.int16))
    pools = pa.Table.from_arrays(
        [
            pool_ids,
            pa.repeat("laboratory", n_pools),
            n_members,
            pa.array(np.ones(n_pools, np.int8)),
            pa.repeat(laid_out.name, n_pools),
            numbered_ids(f"{prefix}B", start, n_blocks).take(pa.array(number)),
        ],
        schema=POOLS.schema,
    )
    volumes = pa.nulls(rows.size, pa.float64()) if volume_ul is None else pa.repeat(float(volume_ul), rows.size)
    sample_ids = arrays.plain(arrived["sample_id"]).take(pa.array(rows))
    members = pa.Table.from_arrays(
        [pool_ids.take(pa.array(pool)), sample_ids, pa.array(slot.astype(np.int16)), volumes], schema=MEMBERS.schema
    )
    short = np.flatnonzero(np.diff(blocks)[first.block] < laid_out.block)
    of_first = pa.array(rows[starts[short]])
    remainders = pa.table(
        {
            "pool_id": pool_ids.take(pa.array(short)),
            "site_id": arrays.plain(arrays.whole(arrived["site_id"]).take(of_first)),
            "kind": arrays.plain(arrays.whole(arrived["kind"]).take(of_first)),
            "n_members": n_members.take(pa.array(short)),
        }
    )
    return Pooled(pools, members, remainders)


def _checked(
    laid_out: Design,
    protocol: Protocol,
    n_samples: int,
    order: str,
    risk: ArrayLike | pa.Array | pa.ChunkedArray | None,
    volume_ul: float | None,
    start: int,
) -> NDArray[np.float64]:
    """Refuse all that is impossible at once, and return the chances of the samples, none unless the order asks."""
    problems = []
    chances = np.empty(0)
    largest = int(np.diff(laid_out.block_layout(laid_out.block).offsets).max(initial=0))
    if largest > protocol.max_pool_size:
        what = f"{laid_out.name} has pools of {largest}, {protocol.label} allows {protocol.max_pool_size}"
        problems.append(Problem("design", what))
    if order not in get_args(Order):
        problems.append(Problem("order", f"must be one of {', '.join(get_args(Order))}, found {order!r}"))
    if order == "households" and laid_out.block > MOST_SLOTS:
        problems.append(Problem("order", f"households need blocks of at most {MOST_SLOTS}, found {laid_out.block}"))
    if (risk is not None) != (order == "risk"):
        problems.append(Problem("risk", "must be given with order='risk' and only then"))
    elif risk is not None:
        chances, found = _chances(risk, n_samples)
        problems += found
    if volume_ul is not None and not 0.0 < volume_ul < math.inf:
        problems.append(Problem("volume_ul", f"must be above 0, found {volume_ul:g}"))
    if start < 0:
        problems.append(Problem("start", f"must be at least 0, found {start}"))
    if problems:
        raise DesignError("the samples cannot be pooled so", problems)
    return chances


def _chances(risk: ArrayLike | pa.Array | pa.ChunkedArray, n_samples: int) -> tuple[NDArray[np.float64], list[Problem]]:
    if isinstance(risk, pa.Array | pa.ChunkedArray):
        missing = np.flatnonzero(pc.is_null(risk).to_numpy(zero_copy_only=False) if risk.null_count else [])
        if missing.size:
            return np.empty(0), [Problem("risk", "must not be null", tuple(missing.tolist()))]
        risk = arrays.whole(risk).to_numpy(zero_copy_only=False)
    chances = np.asarray(risk, np.float64)
    if chances.shape != (n_samples,):
        return chances, [Problem("risk", f"must be one a sample, {n_samples}, found {chances.size}")]
    wrong = np.flatnonzero(~((chances >= 0.0) & (chances <= 1.0)))
    if wrong.size:
        return chances, [Problem("risk", f"must be from 0 to 1, found {chances[wrong[0]]:g}", tuple(wrong.tolist()))]
    return chances, []


def _queued(
    samples: pa.Table, block: int, order: str, chances: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the samples block by block, and where in them each block begins, with the end."""
    offsets, members, stratum, n_strata = groups(samples, keep_groups=order == "households")
    n = samples.num_rows
    if order == "households":
        block_of, slot = np.empty(n, np.int32), np.empty(n, np.int16)
        n_members = np.zeros(n, np.int32)
        places = np.full((n_strata, _OPEN_BLOCKS), -1, np.int32)
        n_blocks = pooling.fill(offsets, members, stratum, block, places, n_members, block_of, slot)
        firsts = np.concatenate((np.zeros(1, np.int64), np.cumsum(n_members[:n_blocks])))
        queue = np.empty(n, np.int64)
        queue[firsts[block_of] + slot - 1] = np.arange(n)
        return queue, firsts
    # Every sample is a group of its own; sites and kinds in order of their first.
    stratum, _ = arrays.first_seen(stratum, pa.array(np.arange(n_strata)))
    keys = (chances, stratum) if order == "risk" else (stratum,)
    queue = np.lexsort(keys)
    counts = np.bincount(stratum, minlength=n_strata)
    n_blocks_of = -(-counts // block)
    # Each block begins a block after the one before, but for the first of a site and kind.
    within = np.arange(int(n_blocks_of.sum())) - np.repeat(np.cumsum(n_blocks_of) - n_blocks_of, n_blocks_of)
    firsts = np.repeat(np.cumsum(counts) - counts, n_blocks_of) + within * block
    return queue, np.append(firsts, n)


class _FirstPools(NamedTuple):
    """The pools of stage 1: their block, their size, and where their members stand in the queue, pool by pool."""

    block: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.int64]


def _first_pools(laid_out: Design, blocks: NDArray[np.int64]) -> _FirstPools:
    """Return the first pools of all blocks, in order of block; blocks of one size are laid out at once."""
    n_in = np.diff(blocks)
    found = []
    for n in np.unique(n_in).tolist():
        layout = laid_out.block_layout(n)
        n_pools = int(np.searchsorted(layout.stage, 2))
        sizes = np.diff(layout.offsets[: n_pools + 1])
        same = np.flatnonzero(n_in == n)
        places = (blocks[same][:, None] + layout.members[None, : layout.offsets[n_pools]]).ravel()
        found.append(_FirstPools(np.repeat(same, n_pools), np.tile(sizes, same.size), places))
    empty = _FirstPools(*(np.empty(0, np.int64) for _ in _FirstPools._fields))
    block, sizes, places = (np.concatenate(each) for each in zip(empty, *found, strict=True))
    if len(found) < 2:
        return _FirstPools(block, sizes, places)
    order = np.argsort(block, kind="stable")
    starts = np.cumsum(sizes) - sizes
    new_sizes = sizes[order]
    new_starts = np.cumsum(new_sizes) - new_sizes
    shift = np.repeat(starts[order] - new_starts, new_sizes)
    return _FirstPools(block[order], new_sizes, places[np.arange(places.size) + shift])
