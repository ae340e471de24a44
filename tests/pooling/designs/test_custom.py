"""Designs of one's own: read from any table or file, and what is said of one that is none."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import poolkit
from poolkit.formats import write_table
from poolkit.pooling.designs.custom import Custom
from tests.pooling.designs.test_layouts import pools_of

ROWS = [("B", "x", 2), ("A", "y", 1), ("B", "z", 2), ("A", "x", 1), ("C", "z", 1), ("A", "z", None)]


def table(rows: list[tuple[str, str, int | None]]) -> pa.Table:
    columns = [[row[k] for row in rows] for k in range(3)]
    texts = [pa.array(each, pa.string()) for each in columns[:2]]
    return pa.table([*texts, pa.array(columns[2], pa.int8())], names=["pool_id", "sample_id", "stage"])


def test_pools_and_samples_follow_their_first_row_and_single_samples_stay_out() -> None:
    design = Custom(table(ROWS))
    assert (design.name, design.block) == ("custom", 3)
    assert design.sample_ids.to_pylist() == ["x", "y", "z"]
    assert design.pool_ids.to_pylist() == ["A", "B"]
    assert pools_of(design.layout(3)) == [(1, [1, 0, 2]), (2, [0, 2])]
    assert pools_of(design.layout(5)) == [(1, [1, 0, 2]), (1, [4, 3]), (2, [0, 2])]


@given(
    st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("stuvwxyz")), min_size=1, unique=True),
    st.integers(0, 3),
    st.booleans(),
)
def test_sliced_encoded_and_chunked_tables_are_the_same(rows: list[tuple[str, str]], cut: int, encoded: bool) -> None:
    plain = table([(pool, sample, 1) for pool, sample in rows])
    padded = pa.concat_tables([plain.slice(0, cut), plain, plain.slice(0, 2)]).slice(min(cut, len(rows)), len(rows))
    if encoded:
        names = ("pool_id", "sample_id")
        padded = pa.table({name: padded[name].dictionary_encode() for name in names})
    assert pools_of(poolkit.design(padded).layout(20)) == pools_of(poolkit.design(plain).layout(20))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_file_is_read_and_found_again_by_its_path(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"own{suffix}"
    write_table(table(ROWS), path)
    for what in (path, str(path)):
        design = poolkit.design(what)
        assert (design.name, design.block) == (str(path), 3)
        assert pools_of(poolkit.design(design.name).layout(3)) == pools_of(Custom(table(ROWS)).layout(3))


def test_what_is_no_design() -> None:
    with pytest.raises(poolkit.SchemaError) as schema:
        poolkit.design(pa.table({"pool_id": ["A", "A"], "sample": ["x", "y"]}))
    assert str(schema.value) == "not a 'design' batch, 1 problem(s):\n  - sample_id: missing, expected string"
    with pytest.raises(poolkit.SchemaError) as twice:
        poolkit.design(table([("A", "x", 1), ("A", "x", 1)]))
    assert str(twice.value) == (
        "not a 'design' batch, 1 problem(s):\n  - (pool_id, sample_id): duplicate key (A, x) (rows 0, 1)"
    )
    with pytest.raises(poolkit.DesignError) as torn:
        poolkit.design(table([("A", "x", 1), ("A", "y", 2), ("B", "x", 1)]))
    assert str(torn.value) == (
        "the table is no design, 1 problem(s):\n  - stage: must be one for a pool, A has several (rows 0)"
    )
    with pytest.raises(poolkit.DesignError) as none:
        poolkit.design(table([]))
    assert str(none.value) == "the table is no design, 1 problem(s):\n  - table: must have at least one row"
    with pytest.raises(poolkit.DesignError) as large:
        poolkit.design(table([("A", f"S{k}", 1) for k in range(32768)]))
    assert str(large.value) == (
        "the table is no design, 1 problem(s):\n  - pool_id: must have at most 32767 samples, A has 32768"
    )


def test_what_is_no_file(tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    with pytest.raises(poolkit.FormatError, match=r"none\.csv: cannot be read, 1 problem\(s\):\n  - file: .*none\.csv"):
        poolkit.design(missing)
    with pytest.raises(poolkit.FormatError) as other:
        poolkit.design(tmp_path / "own.txt")
    assert str(other.value) == (
        f"{tmp_path / 'own.txt'}: cannot be read, 1 problem(s):\n  - suffix: expected one of .csv, .parquet, .arrow"
    )
    broken = tmp_path / "own.parquet"
    broken.write_bytes(b"no parquet")
    with pytest.raises(poolkit.FormatError, match=r"own\.parquet: cannot be read"):
        poolkit.design(broken)
    empty = tmp_path / "own.csv"
    empty.write_text("pool,sample_id\nA,x\n", encoding="utf-8")
    with pytest.raises(poolkit.SchemaError) as error:
        poolkit.design(empty)
    assert str(error.value) == (f"{empty}: not a 'design' batch, 1 problem(s):\n  - pool_id: missing, expected string")
