"""Files to tables and back; vendor words stop here."""

from poolkit.formats.append import append_tables
from poolkit.formats.day import (
    SUFFIXES,
    content_key,
    day_files,
    open_parquet,
    read_day,
    read_part,
    read_rest,
    read_table,
    table_file,
    write_day,
    write_table,
)
from poolkit.formats.instruments import InstrumentRun, read_instrument

__all__ = [
    "SUFFIXES",
    "InstrumentRun",
    "append_tables",
    "content_key",
    "day_files",
    "open_parquet",
    "read_day",
    "read_instrument",
    "read_part",
    "read_rest",
    "read_table",
    "table_file",
    "write_day",
    "write_table",
]
