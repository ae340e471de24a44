"""Single tubes in blocks of a design: every promise of `pool_samples`, its orders, and each error."""

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.pooling import Pooled, pool_samples
from poolkit.schemas import MEMBERS, POOLS, conform
from poolkit.simulation.people import draw_people
from poolkit.simulation.streams import streams
from tests.pooling.tubes import Rows, table
from tests.reference import designs as reference

WIDE = poolkit.load_protocol("cn-10in1-2020").revised("t", source="test", max_pool_size=96, validated_pool_size=96)
NAMES = ("two-stage-4", "hierarchical-6-3-1", "array-2x3", "array-3x3-master", "hypercube-2-3", "partitions-2x3")


def blocks_of(pooled: Pooled) -> dict[str, list[list[int]]]:
    """Return the pools of each block, as rows of samples in order of slot."""
    block = dict(zip(*(pooled.pools[name].to_pylist() for name in ("pool_id", "block_id")), strict=True))
    pools: dict[str, list[int]] = {pool: [] for pool in block}
    for pool, sample in zip(*(pooled.members[name].to_pylist() for name in ("pool_id", "sample_id")), strict=True):
        pools[pool].append(int(sample[1:]))
    found = defaultdict(list)
    for pool, rows in pools.items():
        found[block[pool]].append(rows)
    return dict(found)


households = st.one_of(st.none(), st.integers(0, 12).map("H{}".format))
arrivals = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["person", "food"]), households), max_size=60
)


def expected(name: str, queue: list[int]) -> list[list[int]]:
    """Return the first pools of samples that follow each other, by the definition of the design."""
    block = poolkit.design(name).block
    found = []
    for first in range(0, len(queue), block):
        part = queue[first : first + block]
        found += [[part[place] for place in pool] for stage, pool in reference.pools(name, len(part)) if stage == 1]
    return found


@given(rows=arrivals, name=st.sampled_from(NAMES), data=st.data())
def test_by_arrival_and_by_risk_the_pools_are_those_of_the_definition(rows: Rows, name: str, data: Any) -> None:
    risk = data.draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=len(rows), max_size=len(rows)))
    strata: dict[tuple[str, str], list[int]] = {}
    for row, (site, kind, _) in enumerate(rows):
        strata.setdefault((site, kind), []).append(row)
    for order in ("arrival", "risk"):
        chances = pa.array(risk, pa.float64()) if order == "risk" else None
        pooled = pool_samples(table(rows), name, protocol=WIDE, order=order, risk=chances)
        queues = [sorted(each, key=lambda row: risk[row]) if order == "risk" else each for each in strata.values()]
        found = [pool for block in blocks_of(pooled).values() for pool in block]
        assert found == [pool for queue in queues for pool in expected(name, queue)]


@given(rows=arrivals, name=st.sampled_from(NAMES), order=st.sampled_from(["arrival", "households"]))
def test_what_is_always_so(rows: Rows, name: str, order: Any) -> None:
    pooled = pool_samples(table(rows), name, protocol=WIDE, order=order)
    design = poolkit.design(name)
    block_of: dict[int, str] = {}
    for block, pools in blocks_of(pooled).items():
        assert len({rows[row][:2] for pool in pools for row in pool}) == 1
        inside = list(dict.fromkeys(row for pool in pools for row in pool))
        assert len(inside) <= design.block
        for row in inside:
            assert block_of.setdefault(row, block) == block
        assert [len(pool) for pool in pools] == [
            len(pool) for stage, pool in reference.pools(name, len(inside)) if stage == 1
        ]
    assert pooled.pools["n_members"].to_pylist() == [
        len(pool) for pools in blocks_of(pooled).values() for pool in pools
    ]
    if order == "households":
        together = defaultdict(list)
        for row, each in enumerate(rows):
            if each[2] is not None:
                together[each].append(row)
        for members in together.values():
            if len(members) <= design.block:
                # Whoever is in no pool stands alone in a block.
                assert len({block_of.get(row, "alone") for row in members}) == 1


@given(rows=arrivals, name=st.sampled_from(NAMES), cut=st.integers(0, 5))
def test_sliced_and_encoded_tables_give_the_same_pools(rows: Rows, name: str, cut: int) -> None:
    plain = table(rows)
    padded = pa.concat_tables([table(rows[:cut]), plain]).slice(len(rows[:cut]))
    for column in ("site_id", "kind", "group_id"):
        encoded = padded[column].combine_chunks().dictionary_encode()
        padded = padded.set_column(padded.column_names.index(column), column, encoded)
    for order in ("arrival", "households"):
        one, two = (pool_samples(each, name, protocol=WIDE, order=order) for each in (plain, padded))
        assert one.pools.equals(two.pools)
        assert one.members.equals(two.members)
        assert one.remainders.equals(two.remainders)


def test_the_tables_are_those_of_the_schemas() -> None:
    rows: Rows = [("A", "person", None)] * 5 + [("B", "person", None)]
    pooled = pool_samples(table(rows), "two-stage-3", volume_ul=200.0, prefix="M", start=7)
    assert conform(pooled.pools, POOLS).schema == pooled.pools.schema == POOLS.schema
    assert conform(pooled.members, MEMBERS).schema == pooled.members.schema == MEMBERS.schema
    like = {"formed": "laboratory", "stage": 1, "design": "two-stage-3"}
    assert pooled.pools.to_pylist() == [
        {"pool_id": "M000007", "n_members": 3, "block_id": "MB000007"} | like,
        {"pool_id": "M000008", "n_members": 2, "block_id": "MB000008"} | like,
    ]
    assert pooled.members["sample_id"].to_pylist() == ["S0", "S1", "S2", "S3", "S4"]
    assert pooled.members["slot"].to_pylist() == [1, 2, 3, 1, 2]
    assert set(pooled.members["volume_ul"].to_pylist()) == {200.0}
    assert pooled.remainders.to_pylist() == [
        {"pool_id": "M000008", "site_id": "A", "kind": "person", "n_members": 2},
    ]
    nothing = pool_samples(table([]), "array-8x12", protocol=WIDE)
    assert repr(nothing) == "Pooled(pools=0, members=0, remainders=0)"


def n_tests(name: str, order: Any, correlation: float, seed: int, n: int) -> float:
    """Return the tests of perfect assays a sample when people come in any order."""
    people = draw_people(n, 0.02, correlation, streams(seed, 0))
    mixed = np.random.default_rng(seed).permutation(n)
    rows: Rows = [("A", "person", f"H{household}") for household in people.household[mixed].tolist()]
    infected = people.infected[mixed]
    pools = [pool for block in blocks_of(pool_samples(table(rows), name, order=order)).values() for pool in block]
    return (len(pools) + sum(len(pool) for pool in pools if infected[pool].any())) / n


def test_households_together_spare_tests(small: bool) -> None:
    n, seeds = (2000, 1) if small else (20_000, 3)
    spared = {}
    for correlation in (0.16, 0.3):
        arrival, together = (
            sum(n_tests("two-stage-10", order, correlation, seed, n) for seed in range(seeds))
            for order in ("arrival", "households")
        )
        spared[correlation] = 1 - together / arrival
    if small:
        assert spared[0.16] > 0
    else:
        assert 0.07 < spared[0.16] < spared[0.3] < 0.20


def test_by_risk_the_likely_share_pools() -> None:
    rows: Rows = [("A", "person", None)] * 9
    risk = np.array([0.9, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.1])
    pools = [
        pool
        for block in blocks_of(pool_samples(table(rows), "two-stage-7", order="risk", risk=risk)).values()
        for pool in block
    ]
    assert pools == [[1, 2, 3, 5, 6, 7, 8], [4, 0]]


def test_everything_impossible_comes_at_once() -> None:
    samples = table([("A", "person", None)] * 3)
    with pytest.raises(poolkit.DesignError) as error:
        pool_samples(samples, "array-8x12", order="age", volume_ul=-1.0, start=-1, risk=[0.1, 0.2, 0.3])  # type: ignore[arg-type]
    assert str(error.value) == (
        "the samples cannot be pooled so, 5 problem(s):\n"
        "  - design: array-8x12 has pools of 12, cn-10in1-2020@1 allows 10\n"
        "  - order: must be one of arrival, households, risk, found 'age'\n"
        "  - risk: must be given with order='risk' and only then\n"
        "  - volume_ul: must be above 0, found -1\n"
        "  - start: must be at least 0, found -1"
    )


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        (None, "risk: must be given with order='risk' and only then"),
        ([0.1, 0.2], "risk: must be one a sample, 3, found 2"),
        ([0.1, 1.2, -1.0], "risk: must be from 0 to 1, found 1.2 (rows 1, 2)"),
        ([0.1, float("nan"), 0.0], "risk: must be from 0 to 1, found nan (rows 1)"),
        (pa.array([0.1, None, 0.0]), "risk: must not be null (rows 1)"),
    ],
)
def test_a_risk_is_a_chance_for_every_sample(risk: Any, said: str) -> None:
    with pytest.raises(poolkit.DesignError) as error:
        pool_samples(table([("A", "person", None)] * 3), "two-stage-5", order="risk", risk=risk)
    assert str(error.value) == f"the samples cannot be pooled so, 1 problem(s):\n  - {said}"


def test_households_need_blocks_that_slots_can_count() -> None:
    with pytest.raises(poolkit.DesignError, match="order: households need blocks of at most 32767, found 40000"):
        pool_samples(table([]), "array-200x200", order="households", protocol=WIDE)


def test_shared_tubes_and_taken_names_are_refused() -> None:
    samples = table([("A", "person", None)] * 4)
    place = samples.column_names.index("tube_id")
    with pytest.raises(poolkit.DesignError, match=r"T1 holds 2 samples \(rows 1, 2\)"):
        pool_samples(samples.set_column(place, "tube_id", pa.array(["T0", "T1", "T1", "T3"])), "two-stage-2")
    with pytest.raises(poolkit.DesignError, match="tube_id: P000002 would be a pool id too"):
        pool_samples(samples.set_column(place, "tube_id", pa.array(["T0", "T1", "P000002", "T3"])), "two-stage-2")
