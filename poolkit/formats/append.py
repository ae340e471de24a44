"""Rows added behind what a day folder has: nothing that stands there is changed, and all tables are added together."""

import csv
import io
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from poolkit.errors import FormatError, Problem
from poolkit.formats.day import table_file, write_table
from poolkit.schemas import TABLES


def append_tables(
    folder: str | PathLike[str], tables: Mapping[str, pa.Table], *, suffix: str = ".parquet"
) -> list[Path]:
    """Add rows behind the tables of a day folder, or begin the tables that it does not have.

    Parameters
    ----------
    folder
        The day folder.
    tables
        Rows by the name of their table, in the order in which the files are to appear.
    suffix
        Of the files that are begun: ``.parquet``, ``.arrow`` or ``.csv``.

    Returns
    -------
    list of Path
        The files, in the order of `tables`.

    Raises
    ------
    FormatError
        When a file cannot hold the rows, a table stands there twice, or the suffix is none of these.

    Notes
    -----
    O(bytes of the files). A file that is there keeps its format, its rows, further columns and, as CSV, every byte. All
    files are written aside first and then put in place one after the other, so that no reader sees half a file.

    Examples
    --------
    >>> import tempfile, pyarrow as pa
    >>> from poolkit.formats import append_tables, read_part
    >>> from poolkit.schemas import POOLS
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("P1", "P2"):
    ...         row = {"pool_id": name, "formed": "laboratory", "n_members": 2, "stage": 1}
    ...         pools = pa.Table.from_pylist([row], schema=POOLS.schema)
    ...         files = append_tables(folder, {"pools": pools}, suffix=".csv")
    ...     files[0].name, read_part(folder, POOLS)["pool_id"].to_pylist()
    ('pools.csv', ['P1', 'P2'])
    """
    root = Path(folder)
    staged: list[tuple[Path, Path]] = []
    try:
        for name, rows in tables.items():
            path = table_file(root, TABLES[name]) or root / f"{name}{suffix}"
            # Behind another name but with the same suffix, by which the format is chosen.
            aside = path.with_name(f".{path.stem}.added{path.suffix}")
            staged.append((aside, path))
            if not path.exists():
                write_table(rows, aside)
            elif path.suffix == ".csv":
                aside.write_bytes(path.read_bytes() + _lines(path, rows))
            else:
                write_table(_behind(_whole(path), rows, path), aside)
        for aside, path in staged:
            aside.replace(path)
    finally:
        for aside, _ in staged:
            aside.unlink(missing_ok=True)
    return [path for _, path in staged]


def _whole(path: Path) -> pa.Table:
    """Read a file with all its columns as they are."""
    if path.suffix == ".parquet":
        return pq.read_table(path, partitioning=None, memory_map=True)
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _behind(known: pa.Table, rows: pa.Table, path: Path) -> pa.Table:
    """Put rows behind a file's, in its columns and types; further columns of the file are null in them."""
    _refuse_unheld(rows, known.column_names, path)
    fields = [field.with_nullable(True) for field in known.schema]
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in fields
    ]
    schema = pa.schema(fields, metadata=known.schema.metadata)
    return pa.concat_tables([known.cast(schema), pa.table(columns, schema=schema)])


def _lines(path: Path, rows: pa.Table) -> bytes:
    """Write rows as lines under a CSV file's header, ended as its own."""
    with path.open("rb") as file:
        header_line = file.readline()
    header = next(csv.reader(io.StringIO(header_line.decode("utf-8-sig"))))
    _refuse_unheld(rows, header, path)
    nothing = [""] * rows.num_rows
    columns = [
        pc.fill_null(rows[name].cast(pa.string()), "").to_pylist() if name in rows.column_names else nothing
        for name in header
    ]
    text = io.StringIO()
    ending = "\r\n" if header_line.endswith(b"\r\n") else "\n"
    csv.writer(text, lineterminator=ending).writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def _refuse_unheld(rows: pa.Table, held: list[str], path: Path) -> None:
    """Refuse a file that has no column for something that the rows say."""
    problems = [
        Problem(name, "missing in the file, and the rows to be added need it")
        for name in rows.column_names
        if name not in held and rows[name].null_count < rows.num_rows
    ]
    if problems:
        raise FormatError(f"{path}: cannot be added to", problems)
