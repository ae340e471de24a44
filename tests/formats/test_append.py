"""Rows added behind the tables of a day folder."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poolkit.errors import FormatError
from poolkit.formats import append_tables, read_part, write_table
from poolkit.schemas import MEMBERS, POOLS, WELLS


def wells(plate: str, *specimens: str | None) -> pa.Table:
    rows = [
        {"plate_id": plate, "well": f"A{n:02d}", "content": "specimen" if each else "blank", "specimen_id": each}
        for n, each in enumerate(specimens, 1)
    ]
    return pa.Table.from_pylist(rows, schema=WELLS.schema)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_a_table_is_begun_and_added_to(tmp_path: Path, suffix: str) -> None:
    first, second = wells("P1", "T1", None), wells("P2", "T2", None, "T3")
    assert append_tables(tmp_path, {"wells": first}, suffix=suffix) == [tmp_path / f"wells{suffix}"]
    append_tables(tmp_path, {"wells": second}, suffix=".parquet")
    assert read_part(tmp_path, WELLS).cast(WELLS.schema).equals(pa.concat_tables([first, second]).combine_chunks())
    assert [path.name for path in tmp_path.iterdir()] == [f"wells{suffix}"]


def test_csv_keeps_every_byte_and_its_own_columns(tmp_path: Path) -> None:
    text = '\ufeffnote,well,plate_id,specimen_id,content\r\n"a, b",A01,P1,T1,specimen\r\n'
    (tmp_path / "wells.csv").write_bytes(text.encode())
    append_tables(tmp_path, {"wells": wells("P2", "T,2", None)})
    added = ',A01,P2,"T,2",specimen\r\n,A02,P2,,blank\r\n'
    assert (tmp_path / "wells.csv").read_bytes() == (text + added).encode()
    assert read_part(tmp_path, WELLS)["specimen_id"].to_pylist() == ["T1", "T,2", None]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_further_columns_and_kinds_of_text_are_kept(tmp_path: Path, suffix: str) -> None:
    known = wells("P1", "T1")
    plate = known["plate_id"].combine_chunks().dictionary_encode()
    known = known.set_column(0, pa.field("plate_id", plate.type), plate).append_column(
        pa.field("rack", pa.int64(), nullable=False), pa.array([7])
    )
    write_table(known, tmp_path / f"wells{suffix}")
    append_tables(tmp_path, {"wells": wells("P2", "T2")})
    path = tmp_path / f"wells{suffix}"
    rows = pq.read_table(path) if suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    assert rows["rack"].to_pylist() == [7, None]
    assert rows["plate_id"].to_pylist() == ["P1", "P2"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_without_a_needed_column_is_refused_and_nothing_is_written(tmp_path: Path, suffix: str) -> None:
    write_table(wells("P1", None).drop_columns(["specimen_id"]), tmp_path / f"wells{suffix}")
    before = (tmp_path / f"wells{suffix}").read_bytes()
    pools = pa.Table.from_pylist(
        [{"pool_id": "L1", "formed": "laboratory", "n_members": 1, "stage": 1}], schema=POOLS.schema
    )
    with pytest.raises(FormatError, match="specimen_id: missing in the file"):
        append_tables(tmp_path, {"pools": pools, "wells": wells("P2", "T1")})
    assert [path.name for path in tmp_path.iterdir()] == [f"wells{suffix}"]
    assert (tmp_path / f"wells{suffix}").read_bytes() == before


def test_nothing_is_needed_of_a_column_without_values(tmp_path: Path) -> None:
    row = {"pool_id": "L1", "sample_id": "S1", "slot": 1, "volume_ul": None}
    rows = pa.Table.from_pylist([row], schema=MEMBERS.schema)
    write_table(rows.drop_columns(["volume_ul"]), tmp_path / "members.csv")
    append_tables(tmp_path, {"members": pa.Table.from_pylist([row | {"sample_id": "S2"}], schema=MEMBERS.schema)})
    assert read_part(tmp_path, MEMBERS)["slot"].to_pylist() == [1, 1]


def test_a_suffix_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="xlsx"):
        append_tables(tmp_path, {"wells": wells("P1", "T1")}, suffix=".xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_stands_there_twice(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        write_table(wells("P1", "T1"), tmp_path / f"wells{suffix}")
    with pytest.raises(FormatError, match="expected one file"):
        append_tables(tmp_path, {"wells": wells("P2", "T2")})
