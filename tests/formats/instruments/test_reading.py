"""What each word of an export comes to mean: wells, Ct, omitted rows, plate, instrument, encodings."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolkit.formats.instruments import read_instrument
from poolkit.formats.instruments.results import parse_ct, parse_well
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

GOOD = [("A01", "N", None), ("A01", "ORF1ab", 31.5), ("A02", "N", 24.25), ("A02", "ORF1ab", 25.125), ("H12", "N", None)]


@pytest.mark.parametrize("cell", ["Undetermined", "UNDETERMINED", " undetermined ", "", None, "NaN", "N/A", "-"])
def test_no_curve_crossed_is_null(cell: object) -> None:
    assert parse_ct(cell) is None


@pytest.mark.parametrize(
    ("cell", "ct"),
    [("24.5", 24.5), (" 24.5 ", 24.5), (24.5, 24.5), (24, 24.0), ("0", 0.0), ("60", 60.0), ("2.45e1", 24.5)],
)
def test_a_ct_is_its_number(cell: object, ct: float) -> None:
    assert parse_ct(cell) == ct


def test_a_comma_parts_thousands_never_decimals() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 60 cycles, found '1,234\.5'"):
        parse_ct("1,234.5")
    with pytest.raises(ValueError, match="expected a number"):
        parse_ct("26,50")
    assert parse_ct("0,026.5") == 26.5


@pytest.mark.parametrize("block", [96, 384])
def test_a_well_is_its_number_counted_along_the_rows(block: int) -> None:
    rows, n_columns = {96: ("ABCDEFGH", 12), 384: ("ABCDEFGHIJKLMNOP", 24)}[block]
    wells = [f"{row}{column:02}" for row in rows for column in range(1, n_columns + 1)]
    assert [parse_well(str(number), block) for number in range(1, block + 1)] == wells
    assert [parse_well(float(number), block) for number in range(1, block + 1)] == wells
    assert [parse_well(well[0] + well[1:].lstrip("0"), block) for well in wells] == wells
    assert [parse_well(well.lower(), block) for well in wells] == wells
    assert [parse_well(each, block) for each in ("0", str(block + 1), "A0", "A00", "Q1", "A25", "", None, "1.5")] == [
        None
    ] * 9


def test_a_number_alone_needs_a_known_block(tmp_path: Path) -> None:
    rows = [(number, "", omit, sample, target, ct) for number, _, omit, sample, target, ct in ROWS]
    columns = [column.replace("Well Position", "Remark") for column in TXT_COLUMNS]
    text = rtpcr(rows, columns=columns)
    assert shown(read_instrument(put(tmp_path, text))) == GOOD
    message = error(put(tmp_path, text.replace("96-Well Block", "Block")))
    assert "line 18, Well: expected a well A1 to P24, found '1'" in message


def test_the_last_wells_of_each_block(tmp_path: Path) -> None:
    last = ("384", "P24", "false", "X", "N", "20")
    large = TXT_HEADER | {"Block Type": "384-Well Block"}
    text = rtpcr([last], large, setup=None)
    assert shown(read_instrument(put(tmp_path, text))) == [("P24", "N", 20.0)]
    assert "expected a well A1 to H12 or 1 to 96, found 'P24'" in error(put(tmp_path, rtpcr([last], setup=None)))


def test_omitted_and_unused_wells_give_no_reading_but_keep_their_names(tmp_path: Path) -> None:
    rows: list[Row] = [("3", "A3", "true", "T003", "N", "20.5"), ("4", "A4", "false", "T004", "", ""), *ROWS]
    for text in (rtpcr(rows, setup=rows), design_csv(rows)):
        run = read_instrument(put(tmp_path, text))
        assert shown(run) == GOOD
        assert run.names.to_pydict() == {
            "well": ["A03", "A04", "A01", "A02", "H12"],
            "sample_name": ["T003", "T004", "T001", "T002", "NTC"],
        }


def test_a_blank_sample_name_is_null_and_a_repeated_row_stays(tmp_path: Path) -> None:
    row: Row = ("1", "A1", "false", " ", "N", "20.5")
    run = read_instrument(put(tmp_path, design_csv([row, row])))
    assert run.names.to_pylist() == [{"well": "A01", "sample_name": None}]
    assert shown(run) == [("A01", "N", 20.5)] * 2


def test_notes_after_the_table_are_no_readings(tmp_path: Path) -> None:
    text = rtpcr() + "Analysis Type\tSingleplex\r\nEndogenous Control\tRNaseP\r\n"
    assert shown(read_instrument(put(tmp_path, text))) == GOOD


@pytest.mark.parametrize("name", ["CT", "Ct", "C\u0442", "Cq"])
def test_every_spelling_of_ct(tmp_path: Path, name: str) -> None:
    columns = [column.replace("CT", name) for column in TXT_COLUMNS]
    assert shown(read_instrument(put(tmp_path, rtpcr(columns=columns)))) == GOOD


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "gbk"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r"])
def test_encodings_and_line_breaks(tmp_path: Path, encoding: str, line_break: str) -> None:
    rows = [(*row[:3], "混采管", "ORF1ab基因", row[5]) for row in ROWS[:1]]
    header = {key: value.replace("™", "") for key, value in CSV_HEADER.items()}
    for text in (design_csv(rows, header), rtpcr(rows, setup=rows)):
        path = put(tmp_path, text.replace("\r\n", line_break).encode(encoding))
        run = read_instrument(path)
        assert shown(run) == [("A01", "ORF1ab基因", None)]
        assert run.names["sample_name"].to_pylist() == ["混采管"]


def test_a_workbook_with_numbers_and_text(tmp_path: Path) -> None:
    table = [
        CSV_COLUMNS,
        (1, "A1", "T001", "N", "UNKNOWN", "UNDETERMINED", None, False),
        (1, "A1", "T001", "ORF1ab", "UNKNOWN", 31.5, None, "FALSE"),
        (2, "A2", 4711, "N", "UNKNOWN", 24, None, False),
        (3, "A3", "T003", "N", "UNKNOWN", "25.5", None, True),
        (4, "A4", None, None, None, None, None, None),
    ]
    path = workbook(tmp_path / "day 1 (late).xlsx", table, CSV_HEADER | {"Barcode": ""})
    run = read_instrument(path)
    assert shown(run) == [("A01", "N", None), ("A01", "ORF1ab", 31.5), ("A02", "N", 24.0)]
    assert run.runs["plate_id"].to_pylist() == ["day 1 (late)"]
    assert run.names["sample_name"].to_pylist() == ["T001", "4711", "T003", None]


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    assert shown(read_instrument(put(tmp_path, rtpcr(), "export.xls"))) == GOOD
    assert shown(read_instrument(put(tmp_path, design_csv(), "export"))) == GOOD


@pytest.mark.parametrize("blank", ["", "NA", "null", "N/A", " "])
def test_plate_is_the_argument_then_the_barcode_then_the_file(tmp_path: Path, blank: str) -> None:
    path = put(tmp_path, rtpcr(), "shift.2.txt")
    assert read_instrument(path, plate_id="P7").runs["plate_id"].to_pylist() == ["P7"]
    assert read_instrument(path).runs["plate_id"].to_pylist() == ["P100"]
    run = read_instrument(put(tmp_path, rtpcr(header=TXT_HEADER | {"Experiment Barcode": blank}), "shift.2.txt"))
    assert run.runs["plate_id"].to_pylist() == ["shift.2"]
    assert run.readings["run_id"].to_pylist() == run.runs["run_id"].to_pylist() * 5


def test_instrument_is_the_serial_number_then_the_name_then_the_type(tmp_path: Path) -> None:
    header = dict(TXT_HEADER)
    for expected, key in (
        ("278880034", "Instrument Serial Number"),
        ("bench 4", "Instrument Name"),
        ("QuantStudio(TM) 6 Flex System", "Instrument Type"),
    ):
        path = put(tmp_path, rtpcr(header=header))
        assert read_instrument(path).runs["instrument_id"].to_pylist() == [expected]
        header[key] = "null"


def test_another_file_of_the_plate_is_another_run(tmp_path: Path) -> None:
    first = read_instrument(put(tmp_path, rtpcr()))
    changed = read_instrument(put(tmp_path, rtpcr().replace("24.25", "24.26")))
    assert first.runs["run_id"].to_pylist() != changed.runs["run_id"].to_pylist()


WORDS = st.text(string.ascii_letters + string.digits + " -_()µ混", min_size=1, max_size=8).map(str.strip).filter(bool)
TARGETS = st.sampled_from(["N", "ORF1ab", "S gene", "RNaseP", "β-actin"])
CTS = st.none() | st.floats(0.001, 60)


@st.composite
def plates(draw: st.DrawFn) -> list[tuple[int, str, str, float | None, bool]]:
    """Rows of a plate of 96: well number, sample, target, Ct, omitted; at least one row is read."""
    numbers = draw(st.lists(st.integers(1, 96), min_size=1, max_size=12))
    rows = [(n, draw(WORDS), draw(TARGETS), draw(CTS), draw(st.booleans())) for n in numbers]
    return [*rows[:-1], (*rows[-1][:4], False)]


@given(plate=plates(), text_export=st.booleans(), null=st.sampled_from(["Undetermined", "UNDETERMINED", "", "-"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    plate: list[tuple[int, str, str, float | None, bool]],
    text_export: bool,
    null: str,
) -> None:
    rows, readings, names = [], [], {}
    for number, sample, target, ct, omitted in plate:
        row, column = "ABCDEFGH"[(number - 1) // 12], (number - 1) % 12 + 1
        rows.append(
            (str(number), f"{row}{column}", str(omitted).lower(), sample, target, null if ct is None else repr(ct))
        )
        names[f"{row}{column:02}", sample] = None
        if not omitted:
            readings.append((f"{row}{column:02}", target, ct))
    text = rtpcr(rows, setup=rows) if text_export else design_csv(rows)
    run = read_instrument(put(tmp_path_factory.mktemp("plate"), text))
    assert shown(run) == readings
    assert [tuple(name.values()) for name in run.names.to_pylist()] == list(names)
