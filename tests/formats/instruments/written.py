"""Exports written from the formats' description, for tests that need a file of their own."""

from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from poolkit.errors import FormatError
from poolkit.formats.instruments import InstrumentRun, read_instrument

# One row of a plate: well number, position, omit, sample, target, Ct, each as the file shows it.
Row = tuple[str, str, str, str, str, str]
ROWS: tuple[Row, ...] = (
    ("1", "A1", "false", "T001", "N", "Undetermined"),
    ("1", "A1", "false", "T001", "ORF1ab", "31.5"),
    ("2", "A2", "false", "T002", "N", "24.25"),
    ("2", "A2", "false", "T002", "ORF1ab", "25.125"),
    ("96", "H12", "false", "NTC", "N", "Undetermined"),
)

TXT_HEADER = {
    "Block Type": "96-Well Block (0.2mL)",
    "Experiment Barcode": "P100",
    "Experiment Run End Time": "2020-10-01 01:44:54 AM EDT",
    "Instrument Name": "bench 4",
    "Instrument Serial Number": "278880034",
    "Instrument Type": "QuantStudio(TM) 6 Flex System",
}
CSV_HEADER = {
    "Barcode": "P100",
    "Instrument Type": "QuantStudio™ 7 Pro System",
    "Block Type": "96-Well 0.2-mL Block",
    "Instrument Name": "bench 4",
    "Instrument Serial Number": "278880034",
    "Plate Run Start Date/Time": "2020-04-18 07:08:17 PM PDT",
    "Plate Run End Date/Time": "2020-04-18 09:00:39 PM PDT",
    "Run Duration": "112 minutes 22 seconds",
}
TXT_COLUMNS = ("Well", "Well Position", "Omit", "Sample Name", "Target Name", "Task", "CT", "Amp Score")
CSV_COLUMNS = ("Well", "Well Position", "Sample", "Target", "Task", "Cq", "Cq Mean", "Omit")


def rtpcr(
    rows: Sequence[Row] = ROWS,
    header: dict[str, str] = TXT_HEADER,
    *,
    columns: Sequence[str] = TXT_COLUMNS,
    setup: Sequence[Row] | None = ROWS,
) -> str:
    """The RT-PCR software's text export."""
    lines = [f"* {key} = {value}" for key, value in header.items()] + [""]
    if setup is not None:
        lines += ["[Sample Setup]", "Well\tWell Position\tSample Name\tTarget Name\tTask"]
        lines += [f"{well}\t{position}\t{sample}\t{target}\t" for well, position, _, sample, target, _ in setup]
        lines += [""]
    lines += ["[Results]", "\t".join(columns)]
    for well, position, omit, sample, target, ct in rows:
        lines.append(f"{well}\t{position}\t{omit}\t{sample}\t{target}\tUNKNOWN\t{ct}\t1.0")
    return "".join(line + "\r\n" for line in [*lines, ""])


def design_csv(
    rows: Sequence[Row] = ROWS, header: dict[str, str] = CSV_HEADER, *, columns: Sequence[str] = CSV_COLUMNS
) -> str:
    """Design & Analysis' comma separated export: every field of the table in quotes."""
    lines = [f"# {key}: {value}" for key, value in header.items()]
    table = [columns] + [
        (well, position, sample, target, "UNKNOWN", ct, "", omit) for well, position, omit, sample, target, ct in rows
    ]
    lines += [",".join('"' + field.replace('"', '""') + '"' for field in fields) for fields in table]
    return "".join(line + "\r\n" for line in lines)


def workbook(path: Path, table: Sequence[Sequence[object]], header: dict[str, str], sheet: str = "Results") -> Path:
    """Design & Analysis' workbook: key and value rows, a blank row, the table."""
    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    for key, value in header.items():
        page.append([key, value or None])
    page.append([])
    for row in table:
        page.append(list(row))
    book.save(path)
    return path


def put(folder: Path, content: str | bytes, name: str = "run.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def shown(run: InstrumentRun) -> list[tuple[str, str, float | None]]:
    """The readings as (well, target, Ct)."""
    columns = (run.readings[name].to_pylist() for name in ("well", "target", "ct_cycles"))
    return list(zip(*columns, strict=True))


def error(path: Path, **options: object) -> str:
    """The text of the error that reading the file must end in."""
    with pytest.raises(FormatError) as caught:
        read_instrument(path, **options)
    assert caught.value.problems
    text = str(caught.value)
    assert text.startswith(f"cannot read {path} as a QuantStudio export, ")
    return text
