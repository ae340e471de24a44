"""The day folder: tables as Parquet, Arrow or CSV files, and instrument exports."""

import hashlib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from poolkit.arrays import compacted
from poolkit.errors import FormatError, Problem, SchemaError
from poolkit.formats.delimited import misspelt, read_csv, write_csv
from poolkit.formats.instruments import read_instrument
from poolkit.schemas import CUSTODY, MEMBERS, POOLS, READINGS, RUNS, SAMPLES, WELLS, Day, Table, conform

SUFFIXES = (".parquet", ".arrow", ".csv")
_FILES = (SAMPLES, WELLS, RUNS, READINGS, POOLS, MEMBERS, CUSTODY)
_REQUIRED = (SAMPLES, WELLS)
_ROWS_A_GROUP = 1_000_000
_MAY_REPEAT = (SAMPLES, READINGS)  # a finding of the day, not an error of the file
# Text that repeats from row to row is read as a dictionary, so that it is looked at once a distinct value.
_REPEATING = {
    "samples": ("site_id", "kind", "tube_id"),
    "wells": ("plate_id", "well", "content"),
    "runs": ("plate_id", "instrument_id", "operator_id", "extraction_lot", "amplification_lot"),
    "readings": ("run_id", "well", "target"),
    "pools": ("formed",),
    "members": ("pool_id",),
    "custody": ("event", "box_id", "actor", "witness", "place"),
}


def day_files(folder: str | PathLike[str]) -> list[Path]:
    """Return the files of a day folder that `read_day` reads, in order of name.

    Parameters
    ----------
    folder
        The day folder.

    Returns
    -------
    list of Path
        Table files and instrument exports.

    Raises
    ------
    FormatError
        When the folder is missing, holds no day, or holds one table twice.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FormatError(f"{root}: not a day folder", [Problem(str(root), "expected a folder, found none")])
    tables = [path for table in _FILES if (path := table_file(root, table)) is not None]
    exports = [path for path in (root / "instruments").glob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(tables + exports)


def content_key(folder: str | PathLike[str], *extra: str) -> str:
    """Return the SHA-256 of a day folder's files and of what else decides about its outcome.

    Parameters
    ----------
    folder
        The day folder.
    *extra
        Further text, e.g. the protocol's values.

    Returns
    -------
    str
        Hexadecimal; the same for the same bytes under the same names.
    """
    root = Path(folder)
    key = hashlib.sha256()
    for path in day_files(root):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        key.update(f"{path.relative_to(root).as_posix()}\0{digest}\0".encode())
    for text in extra:
        key.update(text.encode())
    return key.hexdigest()


def read_day(folder: str | PathLike[str], *, zone: str | None = None) -> Day:
    """Read a day folder.

    Parameters
    ----------
    folder
        Holds ``samples`` and ``wells``, and ``readings`` or ``instruments/``; perhaps ``runs``, ``pools``, ``members``
        and ``custody``; each as ``.parquet``, ``.arrow`` or ``.csv``.
    zone
        IANA time zone of CSV and instrument times that give none, e.g. ``Asia/Shanghai``.

    Returns
    -------
    Day
        Every table as its schema says; repeating text is dictionary-encoded.

    Raises
    ------
    FormatError
        When a file is missing, stands there twice, is cut, or holds something that its format does not allow.
    SchemaError
        When a table breaks its schema; every broken rule, with the file.

    Notes
    -----
    O(bytes). Instrument exports give readings and, where the folder has no ``runs`` file, the runs.

    Examples
    --------
    >>> import tempfile, poolkit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     poolkit.write_day(poolkit.simulate_day(50, 0.02, seed=1).day, folder)
    ...     poolkit.read_day(folder).samples.num_rows
    50
    """
    return _assembled(Path(folder), _FILES, zone)


def read_rest(folder: str | PathLike[str], *, zone: str | None = None) -> Day:
    """Read a day folder but for its samples; see `read_day`, whose parameters and errors these are."""
    return _assembled(Path(folder), tuple(table for table in _FILES if table is not SAMPLES), zone)


def _assembled(root: Path, wanted: tuple[Table, ...], zone: str | None) -> Day:
    day_files(root)
    tables = {}
    for table in wanted:
        rows = read_part(root, table, zone=zone)
        if rows is not None:
            tables[table.name] = rows
        elif table in _REQUIRED:
            expected = ", ".join(f"{table.name}{suffix}" for suffix in SUFFIXES)
            raise FormatError(
                f"{root}: not a day folder", [Problem(table.name, f"missing, expected one of {expected}")]
            )
    runs = tables.get("runs")
    readings = tables.get("readings")
    exports = [path for path in day_files(root) if path.parent.name == "instruments"]
    if exports:
        read = [read_instrument(path, zone=zone) for path in exports]
        readings = _joined([each.readings for each in read], READINGS, readings)
        runs = _joined([each.runs for each in read], RUNS, runs)
    return Day(
        tables.get("samples", SAMPLES.empty()),
        tables["wells"],
        READINGS.empty() if readings is None else readings,
        runs,
        tables.get("pools", POOLS.empty()),
        tables.get("members", MEMBERS.empty()),
        tables.get("custody", CUSTODY.empty()),
    )


def _joined(parts: Iterable[pa.Table], table: Table, first: pa.Table | None) -> pa.Table:
    every = ([] if first is None else [first]) + list(parts)
    return pa.concat_tables([part.cast(table.schema) for part in every])


def table_file(folder: str | PathLike[str], table: Table) -> Path | None:
    """Return the file of one table in a day folder, None when there is none.

    Parameters
    ----------
    folder
        The day folder.
    table
        Which table.

    Returns
    -------
    Path or None
        The file, whichever suffix it has.

    Raises
    ------
    FormatError
        When the table stands there twice.
    """
    root = Path(folder)
    found = [path for suffix in SUFFIXES if (path := root / f"{table.name}{suffix}").exists()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise FormatError(f"{root}: not a day folder", [Problem(table.name, f"expected one file, found {names}")])
    return found[0] if found else None


def read_part(folder: str | PathLike[str], table: Table, *, zone: str | None = None) -> pa.Table | None:
    """Read one table of a day folder, None when it has no file of it.

    Parameters
    ----------
    folder
        The day folder.
    table
        Which table.
    zone
        IANA time zone of CSV times that give none.

    Returns
    -------
    pyarrow.Table or None
        As its schema says; a key may stand there twice.

    Raises
    ------
    FormatError
        When the table stands there twice, is cut, or holds something that its format does not allow.
    SchemaError
        When the table breaks its schema; every broken rule, with the file.
    """
    path = table_file(folder, table)
    if path is None:
        return None
    rows = read_table(path, table, zone=zone)
    try:
        return conform(rows, table, keys=table not in _MAY_REPEAT)
    except SchemaError as reason:
        raise SchemaError(f"{path}: {reason.title}", reason.problems) from None


def read_table(path: Path, table: Table, *, zone: str | None = None) -> pa.Table:
    """Read one table file by its suffix.

    Parameters
    ----------
    path
        A ``.parquet``, ``.arrow`` or ``.csv`` file.
    table
        What it should hold: CSV text becomes its types.
    zone
        IANA time zone of CSV times that give none.

    Returns
    -------
    pyarrow.Table
        As the file has it; `conform` is the caller's.

    Raises
    ------
    FormatError
        When the file is cut or is something else, or a column's name is nearly that of one that is absent.
    """
    if path.suffix == ".csv":
        return read_csv(path, table, zone=zone)
    try:
        rows = _read_binary(path, table)
        # A damaged byte may leave text that is none, or offsets that point outside; nobody looks again after this.
        rows.validate(full=True)
        names = rows.column_names
    except (pa.ArrowException, OSError, ValueError) as reason:
        kind = "a whole Parquet file" if path.suffix == ".parquet" else "a whole Arrow IPC file"
        problem = Problem(str(path), f"expected {kind}, found {path.stat().st_size} bytes that are not: {reason}")
        raise FormatError(f"{path}: cannot be read", [problem]) from None
    problems = misspelt(names, table, "columns")
    if problems:
        raise FormatError(f"{path}: cannot be read", problems)
    return rows


def _read_binary(path: Path, table: Table) -> pa.Table:
    if path.suffix == ".parquet":
        with open_parquet(path, table) as file:
            return file.read()
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def open_parquet(path: Path, table: Table) -> pq.ParquetFile:
    """Open a Parquet file so that its repeating text comes as dictionaries, one chunk a row group."""
    present = pq.read_schema(path).names
    repeating = [name for name in _REPEATING.get(table.name, ()) if name in present]
    return pq.ParquetFile(path, read_dictionary=repeating, memory_map=True)


def write_table(rows: pa.Table, path: Path) -> None:
    """Write one table by the file's suffix.

    Parameters
    ----------
    rows : pyarrow.Table
        What to write.
    path
        A ``.parquet``, ``.arrow`` or ``.csv`` file; an unfinished file never has this name.

    Raises
    ------
    FormatError
        When the suffix is none of these.
    """
    if path.suffix not in SUFFIXES:
        expected = ", ".join(SUFFIXES)
        raise FormatError(
            f"{path}: cannot be written", [Problem("suffix", f"expected one of {expected}, found {path.suffix!r}")]
        )
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.suffix == ".parquet":
            _write_parquet(rows, partial)
        elif path.suffix == ".arrow":
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows.unify_dictionaries())
        else:
            write_csv(rows, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_parquet(rows: pa.Table, path: Path) -> None:
    """Write row groups each with the dictionaries that it uses, and no others."""
    repeating = [field.name for field in rows.schema if pa.types.is_dictionary(field.type)]
    options = {"compression": "zstd", "compression_level": 1, "dictionary_pagesize_limit": 1 << 26}
    with pq.ParquetWriter(path, rows.schema, use_dictionary=repeating or False, store_schema=False, **options) as file:
        for start in range(0, max(rows.num_rows, 1), _ROWS_A_GROUP):
            file.write_table(compacted(rows.slice(start, _ROWS_A_GROUP)), row_group_size=_ROWS_A_GROUP)


def write_day(day: Day, folder: str | PathLike[str], *, suffix: str = ".parquet") -> None:
    """Write a day as the folder that `read_day` reads.

    Parameters
    ----------
    day
        The tables; empty laboratory pools, empty custody and absent runs are left out.
    folder
        Is made when it is not there.
    suffix
        ``.parquet``, ``.arrow`` or ``.csv``.

    Raises
    ------
    FormatError
        When the suffix is none of these.

    Examples
    --------
    >>> import tempfile, poolkit
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     poolkit.write_day(poolkit.simulate_day(50, 0.02, seed=1).day, folder, suffix=".csv")
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['readings.csv', 'runs.csv', 'samples.csv', 'wells.csv']
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for table in _FILES:
        rows = getattr(day, table.name)
        if rows is not None and (table not in (POOLS, MEMBERS, CUSTODY) or rows.num_rows):
            write_table(rows, root / f"{table.name}{suffix}")
