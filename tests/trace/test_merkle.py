"""Leaves, trees and proofs against RFC 9162 written out in plain Python."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import poolkit
from poolkit.kernels.hashing import hash_messages
from poolkit.schemas import TABLES, Table
from poolkit.trace import canonical, merkle
from tests.reference import merkle as twin

KEY = bytes(range(32))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def padded(message: bytes) -> bytes:
    return message + b"\x80" + bytes((55 - len(message)) % 64) + (8 * len(message)).to_bytes(8, "big")


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_many_messages_hash_as_each(messages: list[bytes]) -> None:
    blocks = [padded(message) for message in messages]
    first = np.cumsum([0, *(len(block) // 64 for block in blocks)]).astype(np.int64)
    digests = np.empty((8, len(messages)), np.uint32)
    hash_messages(np.frombuffer(bytearray(b"".join(blocks)), np.uint32), first, digests)
    assert [column.astype(">u4").tobytes() for column in digests.T] == [hashlib.sha256(m).digest() for m in messages]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 100])
def test_roots_and_paths_are_those_of_the_rfc(n: int) -> None:
    leaves = [merkle.leaf_hash(bytes([k])) for k in range(n)]
    words = merkle.words_of(leaves)
    root = merkle.root_of(words)
    assert root == twin.tree_hash(leaves)
    for place in range(n):
        path = merkle.path_of(words, place)
        assert path == twin.inclusion_path(place, leaves)
        assert merkle.root_from_path(leaves[place], place, n, path) == root
        for other in range(n):
            if other != place:
                assert merkle.root_from_path(leaves[place], other, n, path) != root
        assert merkle.root_from_path(leaves[place], place, n, [*path, bytes(32)]) != root
        if path:
            assert merkle.root_from_path(leaves[place], place, n, path[:-1]) != root


def test_published_hashes() -> None:
    """The leaf of nothing, and the tree of eight inputs that the Certificate Transparency projects test with."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf_hash(bytes.fromhex(each)) for each in inputs]
    assert leaves[0].hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.root_of(merkle.words_of(leaves)).hex() == root


def values(row: dict[str, Any]) -> list[Any]:
    return [(each - _EPOCH) // (_EPOCH.resolution) if isinstance(each, datetime) else each for each in row.values()]


def leaves_of(rows: pa.Table, described: Table) -> list[bytes]:
    salts = [canonical.salt_of(KEY, place) for place in range(rows.num_rows)]
    return [twin.leaf(salt, values(row)) for salt, row in zip(salts, rows.to_pylist(), strict=True)]


def hold(rows: pa.Table, described: Table) -> None:
    expected = leaves_of(rows, described)
    found = canonical.leaf_digests(rows, described, KEY)
    assert [column.astype(">u4").tobytes() for column in found.T] == expected
    for place, row in enumerate(rows.slice(0, 3).to_pylist()):
        alone = merkle.leaf_hash(canonical.salt_of(KEY, place) + canonical.row_bytes(row, described))
        assert alone == expected[place]


def test_every_table_of_a_day() -> None:
    made = poolkit.simulate_day(120, 0.05, seed=3)
    outcome = poolkit.process(made.day)
    for name in ("samples", "wells", "runs", "readings", "calls", "results", "orders", "findings", "pools", "members"):
        rows = getattr(outcome, name, None) if getattr(outcome, name, None) is not None else getattr(made.day, name)
        hold(rows, TABLES[name])
        hold(rows.slice(7, 30), TABLES[name])
        hold(rows.slice(0, 0), TABLES[name])


_LOW, _HIGH = (datetime(year, 1, 1) for year in (1900, 2200))  # noqa: DTZ001 - hypothesis adds the zone
_TEXTS = st.text(max_size=200)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "sample_id": _TEXTS,
            "subject_id": _TEXTS,
            "status": st.sampled_from(["negative", "positive"]),
            "probability": st.none() | st.floats(0, 1),
            "evidence": st.none() | _TEXTS,
            "protocol": _TEXTS,
            "decided_at": st.datetimes(_LOW, _HIGH, timezones=st.just(UTC)),
        }
    ),
    max_size=20,
)


@given(_ROWS, st.booleans())
@settings(deadline=None, max_examples=60)
def test_random_results_plain_or_as_dictionaries(rows: list[dict[str, Any]], coded: bool) -> None:
    table = pa.Table.from_pylist(rows, schema=TABLES["results"].schema)
    if coded:
        place = table.column_names.index("evidence")
        table = table.set_column(place, "evidence", table["evidence"].dictionary_encode())
    hold(table, TABLES["results"])


def test_a_row_in_several_chunks_and_over_many_batches(small: bool) -> None:
    n = 300 if small else 20_000
    ids = pa.chunked_array([pa.array([f"S{k}" for k in range(n)]), pa.array(["", "é" * 70])])
    columns = {"pool_id": ids, "sample_id": ids, "slot": pa.array([1] * (n + 2), pa.int16())}
    rows = pa.table(columns | {"volume_ul": pa.array([None, 2.5] * (n // 2 + 1))})
    hold(rows, TABLES["members"])


def test_rows_that_differ_have_other_bytes() -> None:
    """Neither a moved letter nor a null beside an empty text may give the same bytes."""
    described = TABLES["samples"]
    row = dict.fromkeys(described.names, "AB") | {"slot": 1, "collected_at": _EPOCH, "group_id": None}
    others = [
        row | {"sample_id": "ABA", "subject_id": "B"},
        row | {"group_id": ""},
        row | {"slot": 2},
        row | {"recollect_of": None, "group_id": "AB"},
    ]
    seen = {canonical.row_bytes(each, described) for each in [row, *others]}
    assert len(seen) == 5
