"""Tables as CSV: UTF-8, a header, times with an offset; what a spreadsheet broke is named line by line."""

import codecs
import csv
import io
import re
from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from poolkit.errors import FormatError, Problem, discreet
from poolkit.schemas import Table

_NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null"]
_SHOWN = 100
_PERSON = "subject_id"
# A long number that a spreadsheet kept only the first digits of, e.g. 1.23E+17.
_SHORTENED = r"^\d(\.\d+)?[eE]\+\d+$"
_BOMS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read_csv(path: Path, table: Table, *, zone: str | None = None) -> pa.Table:
    """Read a CSV file as a table.

    Parameters
    ----------
    path
        UTF-8 with or without BOM, comma-separated, with a header, every line ended.
    table
        The columns to expect and their types.
    zone
        IANA time zone of times that give no offset.

    Returns
    -------
    pyarrow.Table
        The file's columns that the table has.

    Raises
    ------
    FormatError
        Naming each line and field that cannot be read, and what was expected there.

    Notes
    -----
    O(bytes). A file cut at the very end of a line is a whole shorter file; nothing in CSV tells the difference.
    """
    data = path.read_bytes()
    _refuse(path, _problems_of_bytes(data))
    header = next(csv.reader(io.StringIO(data.split(b"\n", 1)[0].decode("utf-8-sig"))), [])
    _refuse(path, _problems_of_header(header, table))
    known = [name for name in table.names if name in header]
    types = {name: table[name].type for name in known}
    times = [name for name, kind in types.items() if pa.types.is_timestamp(kind)]
    wrong = ""
    try:
        rows = _parse(data, types, known)
    except pa.ArrowInvalid as reason:
        wrong = str(reason)
    if wrong:
        # Outside of the handler: what Arrow says shows lines of the file, and must not hang on our error.
        naive = _parse_naive(data, types, known, times) if zone and times else None
        if naive is None or zone is None:
            what = f"expected a table as its header says: {wrong.partition(':')[0]}"
            problems = _problems_of_cells(data, header, table, zone) or [Problem("file", what)]
            raise FormatError(f"{path}: cannot be read", problems)
        rows = _zoned(naive, path, times, zone)
    _refuse(path, _problems_of_numbers(rows))
    return rows


def write_csv(rows: pa.Table, path: Path) -> None:
    """Write a table as CSV, times as ISO 8601 in UTC, lists joined by semicolons."""
    columns = []
    for name in rows.column_names:
        values = rows[name]
        if pa.types.is_timestamp(values.type):
            values = pc.strftime(values, format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_dictionary(values.type):
            values = values.cast(pa.string())
        elif pa.types.is_list(values.type):
            values = pc.binary_join(values, ";")
        columns.append(values)
    pacsv.write_csv(pa.table(columns, names=rows.column_names), path)


def _parse(data: bytes, types: dict[str, pa.DataType], known: list[str]) -> pa.Table:
    return pacsv.read_csv(
        pa.BufferReader(data),
        read_options=pacsv.ReadOptions(block_size=1 << 24),
        convert_options=pacsv.ConvertOptions(
            column_types=types,
            include_columns=known,
            null_values=_NULLS,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            timestamp_parsers=[pacsv.ISO8601],
        ),
    )


def _parse_naive(data: bytes, types: dict[str, pa.DataType], known: list[str], times: list[str]) -> pa.Table | None:
    try:
        return _parse(data, types | dict.fromkeys(times, pa.timestamp("us")), known)
    except pa.ArrowInvalid:
        return None


def _refuse(path: Path, problems: list[Problem]) -> None:
    if problems:
        raise FormatError(f"{path}: cannot be read", problems)


def _problems_of_bytes(data: bytes) -> list[Problem]:
    if not data:
        return [Problem("file", "expected a header line, found an empty file")]
    for bom, name in _BOMS.items():
        if data.startswith(bom):
            return [Problem("file", f"expected UTF-8, found {name}; save it as UTF-8")]
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = data.count(b"\n", 0, reason.start) + 1
        return [Problem(f"line {line}", f"expected UTF-8, found bytes that {_encoding_of(data)}; save it as UTF-8")]
    if b"\0" in data:
        return [Problem(f"line {data.count(10, 0, data.index(0)) + 1}", "expected text, found a zero byte")]
    if not data.endswith((b"\n", b"\r")):
        line = data.count(b"\n") + 1
        return [Problem(f"line {line}", "expected a line break at the end, found none: the file may have been cut")]
    return []


def _encoding_of(data: bytes) -> str:
    try:
        data.decode("gb18030")
    except UnicodeDecodeError:
        return "are not text"
    return "may be GBK"


def _problems_of_header(header: list[str], table: Table) -> list[Problem]:
    # Where the header is missing this is somebody's row.
    header = [discreet(name) for name in header]
    problems = [Problem("line 1", f"column {name} stands twice") for name in set(header) if header.count(name) > 1]
    problems += [
        Problem("line 1", f"missing column {column.name}, found {', '.join(header)}")
        for column in table.columns
        if column.name not in header and not column.null
    ]
    return problems + misspelt(header, table, "line 1")


def misspelt(names: list[str], table: Table, where: str) -> list[Problem]:
    """Find columns that are nearly called like one that is absent: left out, they would be lost without a word."""
    absent = [column.name for column in table.columns if column.name not in names]
    meant = {name: get_close_matches(name, absent, 1, 0.8) for name in names if name not in table.names}
    return [Problem(where, f"unknown column {name}, expected {near[0]}") for name, near in meant.items() if near]


def _problems_of_numbers(rows: pa.Table) -> list[Problem]:
    """Find barcodes that a spreadsheet turned into numbers and shortened."""
    problems = []
    for name in rows.column_names:
        values = rows[name]
        if pa.types.is_string(values.type) and pc.any(pc.match_substring(values, "E+", ignore_case=True)).as_py():
            broken = pc.fill_null(pc.match_substring_regex(values, _SHORTENED), False)
            for row in pc.indices_nonzero(broken).to_pylist()[:_SHOWN]:
                found = _shown(name, values[row].as_py())
                what = f"expected a barcode, found {found}: a spreadsheet shortened it, export the column as text"
                problems.append(Problem(f"line {row + 2}, {name}", what))
    return problems


def _problems_of_cells(data: bytes, header: list[str], table: Table, zone: str | None) -> list[Problem]:
    """Go through the file line by line to name what could not be read."""
    checks = {
        place: (name, check)
        for place, name in enumerate(header)
        if name in table.names and (check := _check_of(table[name].type, zone)) is not None
    }
    problems: list[Problem] = []
    reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    next(reader)
    for cells in reader:
        line = reader.line_num
        if cells and len(cells) != len(header):
            problems.append(Problem(f"line {line}", f"expected {len(header)} fields, found {len(cells)}"))
            continue
        for place, (name, check) in checks.items():
            wrong = None if not cells or cells[place] in _NULLS else check(cells[place])
            if wrong:
                problems.append(
                    Problem(f"line {line}, {name}", f"expected {wrong}, found {_shown(name, repr(cells[place]))}")
                )
    return problems[:_SHOWN]


def _shown(name: str, found: str) -> str:
    """Return what was found, but not what may be an identity number in clear, also where columns are out of order."""
    return "a number" if name == _PERSON else discreet(found)


def _check_of(kind: pa.DataType, zone: str | None) -> Callable[[str], str | None] | None:
    """Return a function that says what was expected where a cell cannot be read."""
    if pa.types.is_timestamp(kind):
        return lambda cell: _wrong_time(cell, zone)
    if pa.types.is_integer(kind):
        return lambda cell: _wrong_integer(cell, kind.bit_width)
    if pa.types.is_floating(kind):
        return _wrong_number
    return None


def _wrong_time(cell: str, zone: str | None) -> str | None:
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return "a time as 2022-04-01T08:30:00+08:00"
    if moment.tzinfo is None and not zone:
        return "a time with an offset as 2022-04-01T08:30:00+08:00 (or name the zone)"
    if moment.tzinfo is not None and zone:
        return "a time without an offset, as the zone was named"
    return None


def _wrong_integer(cell: str, bits: int) -> str | None:
    if re.fullmatch(r"[+-]?\d+", cell) and abs(int(cell)) < 2 ** (bits - 1):
        return None
    return f"a whole number below {2 ** (bits - 1)}"


def _wrong_number(cell: str) -> str | None:
    try:
        float(cell)
    except ValueError:
        return "a number"
    return None


def _zoned(rows: pa.Table, path: Path, names: list[str], zone: str) -> pa.Table:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        problem = Problem("zone", f"expected an IANA name as Asia/Shanghai, found {zone!r}")
        raise FormatError(f"{path}: cannot be read", [problem]) from None
    for name in names:
        try:
            zoned = pc.assume_timezone(rows[name], zone).cast(pa.timestamp("us", tz="UTC"))
        except pa.ArrowInvalid as reason:
            raise FormatError(
                f"{path}: cannot be read", [Problem(name, f"no such moment in {zone}: {reason}")]
            ) from None
        rows = rows.set_column(rows.column_names.index(name), name, zoned)
    return rows
