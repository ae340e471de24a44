"""Every design against its definition in plain Python, and the rules that all layouts keep."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import poolkit
from poolkit.plates import well_names
from poolkit.pooling.designs import Layout
from poolkit.pooling.designs.layout import first_samples, of_pools, one_behind_the_other
from poolkit.schemas import MEMBERS, conform
from tests.reference import designs as reference

NAMES = (
    *("two-stage-2", "two-stage-5", "hierarchical-10-5-1", "hierarchical-9-3-1", "hierarchical-27-9-3-1"),
    *("hierarchical-10-4-1", "hierarchical-10-7-3-1", "hierarchical-7-5-4-3-2-1", "hierarchical-6-1"),
    *("array-2x2", "array-3x5", "array-5x3-master", "array-8x12", "array-4x4-master"),
    *("hypercube-2-3", "hypercube-3-3", "hypercube-3-3-master", "hypercube-4-2", "hypercube-5-2-master"),
    *("partitions-1x4", "partitions-2x5", "partitions-3x4", "partitions-4x4", "partitions-5x3", "partitions-6x5"),
)


def pools_of(layout: Layout) -> list[tuple[int, list[int]]]:
    members = np.split(layout.members, layout.offsets[1:-1]) if layout.stage.size else []
    return [(stage, pool.tolist()) for stage, pool in zip(layout.stage.tolist(), members, strict=True)]


@st.composite
def designs(draw: st.DrawFn) -> tuple[str, int]:
    name = draw(st.sampled_from(NAMES))
    return name, draw(st.integers(0, 2 * poolkit.design(name).block + 3))


@given(designs())
@example(("hierarchical-10-4-1", 10))
@example(("partitions-4x4", 20))
def test_the_pools_are_those_of_the_definition(asked: tuple[str, int]) -> None:
    name, n = asked
    assert pools_of(poolkit.design(name).layout(n)) == reference.pools(name, n)


@given(designs())
def test_what_every_layout_keeps(asked: tuple[str, int]) -> None:
    name, n = asked
    layout = poolkit.design(name).layout(n)
    assert layout.n_samples == n
    assert (layout.offsets.dtype, layout.members.dtype, layout.stage.dtype) == (np.int64, np.int32, np.int8)
    sizes = np.diff(layout.offsets)
    assert layout.offsets[0] == 0
    assert layout.offsets[-1] == layout.members.size
    assert sizes.min(initial=2) >= 2
    assert layout.members.min(initial=0) >= 0
    assert layout.members.max(initial=-1) < n
    assert (np.diff(layout.stage, prepend=1) >= 0).all()
    block = poolkit.design(name).block
    for _, pool in pools_of(layout):
        assert len(set(pool)) == len(pool)
        assert len({sample // block for sample in pool}) == 1


@given(st.sampled_from(NAMES))
def test_a_full_block_leaves_nobody_out_and_fills_every_stage(name: str) -> None:
    design = poolkit.design(name)
    layout = design.layout(design.block)
    first = layout.members[: layout.offsets[np.searchsorted(layout.stage, 2)]]
    assert set(first.tolist()) == set(range(design.block))


def test_unequal_parts_are_what_is_left() -> None:
    sizes = [(stage, len(pool)) for stage, pool in pools_of(poolkit.design("hierarchical-10-4-1").layout(10))]
    assert sizes == [(1, 10), (2, 4), (2, 4), (2, 2)]
    # The part of three is not split by sevens, nor tested twice; the last of seven by threes is tested alone.
    sizes = [(stage, len(pool)) for stage, pool in pools_of(poolkit.design("hierarchical-10-7-3-1").layout(10))]
    assert sizes == [(1, 10), (2, 7), (2, 3), (3, 3), (3, 3)]


def test_an_array_fills_the_plate_column_by_column() -> None:
    wells = well_names(96, fill="column").to_pylist()
    pools = [{wells[sample] for sample in pool} for _, pool in pools_of(poolkit.design("array-8x12").layout(96))]
    assert pools[0] == {f"A{column:02d}" for column in range(1, 13)}
    assert pools[8] == {f"{row}01" for row in "ABCDEFGH"}
    assert len(pools) == 20


@pytest.mark.parametrize(("number", "size"), [(2, 10), (3, 10), (4, 10), (5, 10), (11, 10), (8, 7), (9, 7), (6, 48)])
def test_two_samples_of_a_full_block_share_at_most_one_pool(number: int, size: int) -> None:
    facts = poolkit.design(f"partitions-{number}x{size}").describe()
    assert facts.largest_overlap == 1
    assert (facts.fewest_pools, facts.most_pools) == (number, number)
    assert (facts.smallest_pool, facts.largest_pool) == ((size,), (size,))


@given(st.integers(1, 6), st.integers(2, 9), st.integers(2, 90))
def test_partitions_of_a_rest_keep_the_size(number: int, size: int, n: int) -> None:
    for _, pool in pools_of(poolkit.design(f"partitions-{number}x{size}").layout(n)):
        assert len(pool) <= size


def test_members_is_the_table_of_the_schemas() -> None:
    members = poolkit.design("hierarchical-4-2-1").members(6)
    assert conform(members, MEMBERS).num_rows == members.num_rows == 4 + 2 + 2 + 2
    assert members.select(["pool_id", "sample_id", "slot"]).to_pydict() == {
        "pool_id": ["P1"] * 4 + ["P2"] * 2 + ["P3"] * 2 + ["P4"] * 2,
        "sample_id": ["S1", "S2", "S3", "S4", "S5", "S6", "S1", "S2", "S3", "S4"],
        "slot": [1, 2, 3, 4, 1, 2, 1, 2, 1, 2],
    }
    assert poolkit.design("array-8x12").members(0).num_rows == 0
    assert poolkit.design("two-stage-5").members(1).num_rows == 0


def test_fewer_than_no_samples() -> None:
    with pytest.raises(poolkit.DesignError) as error:
        poolkit.design("two-stage-5").layout(-1)
    assert str(error.value) == "no samples to pool, 1 problem(s):\n  - n: must be at least 0, found -1"


def test_layouts_are_cut_and_joined() -> None:
    whole = of_pools(4, [[0, 1, 2, 3]], [[0, 1], [2, 3]])
    assert first_samples(whole, 4) is whole
    assert pools_of(first_samples(whole, 3)) == [(1, [0, 1, 2]), (2, [0, 1])]
    assert pools_of(first_samples(whole, 2)) == [(1, [0, 1])]
    assert pools_of(first_samples(whole, 1)) == []
    joined = one_behind_the_other(whole, 2, first_samples(whole, 3))
    assert joined.n_samples == 11
    assert pools_of(joined) == [
        *((1, [0, 1, 2, 3]), (1, [4, 5, 6, 7]), (1, [8, 9, 10])),
        *((2, [0, 1]), (2, [2, 3]), (2, [4, 5]), (2, [6, 7]), (2, [8, 9])),
    ]


def test_a_table_of_the_pools_is_read_back() -> None:
    for name in NAMES:
        design = poolkit.design(name)
        again = poolkit.design(pa.table(design.table(design.block)))
        assert again.describe().n_pools == design.describe().n_pools
        assert again.describe().disjunct == design.describe().disjunct
