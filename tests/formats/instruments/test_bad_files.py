"""What is not a whole export of the family is refused, and the error says where and why."""

import struct
import zlib
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

from poolkit.formats.instruments import read_instrument
from tests.formats.instruments.written import (
    CSV_COLUMNS,
    CSV_HEADER,
    ROWS,
    TXT_COLUMNS,
    TXT_HEADER,
    Row,
    design_csv,
    error,
    put,
    rtpcr,
    shown,
    workbook,
)


def with_ct(ct: str) -> tuple[Row, ...]:
    return (*ROWS[:-1], (*ROWS[-1][:-1], ct))


def test_the_written_files_are_sound(tmp_path: Path) -> None:
    expected = [("A01", "N", None), ("A01", "ORF1ab", 31.5), ("A02", "N", 24.25), ("A02", "ORF1ab", 25.125)]
    expected.append(("H12", "N", None))
    assert shown(read_instrument(put(tmp_path, rtpcr()))) == expected
    assert shown(read_instrument(put(tmp_path, design_csv()))) == expected
    assert read_instrument(tmp_path / "run.txt").runs["plate_id"].to_pylist() == ["P100"]


def picture() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


NOT_EXPORTS = {
    "nothing": (b"", "file: is empty, expected a header and a table of results"),
    "blank lines": (b"\r\n \r\n", "file: is empty"),
    "mark alone": (b"\xef\xbb\xbf", "file: is empty"),
    "picture": (picture(), "file: is neither text nor an Excel workbook"),
    "utf-16 without mark": (design_csv().encode("utf-16-le"), "or is UTF-16 without a byte order mark"),
    "half a utf-16 character": (design_csv().encode("utf-16")[:-1], "cannot be read as UTF-16 text (byte"),
    "shift-jis": ("# Barcode: ﾊﾞ\n".encode("shift-jis") + b"\xff\n", "line 1: cannot be read as UTF-8 or GBK text"),
    "letter": (b"Dear colleague,\nplease find attached\n", "found 'Dear colleague,'"),
    "cfx": (b",Well,Fluor,Target,Content,Sample,Cq\r\n,A01,FAM,N,Unkn,S1,21.5\r\n", "line 1: expected header lines"),
    "zip start": (b"PK\x03\x04" + bytes(40), "workbook: cannot be opened"),
    "compound start": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(30), "workbook: has no whole header"),
}


@pytest.mark.parametrize("kind", NOT_EXPORTS)
def test_not_an_export(tmp_path: Path, kind: str) -> None:
    content, words = NOT_EXPORTS[kind]
    assert words in error(put(tmp_path, content))


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    assert "file: cannot be opened (" in error(tmp_path)
    assert "file: cannot be opened (No such file" in error(tmp_path / "gone.txt")


CUT = {
    "no results": (rtpcr().split("[Results]")[0], "section [Results]: missing (sections found: [sample setup])"),
    "no sections": ("* Block Type = 96\r\n", "missing (sections found: none)"),
    "no table": (rtpcr().split("[Results]")[0] + "[Results]\r\n", "section [Results]: has no table"),
    "header alone": (rtpcr((), setup=None), "section [Results]: has no reading"),
    "csv header alone": (design_csv(()), "file: has no reading"),
    "csv without table": (design_csv().split('"Well"')[0], "file: has header lines and no table"),
    "half a line": (rtpcr()[:-9], "line 22: the last line has no line break: the file is cut"),
    "half a csv line": (design_csv()[:-3], "line 14: the last line has no line break: the file is cut"),
    "open quote": (design_csv()[:-3] + "\n", "line 14: cannot be split into fields (unexpected end of data)"),
    "two results": (rtpcr() + "[Results]\n" + "\t".join(TXT_COLUMNS) + "\n", "expected once, found 2 times"),
    "last rows": (
        rtpcr(ROWS[:-2]),
        "[Sample Setup]: has 2 wells and targets that the results lack (A02 ORF1ab, H12 N)",
    ),
    "row after a gap": (
        design_csv() + "\r\n" + design_csv().splitlines()[-1] + "\r\n",
        "line 16: a row of the table after a blank line",
    ),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_cut_file_never_gives_fewer_readings(tmp_path: Path, kind: str) -> None:
    content, words = CUT[kind]
    assert words in error(put(tmp_path, content))


def test_wells_are_missed_by_the_curves_where_there_is_no_setup(tmp_path: Path) -> None:
    curves = (
        "[Amplification Data]\nWell\tCycle\tTarget Name\tRn\n1\t1\tN\t0.6\n1\t2\tN\t0.6\n3\t1\tN\t0.6\n3\t2\tN\t0.7\n"
    )
    text = rtpcr(setup=None).replace("[Results]", curves + "[Results]")
    assert "section [Amplification Data]: has 1 wells and targets that the results lack (A03 N)" in error(
        put(tmp_path, text)
    )
    assert (
        len(shown(read_instrument(put(tmp_path, text.replace("3\t1\tN", "2\t1\tN").replace("3\t2\tN", "2\t2\tN")))))
        == 5
    )


def test_a_row_with_a_field_too_few_or_too_many(tmp_path: Path) -> None:
    csv_text = design_csv()
    assert "line 12: has 7 fields, expected 8" in error(put(tmp_path, csv_text.replace('"24.25",', "")))
    assert "line 12: has 9 fields, expected 8" in error(put(tmp_path, csv_text.replace('"24.25"', '"24","25"')))
    # The Ct of a tab export must be closed by its delimiter: '24.2' may be half of 24.25.
    text = rtpcr().replace("\t24.25\t1.0", "\t24.2")
    assert "section [Results], line 20: has 7 fields, expected 8" in error(put(tmp_path, text))
    # Design & Analysis writes every field, also those that nobody asks for.
    columns = [column.replace("Omit", "Remark") for column in CSV_COLUMNS]
    text = design_csv(columns=columns).replace('"24.25","","false"', '"24.25",""')
    assert "line 12: has 7 fields, expected 8" in error(put(tmp_path, text))
    # Empty ends of rows may be dropped, and with them all of an unused well.
    assert len(shown(read_instrument(put(tmp_path, rtpcr().rstrip() + "\r\n3\tA3\r\n")))) == 5
    assert len(shown(read_instrument(put(tmp_path, rtpcr().replace("\t24.25\t1.0", "\t24.25\t"))))) == 5


BAD_CTS = (
    "abc",
    "-3",
    "inf",
    "-inf",
    "1e9",
    "60.5",
    "26,5",
    "1,234.5",
    "1_0",
    "24.2.5",
    "#N/A",
    "Undetermined?",
    "２４",
)


@pytest.mark.parametrize("ct", BAD_CTS)
def test_a_ct_that_is_none(tmp_path: Path, ct: str) -> None:
    for text, place in (
        (rtpcr(with_ct(ct)), "section [Results], line 22, CT: "),
        (design_csv(with_ct(ct)), "line 14, Cq: "),
    ):
        message = error(put(tmp_path, text))
        assert f"  - {place}" in message
        assert f"found '{ct}'" in message


def test_every_bad_cell_is_named_at_once(tmp_path: Path) -> None:
    rows = (
        ("1", "A1", "false", "T001", "N", "abc"),
        ("1", "A2", "false", "T001", "N", "20"),
        ("", "I1", "false", "T001", "N", "20"),
        ("3", "A3", "perhaps", "T001", "N", "-1"),
        ("4", "A4", "false", "T001", "", "31"),
    )
    header = CSV_HEADER | {"Plate Run End Date/Time": "yesterday", "Instrument Name": "", "Instrument Type": ""}
    path = put(tmp_path, design_csv(rows, header | {"Instrument Serial Number": "null"}))
    assert error(path) == "\n".join(
        [
            f"cannot read {path} as a QuantStudio export, 8 problem(s):",
            "  - line 10, Cq: expected a number, Undetermined or a blank, found 'abc'",
            "  - line 11, Well: well 1 of a block of 96 is not A2",
            "  - line 12, Well Position: expected a well A1 to H12 or 1 to 96, found 'I1'",
            "  - line 13, Omit: expected true or false, found 'perhaps'",
            "  - line 13, Cq: must be between 0 and 60 cycles, found '-1'",
            "  - line 14, Target: is blank beside a Ct of 31",
            "  - header: names no instrument, looked for "
            "'instrument serial number', 'instrument name', 'instrument type'",
            "  - header, plate run end date/time: "
            "expected a time such as '2020-04-18 09:00:39 PM PDT', found 'yesterday'",
        ]
    )


def test_cells_of_a_workbook_are_named_with_sheet_and_line(tmp_path: Path) -> None:
    table = [
        CSV_COLUMNS,
        (1, "A1", "T001", "N", "UNKNOWN", True, None, False),
        (2, "A2", "T2", "N", "", 61.0, None, False),
    ]
    path = workbook(tmp_path / "a b.xlsx", table, CSV_HEADER)
    message = error(path)
    assert "  - sheet 'Results', line 11, Cq: expected a number, Undetermined or a blank, found True" in message
    assert "  - sheet 'Results', line 12, Cq: must be between 0 and 60 cycles, found 61.0" in message
    assert "workbook: expected a sheet 'Results', found 'Sheet'" in error(workbook(path, table, CSV_HEADER, "Sheet"))
    assert "sheet 'Results': expected a row of column names" in error(workbook(path, table[1:], CSV_HEADER))
    path.write_bytes(path.read_bytes()[:-200])
    assert "workbook: cannot be opened" in error(path)


def test_a_workbook_whose_results_lack_planned_wells(tmp_path: Path) -> None:
    table = [CSV_COLUMNS, (1, "A1", "T001", "N", "UNKNOWN", 20.5, None, False)]
    path = workbook(tmp_path / "run.xlsx", table, CSV_HEADER)
    book = openpyxl.load_workbook(path)
    plan = book.create_sheet("Sample Setup")
    for row in (
        ("Block Type", "96alum"),
        (),
        ("Well", "Sample Name", "Target Name"),
        ("A1", "T001", "N"),
        ("B1", None, None),
    ):
        plan.append(row)
    book.save(path)
    assert shown(read_instrument(path)) == [("A01", "N", 20.5)]
    plan.append(("B2", "T002", "N"))
    book.save(path)
    assert "sheet 'Sample Setup': has 1 wells and targets that the results lack (B02 N)" in error(path)


def test_columns_that_are_missing_or_there_twice(tmp_path: Path) -> None:
    for name, meant in (("CT", "CT, Cт or Cq"), ("Target Name", "Target or Target Name")):
        columns = [column.replace(name, "Remark") for column in TXT_COLUMNS]
        assert f"section [Results]: has no column {meant} (found Well, " in error(put(tmp_path, rtpcr(columns=columns)))
    columns = [column.replace("Well Position", "a").replace("Well", "b") for column in TXT_COLUMNS]
    assert "has no column Well or Well Position" in error(put(tmp_path, rtpcr(columns=columns)))
    columns = [column.replace("Amp Score", "Cq") for column in TXT_COLUMNS]
    assert "more than one column of the same meaning: Cq" in error(put(tmp_path, rtpcr(columns=columns)))


def test_a_run_without_times(tmp_path: Path) -> None:
    header = {key: value for key, value in TXT_HEADER.items() if "Time" not in key}
    path = put(tmp_path, rtpcr(header=header))
    message = error(path)
    assert "header: does not say when the run ended, looked for 'experiment run end time', " in message
    assert message.endswith("'run start date/time' with 'run duration': give ended_at=")
    given = datetime(2021, 1, 2, 3, 4, 5, tzinfo=UTC)
    run = read_instrument(path, ended_at=given)
    assert run.runs["ended_at"].to_pylist() == run.runs["started_at"].to_pylist() == [given]
    assert "ended_at: must carry a time zone, found 2021-01-02" in error(path, ended_at=given.replace(tzinfo=None))
    # What the file says counts before what the caller says.
    whole = put(tmp_path, rtpcr())
    assert read_instrument(whole, ended_at=given).runs["ended_at"].to_pylist() == [
        datetime(2020, 10, 1, 5, 44, 54, tzinfo=UTC)
    ]


def test_a_damaged_table_of_sectors_is_refused(shared: Path, tmp_path: Path) -> None:
    data = bytearray((shared / "data/quantstudio/zymo_data.xls").read_bytes())
    first = struct.unpack_from("<I", data, 76)[0]
    at = (first + 1) * 512
    for place, value in ((76, 10_000_000), (80, first), (at + 40, 10), (at + 44, 10_000_000)):
        broken = bytearray(data)
        struct.pack_into("<I", broken, place, value)
        assert "workbook: has a broken table of sectors" in error(put(tmp_path, bytes(broken), "run.xls"))
