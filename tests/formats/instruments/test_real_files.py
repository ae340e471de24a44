"""Every real export gives the Ct that it shows, row for row, against a second way of reading it."""

import csv
import hashlib
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from poolkit.errors import FormatError
from poolkit.formats.instruments import read_instrument
from poolkit.schemas import READINGS, RUNS, conform
from tests.formats.instruments.written import shown

CSV = "data/quantstudio/qs_PresenceAbsence.csv"
XLS = "data/quantstudio/zymo_data.xls"
EXAMPLE = "data/quantstudio/appbio_quantstudio_example01.txt"
MINIMAL = "data/quantstudio/appbio_quantstudio_minimal_test01.txt"
QS7 = "data/quantstudio/appbio_quantstudio_designandanalysis_QS7Pro_Presence_and_Absence_example10.xlsx"
KRISP = "data/krisp/SARS-CoV-2_pooled_results01.xlsx"
ALL = (CSV, XLS, EXAMPLE, MINIMAL, QS7, KRISP)

Reading = tuple[str, str, float | None]


def padded(well: str) -> str:
    return well[0] + well[1:].zfill(2)


def cycles(cell: object) -> float | None:
    return None if str(cell).lower() == "undetermined" else float(str(cell))


def of_text(path: Path) -> list[Reading]:
    """The section [Results] taken apart with nothing but split."""
    lines = path.read_bytes().decode("utf-8").splitlines()
    names = lines[lines.index("[Results]") + 1].split("\t")
    well, target, ct = (names.index(name) for name in ("Well Position", "Target Name", "CT"))
    readings = []
    for line in lines[lines.index("[Results]") + 2 :]:
        if not line or line.startswith("["):
            break
        fields = line.split("\t")
        readings.append((padded(fields[well]), fields[target], cycles(fields[ct])))
    return readings


def of_csv(path: Path) -> list[Reading]:
    with path.open(encoding="utf-8", newline="") as file:
        rows: Iterable[dict[str, str]] = csv.DictReader(line for line in file if not line.startswith("#"))
        return [(padded(row["Well Position"]), row["Target"], cycles(row["Cq"])) for row in rows]


@pytest.mark.filterwarnings("ignore:Workbook contains no default style", "ignore:Unknown extension is not supported")
def of_xlsx(path: Path) -> list[Reading]:
    rows = list(openpyxl.load_workbook(path, data_only=True)["Results"].iter_rows(values_only=True))
    start = next(at for at, row in enumerate(rows) if row[0] == "Well")
    well, target, ct = (rows[start].index(name) for name in ("Well Position", "Target", "Cq"))
    return [(padded(row[well]), row[target], cycles(row[ct])) for row in rows[start + 1 :] if row[well]]


def of_xls(path: Path) -> list[Reading]:
    """The raw cells at the places where the 7500 puts them: header on line 8, Well, Target and Cт in A, C and G."""
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Results").to_python(skip_empty_area=False)
    assert rows[7][6] == "C\u0442"
    return [(padded(row[0]), row[2], cycles(row[6])) for row in rows[8:] if row[2]]


ORACLES = {CSV: of_csv, XLS: of_xls, EXAMPLE: of_text, MINIMAL: of_text, QS7: of_xlsx, KRISP: of_xlsx}


@pytest.mark.filterwarnings("ignore:Workbook contains no default style", "ignore:Unknown extension is not supported")
@pytest.mark.parametrize("name", ALL)
def test_every_reading_is_what_the_file_shows(shared: Path, name: str) -> None:
    expected = ORACLES[name](shared / name)
    assert expected
    assert shown(read_instrument(shared / name)) == expected


def test_no_real_export_is_left_out(shared: Path) -> None:
    assert {f"data/quantstudio/{path.name}" for path in (shared / "data/quantstudio").iterdir()} == set(ALL) - {KRISP}


# Counted with grep, sort and a spreadsheet program in the files themselves: readings, Undetermined, lowest, highest.
COUNTS = {
    CSV: (77, 16, 21.610965013037564, 39.861447039794335, 51),
    XLS: (143, 61, 15.670425415039062, 36.401771545410156, 96),
    EXAMPLE: (16, 0, 17.822, 22.058, 16),
    MINIMAL: (2, 2, None, None, 1),
    QS7: (168, 38, 27.981384476871078, 30.167251766963822, 84),
    KRISP: (12, 7, 26.387382987588865, 32.60632205379845, 3),
}


@pytest.mark.parametrize("name", ALL)
def test_counts_are_those_of_the_file(shared: Path, name: str) -> None:
    run = read_instrument(shared / name)
    cts = [ct for _, _, ct in shown(run) if ct is not None]
    n_rows, n_null, low, high, n_wells = COUNTS[name]
    assert run.readings.num_rows == n_rows
    assert n_rows - len(cts) == n_null
    assert (min(cts, default=None), max(cts, default=None)) == (low, high)
    assert len(set(run.names["well"].to_pylist())) == n_wells


# Read by eye in the files.
GOLDEN = [
    (CSV, "A01", "nCoV", 34.334176165173844),
    (CSV, "A01", "IEC", None),
    (CSV, "H06", "Endo", 22.72478721304742),
    (XLS, "A01", "SARS-CoV-2", 26.962108612060547),
    (XLS, "B03", "SARS-CoV-2", None),
    (XLS, "B06", "SARS-CoV-2", 34.236183166503906),
    (XLS, "H09", "RNAseP", 24.19520378112793),
    (XLS, "H10", "IECRNA", None),
    (EXAMPLE, "A01", "TARGET_1", 18.717),
    (EXAMPLE, "A18", "TARGET_1", 18.842),
    (MINIMAL, "A01", "IPC", None),
    (QS7, "A02", "IPC", 28.53378323812079),
    (QS7, "B01", "Blocked IPC", None),
    (QS7, "H12", "Xeno", 30.167251766963822),
    (KRISP, "A01", "MS2", 26.387382987588865),
    (KRISP, "A02", "N gene", 32.60632205379845),
    (KRISP, "A03", "ORF1ab", None),
]


@pytest.mark.parametrize(("name", "well", "target", "ct"), GOLDEN)
def test_golden_values(shared: Path, name: str, well: str, target: str, ct: float | None) -> None:
    assert [row for row in shown(read_instrument(shared / name)) if row[:2] == (well, target)] == [(well, target, ct)]


# Plate, instrument, start and end, worked out by hand from the header lines of each file.
FACTS = {
    CSV: ("7500 System", datetime(2020, 4, 19, 2, 8, 17, tzinfo=UTC), datetime(2020, 4, 19, 4, 0, 39, tzinfo=UTC)),
    # '2020-04-03 21:11:24 PM PDT', no start and no duration, instrument 'sds7500'.
    XLS: ("sds7500", datetime(2020, 4, 4, 4, 11, 24, tzinfo=UTC), datetime(2020, 4, 4, 4, 11, 24, tzinfo=UTC)),
    EXAMPLE: ("INST_1", datetime(2002, 1, 1, 2, 9, 19, tzinfo=UTC), datetime(2002, 1, 1, 2, 9, 19, tzinfo=UTC)),
    MINIMAL: ("278880034", datetime(2010, 10, 1, 5, 44, 54, tzinfo=UTC), datetime(2010, 10, 1, 5, 44, 54, tzinfo=UTC)),
    QS7: ("2778719020015", datetime(2019, 4, 1, 1, 23, 17, tzinfo=UTC), datetime(2019, 4, 1, 2, 55, 44, tzinfo=UTC)),
    KRISP: (
        "278871710",
        datetime(2020, 11, 24, 13, 10, 41, tzinfo=UTC),
        datetime(2020, 11, 24, 14, 20, 35, tzinfo=UTC),
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_the_run_is_what_the_header_says(shared: Path, name: str) -> None:
    path = shared / name
    run = read_instrument(path)
    instrument_id, started_at, ended_at = FACTS[name]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    # No barcode is filled in any of the files (blank or NA), so the plate is the file's stem.
    assert run.runs.to_pylist() == [
        {
            "run_id": f"{path.stem}:{digest[:12]}",
            "plate_id": path.stem,
            "instrument_id": instrument_id,
            "started_at": started_at,
            "ended_at": ended_at,
            "operator_id": None,
            "extraction_lot": None,
            "amplification_lot": None,
            "source_file": path.name,
            "source_sha256": digest,
        }
    ]
    assert set(run.readings["run_id"].to_pylist()) == {f"{path.stem}:{digest[:12]}"}
    assert run.runs.equals(conform(run.runs, RUNS))
    assert run.readings.equals(conform(run.readings, READINGS))


def test_sample_names_are_shown_and_blank_ones_null(shared: Path) -> None:
    names = dict(zip(*read_instrument(shared / XLS).names.to_pydict().values(), strict=True))
    assert (names["A01"], names["A10"], names["H09"], names["H12"]) == ("Sample 1", None, "Sample 24", None)
    assert read_instrument(shared / KRISP).names.to_pylist() == [
        {"well": "A01", "sample_name": "Pool (n=27)"},
        {"well": "A02", "sample_name": "Postive Control"},
        {"well": "A03", "sample_name": "Negative Control"},
    ]


@pytest.mark.parametrize("name", ALL)
def test_the_same_file_is_the_same_run_wherever_it_lies(shared: Path, tmp_path: Path, name: str) -> None:
    moved = tmp_path / "night shift, 4"
    moved.mkdir()
    path = Path(shutil.copy(shared / name, moved))
    first, again = read_instrument(shared / name), read_instrument(str(path))
    assert first.runs.equals(again.runs)
    assert first.readings.equals(again.readings)


@pytest.mark.parametrize(
    "name",
    [
        "data/cfx/example01.csv",
        "data/panther/Panther_POOL_RESULTS.lis.xls",
        "data/panther/1358-20edb081-cb6b-411a-80a7-dc2569fc26bb.txt",
        "data/rdml/example.rdml",
        "data/rdml/RDML_stepone_std.rdml",
        "data/krisp/SARS-CoV-2_pooled_results01-SampleIds.xlsx",
        "data/worklists/Hamilton_SAMPLE_POOL_MAP.xlsx",
        "data/worklists/CherryPick_Transfer_Complete.csv",
        "data/kemri/pool_data.csv",
    ],
)
def test_files_of_other_makers_are_refused(shared: Path, name: str) -> None:
    with pytest.raises(
        FormatError, match=r"as a QuantStudio export, 1 problem\(s\):\n  - .*(expected|cannot be opened)"
    ):
        read_instrument(shared / name, zone="UTC", ended_at=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_anywhere_is_refused(shared: Path, tmp_path: Path, name: str, part: float) -> None:
    data = (shared / name).read_bytes()
    path = tmp_path / Path(name).name
    cut = data[: int(len(data) * part)]
    # A cut that falls exactly between two rows of a csv shows nothing (the docstring says so): one byte less does.
    path.write_bytes(cut[:-1] if cut.endswith(b"\n") else cut)
    with pytest.raises(FormatError):
        read_instrument(path)


@pytest.mark.parametrize("name", [MINIMAL, EXAMPLE])
def test_a_text_export_cut_at_any_line_of_its_results_is_refused(shared: Path, tmp_path: Path, name: str) -> None:
    lines = (shared / name).read_bytes().splitlines(keepends=True)
    start = next(at for at, line in enumerate(lines) if line.startswith(b"[Results]"))
    whole = read_instrument(shared / name).readings
    n_planned = sum(bool(fields[4:]) for fields in (row.split(b"\t") for row in lines[start + 2 :]))
    n_refused = 0
    for n_lines in range(len(lines)):
        path = tmp_path / "cut.txt"
        path.write_bytes(b"".join(lines[:n_lines]))
        try:
            run = read_instrument(path)
        except FormatError:
            n_refused += 1
        else:
            # Only what the table of the plate never promised may be missing: wells 17 and 18 of the example.
            missing = [row for row in shown(read_instrument(shared / name)) if row not in shown(run)]
            assert {well for well, _, _ in missing} <= {"A17", "A18"}
            assert run.readings.num_rows + len(missing) == whole.num_rows
    assert n_planned
    assert n_refused > start
