"""Single tubes to pools: against the slow twin, the promises of the docstring, and each error."""

from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolkit.errors import DesignError, ProtocolError, SchemaError
from poolkit.pooling import Pooled, pool_tubes
from poolkit.protocols import load_protocol
from poolkit.schemas import MEMBERS, POOLS, SAMPLES, conform
from tests.pooling.tubes import table
from tests.reference import pooling as reference

WIDE = load_protocol("cn-10in1-2020").revised("t", source="test", max_pool_size=40, validated_pool_size=40)


def contents(pooled):
    """Return the rows of each pool, in order of pool and slot."""
    rows = defaultdict(list)
    for pool, sample in zip(
        pooled.members["pool_id"].to_pylist(), pooled.members["sample_id"].to_pylist(), strict=True
    ):
        rows[pool].append(int(sample[1:]))
    return list(rows.values())


households = st.one_of(st.none(), st.integers(0, 12).map("H{}".format))
arrivals = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["person", "food"]), households), max_size=120
)


@settings(deadline=None)
@given(rows=arrivals, size=st.integers(1, 12), n_open=st.integers(1, 4), keep=st.booleans())
def test_the_pools_are_those_of_the_slow_twin(rows, size, n_open, keep):
    pooled = pool_tubes(table(rows), size=size, protocol=WIDE, open_pools=n_open, keep_groups=keep)
    told = rows if keep else [(site, kind, None) for site, kind, _ in rows]
    assert contents(pooled) == reference.pooled(told, size, n_open)


@settings(deadline=None)
@given(rows=arrivals, size=st.integers(1, 12), n_open=st.integers(1, 4))
def test_the_promises_of_the_docstring(rows, size, n_open):
    pooled = pool_tubes(table(rows), size=size, protocol=WIDE, open_pools=n_open)
    pools = contents(pooled)
    assert sorted(row for pool in pools for row in pool) == list(range(len(rows)))
    fate = defaultdict(set)
    households = Counter(row for row in rows if row[2] is not None)
    per_stratum = defaultdict(list)
    for number, pool in enumerate(pools):
        assert 1 <= len(pool) <= size
        strata = {rows[row][:2] for row in pool}
        assert len(strata) == 1
        per_stratum[strata.pop()].append(len(pool))
        for row in pool:
            fate[rows[row]].add(number)
    for household, n in households.items():
        if n <= size:
            assert len(fate[household]) == 1
    for stratum, filled in per_stratum.items():
        assert sum(2 * n <= size for n in filled) <= 1
        assert len(filled) < 2 * sum(row[:2] == stratum for row in rows) / size + 1


@settings(deadline=None)
@given(n=st.integers(0, 200), size=st.integers(1, 12))
def test_without_groups_all_pools_but_the_last_are_full(n, size):
    pooled = pool_tubes(table([("A", "person", None)] * n), size=size, protocol=WIDE)
    assert pooled.pools["n_members"].to_pylist() == [size] * (n // size) + ([n % size] if n % size else [])
    assert pooled.members["sample_id"].to_pylist() == [f"S{k}" for k in range(n)]


def test_the_tables_are_those_of_the_schemas():
    rows = [("A", "person", "H1"), ("B", "person", None), ("A", "food", None), ("A", "person", None)]
    pooled = pool_tubes(table(rows), size=2, volume_ul=200.0, prefix="M-", start=999_999)
    assert conform(pooled.pools, POOLS).schema == pooled.pools.schema == POOLS.schema
    assert conform(pooled.members, MEMBERS).schema == pooled.members.schema == MEMBERS.schema
    alone = {"design": None, "block_id": None}
    assert pooled.pools.to_pylist() == [
        {"pool_id": "M-999999", "formed": "laboratory", "n_members": 2, "stage": 1} | alone,
        {"pool_id": "M-1000000", "formed": "laboratory", "n_members": 1, "stage": 1} | alone,
        {"pool_id": "M-1000001", "formed": "laboratory", "n_members": 1, "stage": 1} | alone,
    ]
    assert pooled.members.to_pylist() == [
        {"pool_id": "M-999999", "sample_id": "S0", "slot": 1, "volume_ul": 200.0},
        {"pool_id": "M-999999", "sample_id": "S3", "slot": 2, "volume_ul": 200.0},
        {"pool_id": "M-1000000", "sample_id": "S1", "slot": 1, "volume_ul": 200.0},
        {"pool_id": "M-1000001", "sample_id": "S2", "slot": 1, "volume_ul": 200.0},
    ]
    assert pooled.remainders.to_pylist() == [
        {"pool_id": "M-1000000", "site_id": "B", "kind": "person", "n_members": 1},
        {"pool_id": "M-1000001", "site_id": "A", "kind": "food", "n_members": 1},
    ]
    assert repr(pooled) == "Pooled(pools=3, members=4, remainders=2)"
    assert pool_tubes(table(rows), size=2).members["volume_ul"].null_count == 4


def test_a_large_household_fills_pools_of_its_own_and_its_rest_is_placed():
    rows = [("A", "person", None)] + [("A", "person", "H")] * 7
    assert contents(pool_tubes(table(rows), size=3)) == [[0, 7], [1, 2, 3], [4, 5, 6]]


def test_a_household_swabbed_at_two_sites_is_two_groups():
    rows = [("A", "person", "H"), ("B", "person", "H"), ("A", "person", "H")]
    assert contents(pool_tubes(table(rows), size=3)) == [[0, 2], [1]]


def test_best_fit_before_oldest():
    rows = [("A", "person", name) for name in "aabbbcc"] + [("A", "person", None)]
    assert contents(pool_tubes(table(rows), size=4)) == [[0, 1, 5, 6], [2, 3, 4, 7]]


def test_no_samples_no_pools():
    pooled = pool_tubes(SAMPLES.empty())
    assert isinstance(pooled, Pooled)
    assert [each.num_rows for each in (pooled.pools, pooled.members, pooled.remainders)] == [0, 0, 0]
    assert pooled.pools.schema == POOLS.schema
    assert pooled.members.schema == MEMBERS.schema


def test_a_slice_pools_as_the_same_rows_alone():
    rows = [
        ("A", "person", "H1"),
        ("B", "food", "H2"),
        ("A", "person", None),
        ("A", "person", "H1"),
        ("A", "food", None),
    ]
    whole = table(rows * 20)
    for name in ("sample_id", "tube_id"):
        assert len(set(whole[name].to_pylist())) == 100
    pieces = pa.concat_tables([whole.slice(13, 20), whole.slice(33, 21)])
    alone = pa.table({name: whole[name].to_pylist()[13:54] for name in whole.column_names}, schema=whole.schema)
    found, expected = pool_tubes(pieces), pool_tubes(alone)
    assert found.members.equals(expected.members)
    assert found.remainders.equals(expected.remainders)


def test_dictionary_columns_pool_as_plain_ones():
    rows = [("A", "person", "H1"), ("B", "food", "H2"), ("A", "person", None), ("B", "food", "H1")] * 5
    plain = table(rows)
    coded = plain
    for name in ("sample_id", "site_id", "kind", "tube_id", "group_id"):
        k = coded.column_names.index(name)
        coded = coded.set_column(k, name, coded[name].dictionary_encode())
    found, expected = pool_tubes(coded, size=3), pool_tubes(plain, size=3)
    assert found.members.equals(expected.members)
    assert found.remainders.equals(expected.remainders)


def test_a_shared_tube_is_not_pooled_again():
    samples = table([("A", "person", None)] * 6)
    shared = pa.array(["T0", "T9", "T1", "T9", "T0", "T9"])
    samples = samples.set_column(samples.column_names.index("tube_id"), "tube_id", shared)
    with pytest.raises(DesignError) as error:
        pool_tubes(samples)
    assert str(error.value) == (
        "a specimen made of already pooled tubes was asked for, 2 problem(s):\n"
        "  - tube_id: T0 holds 2 samples (rows 0, 4)\n"
        "  - tube_id: T9 holds 3 samples (rows 1, 3, 5)"
    )


def test_numbers_out_of_range_come_all_at_once():
    samples = table([("A", "person", None)])
    with pytest.raises(DesignError) as error:
        pool_tubes(samples, size=11, open_pools=0, volume_ul=-1.0, start=-1)
    assert str(error.value) == (
        "the tubes cannot be pooled so, 4 problem(s):\n"
        "  - size: 11 is more than cn-10in1-2020@1 allows; the largest allowed is 10\n"
        "  - open_pools: must be at least 1, found 0\n"
        "  - volume_ul: must be above 0, found -1\n"
        "  - start: must be at least 0, found -1"
    )
    with pytest.raises(DesignError, match="size: must be at least 1, found 0"):
        pool_tubes(samples, size=0)
    with pytest.raises(DesignError, match="volume_ul: must be above 0, found nan"):
        pool_tubes(samples, volume_ul=float("nan"))


def test_the_size_is_held_to_the_protocol():
    samples = table([("A", "person", None)])
    assert pool_tubes(samples, size=20, protocol="cn-20in1-2022").pools.num_rows == 1
    with pytest.raises(DesignError, match="size: 6 is more than us-fda-media-pool@1 allows; the largest allowed is 5"):
        pool_tubes(samples, size=6, protocol="us-fda-media-pool")
    with pytest.raises(ProtocolError, match="no protocol is called 'cn-30in1'"):
        pool_tubes(samples, protocol="cn-30in1")


def test_a_pool_is_not_named_like_a_tube_or_a_sample():
    samples = table([("A", "person", None)] * 3)
    for name in ("tube_id", "sample_id"):
        named = pa.array(["X1", "P000002", "P000003"])
        taken = samples.set_column(samples.column_names.index(name), name, named)
        with pytest.raises(DesignError) as error:
            pool_tubes(taken, size=1)
        assert str(error.value) == (
            "the pools cannot be named so, 1 problem(s):\n"
            f"  - {name}: P000002 would be a pool id too; give another prefix or start (rows 1, 2)"
        )
        assert pool_tubes(taken, size=1, prefix="L").pools.num_rows == 3


def test_what_is_no_samples_table():
    samples = table([("A", "person", None), ("A", "dog", None)]).drop_columns(["site_id"])
    with pytest.raises(SchemaError) as error:
        pool_tubes(samples)
    assert str(error.value) == (
        "not a 'samples' batch, 2 problem(s):\n"
        "  - site_id: missing, expected string\n"
        "  - kind: must be one of person, food, packaging, environment, found 'dog' (rows 1)"
    )
