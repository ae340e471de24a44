"""Excel exports: ``.xls`` of the 7500 and QuantStudio 3 and 5, ``.xlsx`` of Design & Analysis."""

import io
import struct
from collections.abc import Sequence

import numpy as np
from python_calamine import CalamineError, CalamineWorkbook

from poolkit.errors import some
from poolkit.formats.instruments.export import Export, Grid, as_key, as_text, grid, locate, refuse

# A zip (xlsx) or a compound file (xls), whatever the name ends in.
ZIP = b"PK\x03\x04"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNOPENED = "the file is cut, damaged, locked or no Excel workbook"


def is_workbook(data: bytes) -> bool:
    """Whether the bytes begin as an Excel workbook does."""
    return data.startswith((ZIP, COMPOUND))


def read_workbook(data: bytes) -> Export:
    """Read the sheet Results, and the sheet Sample Setup where there is one."""
    if data.startswith(COMPOUND):
        _check_sectors(data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {as_key(name): name for name in book.sheet_names}
        if "results" not in sheets:
            raise refuse("workbook", f"expected a sheet 'Results', found {some(map(repr, book.sheet_names)) or 'none'}")
        header, results = _sheet(book, sheets["results"])
        planned = _sheet(book, sheets["sample setup"])[1] if "sample setup" in sheets else None
    except CalamineError as reason:
        raise refuse("workbook", f"cannot be opened ({reason}): {_UNOPENED}") from None
    except BaseException as reason:
        # A panic inside calamine is no Exception; every other exit keeps its way.
        if type(reason).__name__ != "PanicException":
            raise
        raise refuse("workbook", f"cannot be opened: {_UNOPENED}") from None
    if results is None:
        raise refuse(
            f"sheet {sheets['results']!r}",
            "expected a row of column names with Well, Target (Name) and CT, Cт or Cq, found none",
        )
    return Export(header, results, planned)


def _sheet(book: CalamineWorkbook, name: str) -> tuple[dict[str, object], Grid | None]:
    """Return the key and value rows above the table, and the table."""
    rows: list[Sequence[object]] = list(book.get_sheet_by_name(name).to_python(skip_empty_area=False))
    header: dict[str, object] = {}
    for at, cells in enumerate(rows):
        columns = locate(cells)
        if columns.target is not None and (columns.well is not None or columns.position is not None):
            return header, grid(f"sheet {name!r}", enumerate(rows[at:], at + 1))
        if cells and as_text(cells[0]):
            header.setdefault(as_key(cells[0]), cells[1] if len(cells) > 1 else "")
    return header, None


def _check_sectors(data: bytes) -> None:
    """Refuse a compound file whose table of sectors is damaged.

    Calamine follows that table as it stands; with a sector that names itself it asks for memory until the process
    is killed. In a sound file every sector is in the file and follows at most one other ([MS-CFB] 2.3).
    """
    try:
        shift, n_tables = struct.unpack_from("<30xH12xI", data)
        first = np.frombuffer(data, "<u4", min(n_tables, 109), 76)
    except (struct.error, ValueError):
        raise refuse("workbook", f"has no whole header: {_UNOPENED}") from None
    size = 1 << min(shift, 12)
    n_sectors = -(-len(data) // size) - 1
    after = (int(sector) + 1 for sector in first)
    table = np.frombuffer(
        b"".join(data[at * size : (at + 1) * size] for at in after if at <= n_sectors)[: 4 * n_sectors], "u1"
    )
    following = np.sort(table[: table.size // 4 * 4].view("<u4"))
    # Values from 0xFFFFFFFA mark the end of a chain, a free sector and the like ([MS-CFB] 2.1).
    following = following[following < 0xFFFFFFFA]
    in_file = (first < n_sectors).all() and (following < n_sectors).all()
    if not in_file or np.unique(first).size < first.size or (following[1:] == following[:-1]).any():
        raise refuse("workbook", f"has a broken table of sectors: {_UNOPENED}")
