"""The pools of later stages against the definition, and what is said of pools that no design laid out."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.pooling import next_stage_pools, pool_samples
from poolkit.pooling.designs.custom import Custom
from poolkit.schemas import MEMBERS, POOLS, conform
from tests.pooling.test_assignment import WIDE, table
from tests.reference import designs as reference

NAMES = (
    "two-stage-4",
    "hierarchical-6-3-1",
    "hierarchical-10-7-3-1",
    "hierarchical-8-4-2-1",
    "array-3x3-master",
    "array-2x3",
    "hypercube-2-3-master",
)


def contents(members: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pool, sample in zip(members["pool_id"].to_pylist(), members["sample_id"].to_pylist(), strict=True):
        found.setdefault(pool, []).append(sample)
    return found


@given(st.sampled_from(NAMES), st.integers(0, 25), st.data())
def test_the_next_pools_are_those_of_the_definition_until_nothing_is_left(name: str, n: int, data: Any) -> None:
    design = poolkit.design(name)
    pooled = pool_samples(table([("A", "person", None)] * n), name, protocol=WIDE)
    pools, members = pooled.pools, pooled.members
    ids = [f"S{k}" for k in range(n)]
    reached = dict.fromkeys(pools["block_id"].to_pylist(), 1)
    order = {block: ids[k * design.block : (k + 1) * design.block] for k, block in enumerate(reached)}
    for _ in range(5):
        still_open = set(data.draw(st.lists(st.sampled_from(ids), unique=True))) if ids else set()
        found = next_stage_pools(pools, members, pa.array(sorted(still_open), pa.string()))
        assert conform(found.pools, POOLS).schema == found.pools.schema == POOLS.schema
        assert conform(found.members, MEMBERS).schema == found.members.schema == MEMBERS.schema
        expected, alone = {}, set()
        for block, samples in order.items():
            given_pools = reference.pools(name, len(samples))
            mixed, left = reference.following(given_pools, samples, still_open, reached[block])
            expected |= {f"{block}-{stage}-{number}": held for stage, number, held in mixed}
            alone |= left
            reached[block] = max([reached[block], *(stage for stage, _, _ in mixed)])
        assert contents(found.members) == expected
        assert found.pools["pool_id"].to_pylist() == list(expected)
        assert found.pools["n_members"].to_pylist() == [len(held) for held in expected.values()]
        assert [
            f"{block}-{stage}"
            for block, stage in zip(*(found.pools[each].to_pylist() for each in ("block_id", "stage")), strict=True)
        ] == [pool.rpartition("-")[0] for pool in expected]
        assert set(found.alone.to_pylist()) == alone
        assert len(found.alone) == len(alone)
        pools, members = pa.concat_tables([pools, found.pools]), pa.concat_tables([members, found.members])


def test_an_infected_sample_is_found_by_halves() -> None:
    pooled = pool_samples(table([("A", "person", None)] * 16), "hierarchical-8-4-2-1")
    found = next_stage_pools(pooled.pools, pooled.members, [f"S{k}" for k in range(8, 16)], volume_ul=50.0)
    assert repr(found) == "NextStage(pools=2, members=8, alone=0)"
    assert found.pools.to_pylist()[0] == {
        "pool_id": "PB000002-2-1",
        "formed": "laboratory",
        "n_members": 4,
        "stage": 2,
        "design": "hierarchical-8-4-2-1",
        "block_id": "PB000002",
    }
    assert set(found.members["volume_ul"].to_pylist()) == {50.0}
    pools = pa.concat_tables([pooled.pools, found.pools])
    members = pa.concat_tables([pooled.members, found.members])
    third = next_stage_pools(pools, members, ["S12", "S13", "S14", "S15"])
    assert contents(third.members) == {"PB000002-3-3": ["S12", "S13"], "PB000002-3-4": ["S14", "S15"]}
    last = next_stage_pools(pa.concat_tables([pools, third.pools]), pa.concat_tables([members, third.members]), ["S14"])
    assert last.pools.num_rows == 0
    assert last.alone.to_pylist() == ["S14"]


def test_the_order_of_the_rows_does_not_matter_nor_does_the_length_of_the_numbers() -> None:
    design = Custom(
        pa.table(
            {
                "pool_id": ["a", "a", "b", "b", "c", "c", "c"],
                "sample_id": ["1", "2", "3", "4", "2", "3", "4"],
                "stage": pa.array([1, 1, 1, 1, 2, 2, 2], pa.int8()),
            }
        )
    )
    pooled = pool_samples(table([("A", "person", None)] * 8), design, start=999_998)
    turned = [each.take(list(range(each.num_rows))[::-1]) for each in (pooled.pools, pooled.members)]
    found = next_stage_pools(*turned, ["S1", "S3", "S5", "S6"], designs=(design,))
    assert {frozenset(held) for held in contents(found.members).values()} == {
        frozenset({"S1", "S3"}),
        frozenset({"S5", "S6"}),
    }


def test_pools_without_a_block_and_unknown_samples_are_passed_over() -> None:
    pooled = pool_samples(table([("A", "person", None)] * 4), "hierarchical-4-2-1")
    free = pooled.pools.set_column(5, POOLS.schema.field("block_id"), pa.nulls(1, pa.string()))
    assert repr(next_stage_pools(free, pooled.members, ["S0", "S1"])) == "NextStage(pools=0, members=0, alone=0)"
    known = next_stage_pools(pooled.pools, pooled.members, ["S0", "S9", "S1"])
    assert contents(known.members) == {"PB000001-2-1": ["S0", "S1"]}
    assert repr(next_stage_pools(POOLS.empty(), MEMBERS.empty(), [])) == "NextStage(pools=0, members=0, alone=0)"


def test_pools_that_are_not_of_their_design() -> None:
    pooled = pool_samples(table([("A", "person", None)] * 4), "array-2x2")
    wrong = pooled.pools.set_column(4, POOLS.schema.field("design"), pa.array(["hierarchical-4-2-1"] * 4))
    with pytest.raises(poolkit.DesignError) as error:
        next_stage_pools(wrong, pooled.members, ["S0"])
    assert str(error.value) == (
        "the pools are not those of their designs, 1 problem(s):\n"
        "  - block_id: PB000001 not laid out as hierarchical-4-2-1"
    )
    # Two columns whose samples stand in two places.
    swapped = pooled.members.set_column(2, MEMBERS.schema.field("slot"), pa.array([1, 2, 2, 1, 1, 2, 1, 2], pa.int16()))
    with pytest.raises(poolkit.DesignError, match="PB000001 not laid out as array-2x2"):
        next_stage_pools(pooled.pools, swapped, ["S0"])
    several = pooled.pools.set_column(
        4, POOLS.schema.field("design"), pa.array(["array-2x2", "two-stage-2", "array-2x2", "array-2x2"])
    )
    with pytest.raises(poolkit.DesignError) as torn:
        next_stage_pools(several, pooled.members, ["S0"])
    assert str(torn.value) == "a block has one design, 1 problem(s):\n  - block_id: PB000001 has several"
    with pytest.raises(poolkit.DesignError, match="volume_ul: must be above 0, found 0"):
        next_stage_pools(pooled.pools, pooled.members, ["S0"], volume_ul=0.0)
