"""Files that are cut, recoded or spoilt by a spreadsheet: the error names file, line and field, or nothing is lost."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pytest

import poolkit
from poolkit import FormatError, SchemaError
from poolkit.schemas import SAMPLES
from tests.validation.bench import AS_IT_IS, Handed, Keeper, as_parquet

IDENTITY = "110105199001011237"


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path)


def test_a_folder_that_does_not_exist(keeper: Keeper, tmp_path: Path) -> None:
    words = keeper.refuse(tmp_path / "nowhere", FormatError)
    assert words.startswith(f"{tmp_path / 'nowhere'}: not a day folder")
    assert "expected a folder, found none" in words
    path = tmp_path / "a file"
    path.write_bytes(b"")
    assert "expected a folder" in keeper.refuse(path, FormatError)


@pytest.mark.parametrize("table", ["samples", "wells"])
def test_a_missing_table(keeper: Keeper, tmp_path: Path, table: str) -> None:
    folder = Handed().write(tmp_path / "day")
    (folder / f"{table}.csv").unlink()
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{folder}: not a day folder")
    assert f"{table}: missing, expected one of {table}.parquet, {table}.arrow, {table}.csv" in words


def test_two_files_of_one_table(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    text = (folder / "samples.csv").read_bytes()
    as_parquet(folder)
    (folder / "samples.csv").write_bytes(text)
    words = keeper.refuse(folder, FormatError)
    assert "samples: expected one file, found samples.parquet and samples.csv" in words
    (folder / "samples.csv").unlink()
    assert keeper.take(folder).status == AS_IT_IS


@pytest.mark.parametrize("share", [0.0, 0.1, 0.35, 0.6, 0.85, 0.999])
@pytest.mark.parametrize("table", ["samples", "readings"])
def test_a_csv_that_is_cut(keeper: Keeper, tmp_path: Path, table: str, share: float) -> None:
    folder = Handed().write(tmp_path / "day")
    path = folder / f"{table}.csv"
    data = path.read_bytes()
    cut = int(len(data) * share)
    while data[:cut].endswith(b"\n"):
        cut -= 1
    path.write_bytes(data[:cut])
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{path}: cannot be read, 1 problem(s):")
    line = data[:cut].count(b"\n") + 1
    expected = f"line {line}: expected a line break at the end, found none: the file may have been cut"
    assert (expected if cut else "file: expected a header line, found an empty file") in words


def test_readings_cut_between_two_lines_make_nobody_negative(keeper: Keeper, tmp_path: Path, small: bool) -> None:
    """Nothing in CSV tells it from a whole shorter file: then a target or a control is missing, which clears nobody."""
    lines = Handed().write(tmp_path / "whole").joinpath("readings.csv").read_text(encoding="utf-8").splitlines(True)
    for n_lines in range(1, len(lines), 7 if small else 3):
        folder = Handed().write(tmp_path / f"cut {n_lines}")
        (folder / "readings.csv").write_text("".join(lines[:n_lines]), encoding="utf-8")
        apart = Keeper(tmp_path / f"keeper {n_lines}")
        assert "negative" not in apart.take(folder).status.values()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("table", ["samples", "wells", "runs", "readings"])
def test_a_parquet_file_that_is_cut(keeper: Keeper, tmp_path: Path, table: str, share: float) -> None:
    folder = Handed().write(tmp_path / "day")
    as_parquet(folder)
    path = folder / f"{table}.parquet"
    data = path.read_bytes()
    cut = int(len(data) * share)
    path.write_bytes(data[:cut])
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{path}: cannot be read")
    assert f"expected a whole Parquet file, found {cut} bytes that are not" in words


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_an_arrow_file_that_is_cut(keeper: Keeper, tmp_path: Path, share: float) -> None:
    folder = Handed().write(tmp_path / "day")
    day = as_parquet(folder)
    for path in folder.glob("*.parquet"):
        path.unlink()
    poolkit.write_day(day, folder, suffix=".arrow")
    path = folder / "readings.arrow"
    data = path.read_bytes()
    cut = int(len(data) * share)
    path.write_bytes(data[:cut])
    words = keeper.refuse(folder, FormatError)
    assert f"expected a whole Arrow IPC file, found {cut} bytes that are not" in words
    path.write_bytes(data)
    assert keeper.take(folder).status == AS_IT_IS


def test_a_file_that_is_something_else(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    csv_bytes = (folder / "readings.csv").read_bytes()
    (folder / "readings.csv").unlink()
    (folder / "readings.parquet").write_bytes(csv_bytes)
    assert "expected a whole Parquet file" in keeper.refuse(folder, FormatError)


@pytest.mark.parametrize("rows", [["S03"], ["S03", "S07"]])
@pytest.mark.parametrize("shown", ["1.10105E+17", "1.10E+17", "1E+17", "1.10105e+17"])
def test_an_identity_number_that_a_spreadsheet_shortened(
    keeper: Keeper, tmp_path: Path, shown: str, rows: list[str]
) -> None:
    day = Handed()
    for sample in rows:
        day.sample(sample)["subject_id"] = shown
    folder = day.write(tmp_path / "day")
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{folder / 'samples.csv'}: cannot be read, {len(rows)} problem(s):")
    for sample in rows:
        line = int(sample[1:]) + 1
        expected = f"line {line}, subject_id: expected a barcode, found a number: a spreadsheet shortened"
        assert expected in words
    assert shown not in words


@pytest.mark.parametrize("named", [IDENTITY, "0012", "1E05", "12.50", "007E+"])
def test_a_number_that_is_a_barcode_stays_as_it_is(keeper: Keeper, tmp_path: Path, named: str) -> None:
    day = Handed()
    day.sample("S03")["subject_id"] = named
    assert keeper.take(day.write(tmp_path / "day")).results["S03"]["subject_id"] == named


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "gb18030", "latin-1"])
def test_another_encoding(keeper: Keeper, tmp_path: Path, encoding: str) -> None:
    day = Handed()
    for row in day.samples:
        row["site_id"] = "Zürich" if encoding == "latin-1" else "成都一号"
    folder = day.write(tmp_path / "day")
    path = folder / "samples.csv"
    text = path.read_text(encoding="utf-8")
    path.write_bytes(text.encode(encoding))
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{path}: cannot be read, 1 problem(s):")
    said = {
        "utf-16": "file: expected UTF-8, found UTF-16",
        "gb18030": "line 2: expected UTF-8, found bytes that may be",
    }
    assert said.get(encoding, "line ") in words
    assert "UTF-8" in words or "expected text, found a zero byte" in words


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_byte_order_mark_and_windows_line_ends(keeper: Keeper, tmp_path: Path, ends: str) -> None:
    folder = Handed().write(tmp_path / "day")
    for path in folder.glob("*.csv"):
        text = path.read_text(encoding="utf-8").replace("\n", ends)
        path.write_bytes(text.encode("utf-8-sig"))
    assert keeper.take(folder).status == AS_IT_IS


def test_text_in_other_scripts(keeper: Keeper, tmp_path: Path) -> None:
    day = Handed()
    for row in day.samples:
        row["site_id"] = '成都, «一号» "大厅"'
        row["group_id"] = "Müller 🧪"
    folder = day.write(tmp_path / "день 一 day")
    taken = keeper.take(folder)
    assert taken.status == AS_IT_IS
    assert taken.commit.source == "день 一 day"
    with poolkit.Lab.open(keeper.path) as lab:
        assert "Müller 🧪" in lab.trace("S01")["detail"][0].as_py()
        assert '成都, «一号» "大厅"' in lab.trace("S01")["detail"][0].as_py()


def test_a_path_with_spaces_and_what_means_something_in_a_url(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "a store of ours #1 %20?")
    assert {path.name for path in (tmp_path).iterdir()} == {"a store of ours #1 %20?"}
    assert (keeper.path / "ledger.sqlite").stat().st_size > 0
    folder = Handed().write(tmp_path / "1 April, the first shift")
    taken = keeper.take(folder)
    assert taken.status == AS_IT_IS
    assert taken.commit.source == "1 April, the first shift"


@pytest.mark.parametrize("fields", [8, 10])
def test_a_line_with_a_field_too_few_or_too_many(keeper: Keeper, tmp_path: Path, fields: int) -> None:
    folder = Handed().write(tmp_path / "day")
    path = folder / "samples.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5] = lines[5][:-1] if fields == 8 else f"{lines[5]},"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = keeper.refuse(folder, FormatError)
    assert f"{path}: cannot be read, 1 problem(s):\n  - line 6: expected 9 fields, found {fields}" in words


def test_another_delimiter(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    path = folder / "samples.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    words = keeper.refuse(folder, FormatError)
    assert "line 1: missing column sample_id, found sample_id;subject_id;site_id" in words


def test_blank_lines_and_quotes_are_no_harm(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    for path in folder.glob("*.csv"):
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        quoted = [",".join(f'"{cell}"' for cell in row) for row in rows]
        path.write_text("\n".join(quoted) + "\n\n", encoding="utf-8")
    assert keeper.take(folder).status == AS_IT_IS


def test_an_empty_id_in_parquet(keeper: Keeper, tmp_path: Path) -> None:
    """CSV cannot tell it from a missing one; Parquet can, and it is refused all the same."""
    folder = Handed().write(tmp_path / "day")
    day = as_parquet(folder)
    rows = day.samples.cast(SAMPLES.schema).to_pylist()
    rows[2]["sample_id"] = ""
    path = folder / "samples.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(rows, schema=SAMPLES.schema), path)
    words = keeper.refuse(folder, SchemaError)
    assert f"{path}: not a 'samples' batch" in words
    assert "sample_id: must not be empty, as missing is null, found '' (rows 2)" in words


def test_a_misspelt_optional_column_in_parquet(keeper: Keeper, tmp_path: Path) -> None:
    folder = Handed().write(tmp_path / "day")
    day = as_parquet(folder)
    names = ["recolect_of" if name == "recollect_of" else name for name in day.samples.column_names]
    path = folder / "samples.parquet"
    pa.parquet.write_table(day.samples.rename_columns(names), path)
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{path}: cannot be read, 1 problem(s):")
    assert "columns: unknown column recolect_of, expected recollect_of" in words


def test_text_in_parquet_that_is_none(keeper: Keeper, tmp_path: Path) -> None:
    """A damaged byte, or a writer that put GBK where Parquet says UTF-8."""
    folder = Handed().write(tmp_path / "day")
    day = as_parquet(folder)
    sites = ["成都".encode("gb18030")] * day.samples.num_rows
    _, offsets, texts = pa.array(sites, pa.binary()).buffers()
    broken = pa.Array.from_buffers(pa.string(), len(sites), [None, offsets, texts])
    path = folder / "samples.parquet"
    at = day.samples.column_names.index("site_id")
    pa.parquet.write_table(day.samples.set_column(at, "site_id", broken), path)
    words = keeper.refuse(folder, FormatError)
    assert words.startswith(f"{path}: cannot be read, 1 problem(s):")
    assert "expected a whole Parquet file" in words
    assert "UTF8" in words
