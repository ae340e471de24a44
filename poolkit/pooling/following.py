"""`next_stage_pools`: from what is still open in a block to the pools of its next stage."""

import math
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem, some
from poolkit.pooling.designs import Design, Layout, design
from poolkit.pooling.mixing import MOST_SLOTS
from poolkit.schemas import MEMBERS, POOLS, conform


@dataclass(frozen=True, slots=True)
class NextStage:
    """What is to be mixed after the pools that were read, and what is to be tested alone.

    Attributes
    ----------
    pools : pyarrow.Table
        Table `pools`: the next pools, ``formed = laboratory``, with design and block.
    members : pyarrow.Table
        Table `members`: the open samples in them, in order of pool and slot.
    alone : pyarrow.StringArray
        Open samples that no later pool of their block holds together with another open one: test them alone.
    """

    pools: pa.Table
    members: pa.Table
    alone: pa.Array

    def __repr__(self) -> str:
        """Give the row count of each table."""
        counts = ", ".join(f"{each.name}={len(getattr(self, each.name))}" for each in fields(self))
        return f"NextStage({counts})"


def next_stage_pools(
    pools: Any, members: Any, open_ids: Any, *, designs: tuple[Design, ...] = (), volume_ul: float | None = None
) -> NextStage:
    """Return the pools of the next stage of every block that still has open samples.

    Parameters
    ----------
    pools
        Table `pools`: all pools of the blocks so far, of every stage that was mixed. Pools without a block are passed
        over.
    members
        Table `members`: which samples are in them.
    open_ids
        Samples that are neither cleared nor settled: an Arrow array of texts, or a sequence.
    designs
        Designs that `poolkit.design` does not find by their name, such as one from a table.
    volume_ul
        Volume taken from each tube for each pool, in microlitres; null in the table when not given.

    Returns
    -------
    NextStage
        The pools, their members, and the samples to test alone. Ids are those of the block, the stage and a number:
        ``PB000001-2-1``. Open samples whose next pool is of a stage still later wait, and are in none of the three.

    Raises
    ------
    DesignError
        When a block's pools are not those that its design lays out, or no design has its name.
    SchemaError
        When a table is not such a table.

    Notes
    -----
    A sample's place in its block is where the first pools hold it: their slots are the layout's. A pool is mixed when
    it holds an open sample, and of open samples only; one that would hold a single one is not mixed. After stage s
    comes the first later stage that has such a pool. Cost is O(members) and a layout for each size of block.

    Examples
    --------
    >>> import pyarrow as pa
    >>> pools = pa.table({"pool_id": ["P1"], "formed": ["laboratory"], "n_members": pa.array([4], pa.int16()),
    ...     "stage": pa.array([1], pa.int8()), "design": ["hierarchical-4-2-1"], "block_id": ["B1"]})
    >>> members = pa.table({"pool_id": ["P1"] * 4, "sample_id": ["a", "b", "c", "d"],
    ...     "slot": pa.array([1, 2, 3, 4], pa.int16())})
    >>> found = next_stage_pools(pools, members, ["a", "b", "c", "d"])
    >>> found.members.select(["pool_id", "sample_id"]).to_pydict()
    {'pool_id': ['B1-2-1', 'B1-2-1', 'B1-2-2', 'B1-2-2'], 'sample_id': ['a', 'b', 'c', 'd']}
    """
    if volume_ul is not None and not 0.0 < volume_ul < math.inf:
        raise DesignError("the pools cannot be mixed", [Problem("volume_ul", f"must be above 0, found {volume_ul:g}")])
    mixed = conform(pools, POOLS)
    mixed = mixed.filter(pc.and_(pc.is_valid(mixed["block_id"]), pc.is_valid(mixed["design"])))
    held = _held(mixed, conform(members, MEMBERS))
    is_open = _flags(open_ids, held.samples)
    known = {each.name: each for each in designs}
    problems = []
    made = []
    alone = [np.empty(0, np.int32)]
    for (number, n, sizes), blocks in _alike(held, is_open).items():
        name = held.designs[number].as_py()
        laid_out = known[name] if name in known else design(name)
        layout = _layout_of(laid_out, n, np.frombuffer(sizes, np.int64))
        placed = None if layout is None else _placed(held, blocks, layout)
        if layout is None or placed is None:
            ids = some(held.blocks.take(pa.array(blocks)).to_pylist())
            problems.append(Problem("block_id", f"{ids} not laid out as {name}"))
            continue
        found, lonely = _following(layout, placed, is_open, held.reached[blocks])
        made += [each._replace(block=blocks[each.block]) for each in found]
        alone.append(lonely)
    if problems:
        raise DesignError("the pools are not those of their designs", problems)
    alone_of = np.zeros(len(held.samples.values), np.bool_)
    alone_of[np.concatenate(alone)] = True
    return _tables(held, made, np.flatnonzero(alone_of), volume_ul)


class _Held(NamedTuple):
    """The first pools of each block, in order of block.

    Block b has pools of the sizes ``pool_sizes[pools[b]:pools[b + 1]]``, and the codes of their samples are
    ``codes[starts[b]:starts[b + 1]]``.
    """

    blocks: pa.Array
    designs: pa.Array
    design: NDArray[np.int32]
    reached: NDArray[np.int8]
    samples: arrays.TextIndex
    pools: NDArray[np.int64]
    pool_sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    codes: NDArray[np.int32]


class _Made(NamedTuple):
    """Pools of one place in the layouts of their blocks: stage and number, and (block, sample) of their members."""

    stage: int
    number: int
    block: NDArray[np.int64]
    sample: NDArray[np.int32]


def _held(pools: pa.Table, members: pa.Table) -> _Held:
    block, blocks = arrays.first_seen(*arrays.encode(pools["block_id"]))
    named, designs = arrays.first_seen(*arrays.encode(pools["design"]))
    stage = arrays.numbers(pools["stage"])
    of_block = np.zeros(len(blocks), np.int32)
    of_block[block] = named
    torn = np.flatnonzero(of_block[block] != named)
    if torn.size:
        ids = some(dict.fromkeys(blocks.take(pa.array(block[torn])).to_pylist()))
        raise DesignError("a block has one design", [Problem("block_id", f"{ids} has several")])
    reached = np.zeros(len(blocks), np.int8)
    np.maximum.at(reached, block, stage)
    # First pools in order of block and id; running numbers of more digits come later.
    ids = arrays.plain(pools["pool_id"])
    first = np.flatnonzero(stage == 1)
    keys = pa.table(
        {"block": block[first], "length": pc.utf8_length(ids.take(pa.array(first))), "id": ids.take(pa.array(first))}
    )
    order = first[pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]).to_numpy()]
    rank = np.full(len(ids) + 1, -1, np.int64)
    rank[order] = np.arange(order.size)
    place = rank[arrays.codes_in(members["pool_id"], ids)]
    rows = np.flatnonzero(place >= 0)
    in_order = place[rows] * (MOST_SLOTS + 1) + arrays.numbers(members["slot"])[rows]
    if (np.diff(in_order) < 0).any():
        rows = rows[np.argsort(in_order, kind="stable")]
    sizes = np.bincount(place[rows], minlength=order.size).astype(np.int64)
    pools_of = np.searchsorted(block[order], np.arange(len(blocks) + 1))
    starts = np.append(0, np.cumsum(sizes))[pools_of]
    samples = arrays.TextIndex.of(arrays.plain(members["sample_id"]).take(pa.array(rows)))
    return _Held(blocks, designs, of_block, reached, samples, pools_of, sizes, starts, samples.codes)


def _flags(open_ids: Any, samples: arrays.TextIndex) -> NDArray[np.bool_]:
    """Return of each sample whether it is open, and false for the place of a sample that no pool names."""
    texts = open_ids if isinstance(open_ids, pa.Array | pa.ChunkedArray) else pa.array(list(open_ids), pa.string())
    flags = np.zeros(len(samples.values) + 1, np.bool_)
    flags[samples.find(arrays.plain(texts).cast(pa.string()).drop_null())] = True
    flags[-1] = False
    return flags


def _alike(held: _Held, is_open: NDArray[np.bool_]) -> dict[tuple[int, int, bytes], NDArray[np.int64]]:
    """Return the blocks with open samples by design, number of samples and sizes of their first pools."""
    block = np.repeat(np.arange(len(held.blocks)), np.diff(held.starts))
    pairs = np.sort(block * len(is_open) + held.codes)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    n_samples = np.bincount(pairs // len(is_open), minlength=len(held.blocks))
    n_open = np.bincount(block[is_open[held.codes]], minlength=len(held.blocks))
    alike: dict[tuple[int, int, bytes], list[int]] = {}
    for each in np.flatnonzero(n_open).tolist():
        sizes = held.pool_sizes[held.pools[each] : held.pools[each + 1]].tobytes()
        alike.setdefault((int(held.design[each]), int(n_samples[each]), sizes), []).append(each)
    return {key: np.array(blocks, np.int64) for key, blocks in alike.items()}


def _layout_of(laid_out: Design, n: int, sizes: NDArray[np.int64]) -> Layout | None:
    """Return the design's layout of a block with first pools of these sizes, which hold n samples."""
    # A design may leave samples out of its first pools.
    for n_block in range(n, laid_out.block + 1):
        layout = laid_out.block_layout(n_block)
        n_first = int(np.searchsorted(layout.stage, 2))
        first = layout.members[: layout.offsets[n_first]]
        n_held = np.unique(first).size
        if n_held == n and np.array_equal(np.diff(layout.offsets[: n_first + 1]), sizes):
            return layout
        if n_held > n:
            break
    return None


def _placed(held: _Held, blocks: NDArray[np.int64], layout: Layout) -> NDArray[np.int32] | None:
    """Return the sample at each place of each block, -1 where no first pool says it; none if pools disagree."""
    first = layout.members[: layout.offsets[np.searchsorted(layout.stage, 2)]]
    given = held.codes[held.starts[blocks][:, None] + np.arange(first.size)]
    placed = np.full((blocks.size, layout.n_samples), -1, np.int32)
    placed[:, first] = given
    return placed if np.array_equal(placed[:, first], given) else None


def _following(
    layout: Layout, placed: NDArray[np.int32], is_open: NDArray[np.bool_], reached: NDArray[np.int8]
) -> tuple[list[_Made], NDArray[np.int32]]:
    """Return the next pools of blocks that are alike, and their open samples in no later pool."""
    open_at = is_open[placed]
    n_before = int(np.searchsorted(layout.stage, 2))
    later = range(n_before, layout.stage.size)
    pools = [layout.members[layout.offsets[pool] : layout.offsets[pool + 1]] for pool in later]
    # Whether each pool, of a stage that is still to come, has two open samples.
    can = np.zeros((len(pools), placed.shape[0]), np.bool_)
    held = np.zeros_like(open_at)
    for place, (pool, stage) in enumerate(zip(pools, layout.stage[n_before:].tolist(), strict=True)):
        can[place] = (stage > reached) & (open_at[:, pool].sum(axis=1) > 1)
        held[:, pool] |= can[place][:, None]
    alone = placed[open_at & ~held]
    made = []
    if pools:
        stages = layout.stage[n_before:]
        coming = np.where(can, stages[:, None], np.int8(127)).min(axis=0)
        numbers = np.arange(stages.size) - np.searchsorted(stages, stages) + 1
        for place, pool in enumerate(pools):
            blocks = np.flatnonzero(can[place] & (coming == stages[place]))
            row, slot = np.nonzero(open_at[blocks][:, pool])
            made.append(_Made(int(stages[place]), int(numbers[place]), blocks[row], placed[blocks[row], pool[slot]]))
    return made, alone


def _tables(held: _Held, made: list[_Made], alone: NDArray[np.int64], volume_ul: float | None) -> NextStage:
    block = np.concatenate([np.empty(0, np.int64), *(each.block for each in made)])
    sample = np.concatenate([np.empty(0, np.int32), *(each.sample for each in made)])
    stage = np.repeat(np.array([each.stage for each in made], np.int8), [each.block.size for each in made])
    number = np.repeat(np.array([each.number for each in made], np.int32), [each.block.size for each in made])
    order = np.lexsort((number, stage, block))
    block, sample, stage, number = block[order], sample[order], stage[order], number[order]
    new = (np.diff(block, prepend=-1) != 0) | (np.diff(stage, prepend=-1) != 0) | (np.diff(number, prepend=-1) != 0)
    firsts = np.flatnonzero(new)
    sizes = np.diff(firsts, append=block.size)
    pool = np.cumsum(new) - 1
    slot = np.arange(block.size) - firsts[pool] + 1
    block_ids = held.blocks.take(pa.array(block[firsts]))
    texts = [pa.array(each[firsts]).cast(pa.string()) for each in (stage, number)]
    pool_ids = pc.binary_join_element_wise(block_ids, *texts, "-")
    names = held.designs.take(pa.array(held.design[block[firsts]]))
    pools = pa.Table.from_arrays(
        [
            pool_ids,
            pa.repeat("laboratory", firsts.size),
            pa.array(sizes.astype(np.int16)),
            pa.array(stage[firsts]),
            names,
            block_ids,
        ],
        schema=POOLS.schema,
    )
    volumes = pa.nulls(block.size, pa.float64()) if volume_ul is None else pa.repeat(float(volume_ul), block.size)
    ids = held.samples.values
    members = pa.Table.from_arrays(
        [pool_ids.take(pa.array(pool)), ids.take(pa.array(sample)), pa.array(slot.astype(np.int16)), volumes],
        schema=MEMBERS.schema,
    )
    return NextStage(pools, members, ids.take(pa.array(alone)))
