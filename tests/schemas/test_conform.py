"""`conform`: what passes, what it becomes, and the words in which every broken rule is named."""

import datetime as dt
import importlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.errors import Problem, SchemaError
from poolkit.schemas import (
    CALLS,
    MEMBERS,
    ORDERS,
    POOLS,
    READINGS,
    RESULTS,
    RUNS,
    SAMPLES,
    TABLES,
    WELLS,
    column,
    conform,
    table,
)
from poolkit.schemas.model import Table

UTC = dt.UTC
NOON = dt.datetime(2022, 3, 1, 12, tzinfo=UTC)
CODED = pa.dictionary(pa.int32(), pa.string())

READ: dict[str, Any] = {
    "run_id": ["R1", "R1", "R2"],
    "well": ["A01", "A02", "A01"],
    "target": ["N", "N", "N"],
    "ct_cycles": [21.5, None, 33.0],
}
SAMPLED: dict[str, Any] = {
    "sample_id": ["S1", "S2"],
    "subject_id": ["P1", "P2"],
    "site_id": ["X", "X"],
    "collected_at": pa.array([NOON, NOON], pa.timestamp("us", tz="UTC")),
    "kind": ["person", "person"],
    "tube_id": ["T1", "T1"],
    "slot": pa.array([1, 2], pa.int16()),
    "group_id": [None, "H1"],
    "recollect_of": pa.nulls(2, pa.string()),
}
CALLED: dict[str, Any] = {
    "run_id": ["R1"],
    "well": ["A01"],
    "plate_id": ["PL1"],
    "specimen_id": ["T1"],
    "call": ["suspect"],
    "reasons": [["single_target", "grey"]],
}


def readings(**changed: Any) -> pa.Table:
    return pa.table(READ | changed)


def samples(**changed: Any) -> pa.Table:
    return pa.table(SAMPLED | changed)


def problems(batch: Any, of: Table = READINGS, *, keys: bool = True) -> list[str]:
    """The text of each problem; the text of the error must be made of them."""
    with pytest.raises(SchemaError) as caught:
        conform(batch, of, keys=keys)
    lines = [str(each) for each in caught.value.problems]
    assert str(caught.value) == "\n  - ".join([f"not a '{of.name}' batch, {len(lines)} problem(s):", *lines])
    return lines


def test_a_right_batch_is_returned_as_the_schema() -> None:
    given = readings()
    found = conform(given, READINGS)
    assert found.schema.equals(READINGS.schema, check_metadata=True)
    assert found.equals(given.cast(READINGS.schema))


def test_a_right_batch_is_not_copied() -> None:
    given = readings()
    found = conform(given, READINGS)
    for name in READINGS.names:
        mine, yours = found[name].chunk(0).buffers()[1], given[name].chunk(0).buffers()[1]
        assert mine.address == yours.address


@pytest.mark.parametrize("of", TABLES.values(), ids=lambda of: of.name)
def test_an_empty_batch_of_every_table_passes(of: Table) -> None:
    assert conform(of.empty(), of).schema.equals(of.schema, check_metadata=True)
    no_batches = pa.Table.from_batches([], of.schema)
    assert conform(no_batches, of).num_rows == 0


def test_columns_are_put_in_order_and_others_dropped() -> None:
    given = readings(note=["a", "b", "c"]).select(["note", "target", "ct_cycles", "well", "run_id"])
    assert conform(given, READINGS).column_names == list(READINGS.names)


def test_an_absent_nullable_column_is_null() -> None:
    given = readings().drop_columns(["ct_cycles"])
    found = conform(given, READINGS)["ct_cycles"]
    assert found.type == pa.float64()
    assert found.null_count == 3


def test_conform_is_idempotent() -> None:
    once = conform(readings(target=pa.array(["N"] * 3).dictionary_encode()), READINGS)
    assert conform(once, READINGS).equals(once, check_metadata=True)


def test_sliced_batch() -> None:
    void = readings(target=pa.nulls(3, pa.string()))
    padded = pa.concat_tables([void, readings(), readings(ct_cycles=[-1.0] * 3)]).combine_chunks()
    assert conform(padded.slice(3, 3), READINGS).equals(conform(readings(), READINGS))
    assert conform(padded.slice(3, 0), READINGS).num_rows == 0


def test_rows_are_counted_in_the_slice() -> None:
    padded = pa.concat_tables([readings(), readings(ct_cycles=[1.0, -1.0, 2.0])])
    assert problems(padded.slice(3)) == ["ct_cycles: must be between 0 and 60, found -1.0 (rows 1)"]


def test_sliced_dictionary_and_list() -> None:
    calls = pa.table({name: values * 3 for name, values in CALLED.items()})
    calls = calls.set_column(1, "well", pa.array(["A01", "A02", "A03"]).dictionary_encode())
    found = conform(calls.slice(1, 2), CALLS)
    assert found["well"].to_pylist() == ["A02", "A03"]
    assert found["reasons"].to_pylist() == [["single_target", "grey"]] * 2


def test_record_batch() -> None:
    assert conform(readings().to_batches()[0], READINGS).num_rows == 3


def test_chunked_columns() -> None:
    chunked = pa.concat_tables([readings(target=[f"T{k}"] * 3) for k in range(4)])
    assert chunked["target"].num_chunks == 4
    assert conform(chunked, READINGS).num_rows == 12
    twice = pa.concat_tables([readings(), readings(ct_cycles=[None, 99.0, 1.0])])
    assert problems(twice) == [
        "ct_cycles: must be between 0 and 60, found 99.0 (rows 4)",
        "(run_id, well, target): duplicate key (R1, A01, N) (rows 0, 3)",
        "(run_id, well, target): duplicate key (R1, A02, N) (rows 1, 4)",
        "(run_id, well, target): duplicate key (R2, A01, N) (rows 2, 5)",
    ]


class Stream:
    """What polars or DuckDB hand over: nothing but the Arrow stream, text as large_string or string_view."""

    def __init__(self, held: pa.Table) -> None:
        self.held = held

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.held.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("text", [pa.large_string(), pa.string_view()], ids=str)
def test_anything_with_an_arrow_stream(text: pa.DataType) -> None:
    held = readings().cast(pa.schema([(name, text) for name in READINGS.names[:3]] + [("ct_cycles", pa.float64())]))
    found = conform(Stream(held), READINGS)
    assert found.equals(conform(readings(), READINGS))


def test_a_reader_is_read() -> None:
    assert conform(readings().to_reader(), READINGS).num_rows == 3


def test_pandas_frame() -> None:
    frame = pd.DataFrame(READ | {"ct_cycles": [21.5, np.nan, 33.0]}, index=[7, 8, 9])
    found = conform(frame, READINGS)
    assert found.equals(conform(readings(), READINGS))
    assert found["ct_cycles"].null_count == 1


def test_pandas_categorical_stays_coded() -> None:
    frame = pd.DataFrame(READ).astype({"target": "category"})
    assert conform(frame, READINGS)["target"].type == CODED


def test_pandas_times_in_another_zone() -> None:
    frame = samples().to_pandas()
    frame["collected_at"] = frame["collected_at"].dt.tz_convert("Asia/Shanghai")
    assert conform(frame, SAMPLES)["collected_at"].to_pylist() == [NOON, NOON]


def test_a_pandas_column_of_mixed_things_is_a_schema_error() -> None:
    [line] = problems(pd.DataFrame(READ | {"well": ["A01", 2, "A03"]}))
    assert line.startswith("table: expected Arrow data, found DataFrame that is not: ")
    assert "well" in line


@pytest.mark.parametrize(
    "batch", [None, [1], {"run_id": ["R1"]}, "readings.csv"], ids=lambda batch: type(batch).__name__
)
def test_what_is_no_table_is_named(batch: object) -> None:
    assert problems(batch) == [f"table: expected Arrow data, found {type(batch).__name__}"]


def test_missing_columns() -> None:
    assert problems(readings().drop_columns(["run_id", "target"])) == [
        "run_id: missing, expected string",
        "target: missing, expected string",
    ]
    assert problems(samples().select(["sample_id"]), SAMPLES)[2:5] == [
        "collected_at: missing, expected timestamp[us, tz=UTC]",
        "kind: missing, expected string",
        "tube_id: missing, expected string",
    ]


def test_a_column_that_stands_twice() -> None:
    twice = readings().append_column("well", pa.array(["B01", "B02", "B03"]))
    assert problems(twice) == ["well: must be one column, found 2 of this name"]
    extra = readings(note=[1, 2, 3]).append_column("note", pa.array([1, 2, 3]))
    assert conform(extra, READINGS).num_rows == 3


def test_null_rows() -> None:
    assert problems(readings(target=[None, "N", None])) == ["target: must not be null (rows 0, 2)"]


def test_many_null_rows_are_all_counted() -> None:
    many = pa.table({"run_id": pa.nulls(5000, pa.string()), "well": ["A01"] * 5000, "target": ["N"] * 5000})
    assert problems(many, keys=False) == ["run_id: must not be null (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4990 more)"]


def test_a_column_of_type_null() -> None:
    assert problems(readings(target=pa.nulls(3))) == ["target: must not be null (rows 0, 1, 2)"]
    assert conform(readings(ct_cycles=pa.nulls(3)), READINGS)["ct_cycles"].type == pa.float64()


@pytest.mark.parametrize(
    ("of", "name", "values", "text"),
    [
        (READINGS, "ct_cycles", ["21.5", "x", ""], "must be float64 (found string)"),
        (READINGS, "ct_cycles", [True, False, True], "must be float64 (found bool)"),
        (READINGS, "well", [1, 2, 3], "must be string (found int64)"),
        (READINGS, "well", [1.0, 2.0, 3.0], "must be string (found float64)"),
        (READINGS, "well", pa.array([1, 2, 3], pa.float32()), "must be string (found float32)"),
        (READINGS, "well", [b"A01", b"A02", b"A03"], "must be string (found binary)"),
        (READINGS, "well", pa.array([1, 2, 3]).dictionary_encode(), "must be string (found dictionary<values=int64"),
        (SAMPLES, "slot", [1.0, 2.0], "must be int16 (found float64)"),
        (SAMPLES, "slot", ["1", "2"], "must be int16 (found string)"),
        (SAMPLES, "collected_at", [NOON.date()] * 2, "must be timestamp[us, tz=UTC] (found date32[day])"),
        (SAMPLES, "collected_at", ["2022-03-01"] * 2, "must be timestamp[us, tz=UTC] (found string)"),
        (SAMPLES, "collected_at", [NOON.replace(tzinfo=None)] * 2, "needs a time zone, found naive times"),
        (CALLS, "reasons", ["grey"], "must be list<item: string> (found string)"),
        (CALLS, "reasons", [[1]], "must be list<item: string> (found list<item: int64>)"),
    ],
)
def test_another_kind_of_type(of: Table, name: str, values: Any, text: str) -> None:
    right = {"readings": READ, "samples": SAMPLED, "calls": CALLED}[of.name]
    [line] = problems(pa.table(right | {name: values}), of)
    assert line.startswith(f"{name}: {text}")


@pytest.mark.parametrize("found", [pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64()], ids=str)
def test_integers_of_another_size(found: pa.DataType) -> None:
    got = conform(samples(slot=pa.array([1, 2], found)), SAMPLES)["slot"]
    assert got.type == pa.int16()
    assert got.to_pylist() == [1, 2]


def test_an_integer_that_does_not_fit() -> None:
    [line] = problems(samples(slot=[1, 40000]), SAMPLES)
    assert line.startswith("slot: must be int16 (found int64: Integer value 40000 not in range")


@pytest.mark.parametrize("found", [pa.float16(), pa.float32(), pa.int8(), pa.int64()], ids=str)
def test_numbers_that_become_float64(found: pa.DataType) -> None:
    values = [21, None, 33] if pa.types.is_integer(found) else [21.5, None, 33.0]
    given = pa.array([None if each is None else found.to_pandas_dtype()(each) for each in values], found)
    got = conform(readings(ct_cycles=given), READINGS)["ct_cycles"]
    assert got.type == pa.float64()
    assert got.to_pylist() == values


def test_a_float32_keeps_its_value() -> None:
    given = pa.array([21.3, None, 33.1], pa.float32())
    assert conform(readings(ct_cycles=given), READINGS)["ct_cycles"].to_pylist() == given.to_pylist()


def test_an_integer_beyond_float64() -> None:
    [line] = problems(readings(ct_cycles=[1, 2, 2**53 + 1]))
    assert line.startswith("ct_cycles: must be float64 (found int64: ")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "+08:00"])
def test_times_without_loss(unit: str, zone: str) -> None:
    given = pa.array([NOON, NOON], pa.timestamp(unit, tz=zone))
    got = conform(samples(collected_at=given), SAMPLES)["collected_at"]
    assert got.type == pa.timestamp("us", tz="UTC")
    assert got.to_pylist() == [NOON, NOON]


def test_a_time_that_would_lose_nanoseconds() -> None:
    given = pa.array([0, 1], pa.timestamp("ns", tz="UTC"))
    [line] = problems(samples(collected_at=given), SAMPLES)
    assert line.startswith("collected_at: must be timestamp[us, tz=UTC] (found timestamp[ns, tz=UTC]: ")
    assert "lose data" in line


@pytest.mark.parametrize(
    "given",
    [
        pa.array([["a", "b"]], pa.large_list(pa.string())),
        pa.array([["a", "b"]], pa.list_(pa.large_string())),
        pa.array([["a", "b"]], pa.list_(pa.field("element", pa.string()))),
        pa.ListArray.from_arrays([0, 2], pa.array(["a", "b"]).dictionary_encode()),
    ],
    ids=lambda given: str(given.type),
)
def test_lists_of_text(given: pa.Array) -> None:
    got = conform(pa.table(CALLED | {"reasons": given}), CALLS)["reasons"]
    assert got.type == pa.list_(pa.string())
    assert got.to_pylist() == [["a", "b"]]


def test_an_empty_list_is_not_null() -> None:
    assert conform(pa.table(CALLED | {"reasons": pa.array([[]], pa.list_(pa.string()))}), CALLS).num_rows == 1
    assert problems(pa.table(CALLED | {"reasons": pa.array([None], pa.list_(pa.string()))}), CALLS) == [
        "reasons: must not be null (rows 0)"
    ]


@pytest.mark.parametrize("indices", [pa.int8(), pa.int32(), pa.uint32(), pa.int64()], ids=str)
@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_dictionaries_stay_coded(indices: pa.DataType, text: pa.DataType) -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1], indices), pa.array(["R1", "R2"], text))
    got = conform(readings(run_id=given), READINGS)["run_id"]
    assert got.type == CODED
    assert got.cast(pa.string()).to_pylist() == ["R1", "R1", "R2"]


def test_an_ordered_dictionary() -> None:
    given = pa.DictionaryArray.from_arrays([0, 0, 1], ["R1", "R2"], ordered=True)
    assert conform(readings(run_id=given), READINGS)["run_id"].type == CODED


def test_chunks_come_to_share_one_dictionary() -> None:
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["a", "c"]).dictionary_encode()]
    given = pa.table(
        {"run_id": pa.chunked_array(chunks), "well": ["A01", "A02", "A03", "A04"], "target": ["N"] * 4},
    )
    got = conform(given, READINGS)["run_id"]
    assert [chunk.dictionary.to_pylist() for chunk in got.chunks] == [["b", "a", "c"]] * 2
    assert got.cast(pa.string()).to_pylist() == ["b", "a", "a", "c"]


def test_a_dictionary_that_names_a_value_twice_cannot_hide_a_duplicate() -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), ["R1", "R1", "R2"])
    assert problems(readings(run_id=given, well=["A01"] * 3)) == [
        "(run_id, well, target): duplicate key (R1, A01, N) (rows 0, 1)"
    ]
    assert conform(readings(run_id=given), READINGS)["run_id"].to_pylist() == ["R1", "R1", "R2"]


def test_a_dictionary_with_a_null_entry_cannot_hide_a_null() -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["R1", None, "R2"]))
    assert problems(readings(run_id=given)) == ["run_id: must not be null (rows 1)"]
    got = conform(samples(group_id=given.take(pa.array([0, 1]))), SAMPLES)["group_id"]
    assert got.null_count == 1
    assert got.chunk(0).dictionary.null_count == 0


def test_a_null_index_of_a_dictionary() -> None:
    given = pa.array(["R1", None, "R2"]).dictionary_encode()
    assert problems(readings(run_id=given)) == ["run_id: must not be null (rows 1)"]


@pytest.mark.parametrize(
    ("cts", "found", "rows"),
    [
        ([-3.0, 21.0, None], "-3.0", "0"),
        ([21.0, float("nan"), None], "nan", "1"),
        ([float("nan")] * 3, "nan", "0, 1, 2"),
        ([None, 21.0, float("inf")], "inf", "2"),
        ([-float("inf"), 21.0, 21.0], "-inf", "0"),
        ([21.0, 1e9, 60.0001], "1000000000.0", "1, 2"),
    ],
)
def test_a_ct_out_of_range(cts: list[float | None], found: str, rows: str) -> None:
    given = pa.array(cts, pa.float64(), from_pandas=False)
    assert problems(readings(ct_cycles=given)) == [f"ct_cycles: must be between 0 and 60, found {found} (rows {rows})"]


@pytest.mark.parametrize("cts", [[0.0, -0.0, 60.0], [None, None, None], [None, 12.0, None]])
def test_a_ct_in_range(cts: list[float | None]) -> None:
    assert conform(readings(ct_cycles=pa.array(cts, pa.float64())), READINGS).num_rows == 3


@pytest.mark.parametrize(("volume", "found"), [(float("inf"), "inf"), (float("nan"), "nan"), (-1.0, "-1.0")])
def test_an_open_end_is_still_finite(volume: float, found: str) -> None:
    members = pa.table({"pool_id": ["T"], "sample_id": ["S"], "slot": [1], "volume_ul": [volume]})
    assert problems(members, MEMBERS) == [f"volume_ul: must be at least 0 and finite, found {found} (rows 0)"]


def test_an_integer_out_of_range() -> None:
    assert problems(samples(slot=[0, 1]), SAMPLES) == ["slot: must be at least 1, found 0 (rows 0)"]
    pools = pa.table({"pool_id": ["T"], "formed": ["single"], "n_members": [-1], "stage": [0]})
    assert problems(pools, POOLS) == [
        "n_members: must be at least 0, found -1 (rows 0)",
        "stage: must be at least 1, found 0 (rows 0)",
    ]


def test_a_column_with_only_a_maximum() -> None:
    of = table("volumes", "Volumes.", column("volume_ul", pa.float64(), "Volume.", maximum=5.0))
    assert conform(pa.table({"volume_ul": [-7.0, 5.0]}), of).num_rows == 2
    assert problems(pa.table({"volume_ul": [1.0, 6.0, -np.inf]}), of) == [
        "volume_ul: must be at most 5 and finite, found 6.0 (rows 1, 2)"
    ]


def test_a_probability_out_of_range() -> None:
    results = pa.table(
        {
            "sample_id": ["S1", "S2"],
            "subject_id": ["P1", "P2"],
            "status": ["negative", "clear"],
            "probability": [1.5, None],
            "protocol": ["x@1"] * 2,
            "decided_at": pa.array([NOON] * 2, pa.timestamp("us", tz="UTC")),
        }
    )
    assert problems(results, RESULTS) == [
        "status: must be one of negative, positive, suspect, invalid, pending, found 'clear' (rows 1)",
        "probability: must be between 0 and 1, found 1.5 (rows 0)",
    ]


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "coded"])
def test_out_of_the_vocabulary(coded: bool) -> None:
    kinds = pa.array(["Person", "person"])
    given = samples(kind=kinds.dictionary_encode() if coded else kinds)
    assert problems(given, SAMPLES) == [
        "kind: must be one of person, food, packaging, environment, found 'Person' (rows 0)"
    ]


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "coded"])
def test_an_empty_word_is_out_of_the_vocabulary_and_null_is_only_null(coded: bool) -> None:
    kinds = pa.array(["", None])
    given = samples(kind=kinds.dictionary_encode() if coded else kinds)
    assert problems(given, SAMPLES) == [
        "kind: must not be null (rows 1)",
        "kind: must be one of person, food, packaging, environment, found '' (rows 0)",
    ]


def test_a_dictionary_may_hold_a_word_that_no_row_uses() -> None:
    given = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int32()), ["animal", "person"])
    assert conform(samples(kind=given), SAMPLES)["kind"].to_pylist() == ["person", "person"]


def test_duplicate_key_of_one_column() -> None:
    given = samples(sample_id=["S1", "S1"])
    assert problems(given, SAMPLES) == ["sample_id: duplicate key S1 (rows 0, 1)"]
    assert conform(given, SAMPLES, keys=False).num_rows == 2


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "coded"])
def test_duplicate_keys_come_in_order_of_their_first_row(coded: bool) -> None:
    ids = pa.array(["b", "a", "b", "c", "a", "b"])
    given = pa.table(
        {"run_id": ids.dictionary_encode() if coded else ids, "well": ["A01"] * 6, "target": ["N"] * 6},
    )
    assert problems(given) == [
        "(run_id, well, target): duplicate key (b, A01, N) (rows 0, 2, 5)",
        "(run_id, well, target): duplicate key (a, A01, N) (rows 1, 4)",
    ]


def test_keys_are_whole() -> None:
    # Joined text would be the same: "R" + "A01" + "A01N" and "RA01" + "A01" + "N".
    given = readings(run_id=["R", "RA01", "R"], well=["A01", "A01", "A01"], target=["A01N", "N", "N"])
    assert conform(given, READINGS).num_rows == 3


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "coded"])
def test_null_components_of_a_key(coded: bool) -> None:
    ids = pa.array([None, None, "R1"])
    given = readings(run_id=ids.dictionary_encode() if coded else ids, well=["A01", "A01", "A01"])
    assert problems(given) == [
        "run_id: must not be null (rows 0, 1)",
        "(run_id, well, target): duplicate key (None, A01, N) (rows 0, 1)",
    ]
    word = readings(run_id=["None", None, "R1"], well=["A01", "A01", "A01"])
    assert problems(word) == ["run_id: must not be null (rows 1)"]


def test_keys_are_not_looked_at_when_one_of_their_columns_is_broken() -> None:
    assert problems(readings(run_id=["R1", "R1", "R1"], well=[1, 1, 1])) == ["well: must be string (found int64)"]


def test_a_table_loaded_twice_is_told_in_few_lines() -> None:
    names = [f"S{k:04}" for k in range(3000)]
    one = pa.table({"run_id": names, "well": ["A01"] * 3000, "target": ["N"] * 3000})
    lines = problems(pa.concat_tables([one, one]))
    assert len(lines) == 101
    assert lines[0] == "(run_id, well, target): duplicate key (S0000, A01, N) (rows 0, 3000)"
    assert lines[-1] == (
        "(run_id, well, target): 2900 more duplicate keys "
        "(rows 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 and 5790 more)"
    )


@st.composite
def keyed(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    word, well = st.sampled_from(["a", "b", "ab"]), st.sampled_from(["A01", "B01"])
    return draw(st.lists(st.tuples(word, well, word), max_size=20))


# A key is coded as one number, and renumbered on the way where that number would not fit.
@pytest.mark.parametrize("limit", [2**62, 3], ids=["one number", "renumbered"])
@given(rows=keyed(), coded=st.booleans())
def test_duplicates_are_those_that_a_dict_finds(limit: int, rows: list[tuple[str, str, str]], coded: bool) -> None:
    names = READINGS.key
    columns = {name: pa.array([row[k] for row in rows], pa.string()) for k, name in enumerate(names)}
    if coded:
        columns = {name: values.dictionary_encode() for name, values in columns.items()}
    seen: dict[tuple[str, str, str], list[int]] = {}
    for number, row in enumerate(rows):
        seen.setdefault(row, []).append(number)
    expected = tuple(
        Problem("(run_id, well, target)", f"duplicate key ({', '.join(row)})", tuple(numbers))
        for row, numbers in seen.items()
        if len(numbers) > 1
    )
    found: tuple[Problem, ...] = ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("poolkit.schemas.conform"), "_MAX_CODES", limit)
        try:
            conform(pa.table(columns), READINGS)
        except SchemaError as error:
            found = error.problems
    assert found == expected


def test_every_broken_rule_at_once() -> None:
    given = pa.table(
        {
            "run_id": ["R1", "R1", None],
            "well": ["A01", "A01", "A02"],
            "target": ["N", "N", "N"],
            "ct_cycles": [-3.0, 1e9, 20.0],
        }
    )
    assert problems(given) == [
        "run_id: must not be null (rows 2)",
        "ct_cycles: must be between 0 and 60, found -3.0 (rows 0, 1)",
        "(run_id, well, target): duplicate key (R1, A01, N) (rows 0, 1)",
    ]
    broken = samples(kind=["cat", "person"], slot=["1", "2"], collected_at=[NOON.replace(tzinfo=None)] * 2)
    assert problems(broken.drop_columns(["site_id"]), SAMPLES) == [
        "site_id: missing, expected string",
        "collected_at: needs a time zone, found naive times",
        "kind: must be one of person, food, packaging, environment, found 'cat' (rows 0)",
        "slot: must be int16 (found string)",
    ]


def test_the_error_carries_rows_as_numbers() -> None:
    with pytest.raises(SchemaError) as caught:
        conform(samples(sample_id=["S1", "S1"]), SAMPLES)
    assert caught.value.problems == (Problem("sample_id", "duplicate key S1", (0, 1)),)
    assert all(type(row) is int for row in caught.value.problems[0].rows)


@pytest.mark.parametrize("of", TABLES.values(), ids=lambda of: of.name)
def test_every_key_is_of_columns_that_cannot_be_null(of: Table) -> None:
    assert not any(of[name].null for name in of.key)


def test_the_tables_name_each_other_by_the_same_columns() -> None:
    for one, other, name in [(RUNS, READINGS, "run_id"), (SAMPLES, ORDERS, "sample_id"), (POOLS, MEMBERS, "pool_id")]:
        assert one[name].type == other[name].type


WELL_ROW = {"plate_id": "P1", "well": "A01", "content": "specimen", "specimen_id": "T1"}


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("well", ["A1", "Z99", "A00", "A25", "Q01", "a01", "A01 ", "1"])
def test_a_well_name_of_another_form_is_named(well, coded):
    batch = pa.Table.from_pylist([WELL_ROW, WELL_ROW | {"well": well}])
    if coded:
        batch = batch.set_column(1, "well", batch["well"].dictionary_encode())
    with pytest.raises(SchemaError) as caught:
        conform(batch, WELLS)
    assert str(caught.value.problems[0]) == (
        f"well: must look like [A-P](0[1-9]|1[0-9]|2[0-4]), found '{well}' (rows 1)"
    )


@pytest.mark.parametrize("well", ["A01", "H12", "P24", "B20"])
def test_well_names_of_both_plates_pass(well):
    assert conform(pa.Table.from_pylist([WELL_ROW | {"well": well}]), WELLS).num_rows == 1


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("name", ["plate_id", "specimen_id"])
def test_an_empty_text_is_not_a_missing_one(name, coded):
    batch = pa.Table.from_pylist([WELL_ROW, WELL_ROW | {name: "", "well": "A02"}])
    if coded:
        batch = pa.table([column.dictionary_encode() for column in batch.columns], names=batch.column_names)
    with pytest.raises(SchemaError, match=rf"{name}: must not be empty, as missing is null, found '' \(rows 1\)"):
        conform(batch, WELLS)


@pytest.mark.parametrize("microseconds", [-1, 7_258_118_400_000_000, 1_650_000_000_000_000_000])
def test_a_time_of_another_unit_is_named(microseconds):
    row = {"run_id": "R", "plate_id": "P", "instrument_id": "I", "started_at": NOON, "ended_at": NOON}
    batch = pa.Table.from_pylist([row, row | {"run_id": "R2"}])
    ended = pa.array([0, microseconds]).cast(pa.timestamp("us", "UTC"))
    batch = batch.set_column(4, "ended_at", ended)
    with pytest.raises(SchemaError) as caught:
        conform(batch, RUNS)
    assert [str(problem) for problem in caught.value.problems] == [
        f"ended_at: must be between the years 1970 and 2199, found {microseconds} microseconds since 1970 (rows 1)"
    ]
