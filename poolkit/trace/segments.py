"""Segments: a commit's tables as Parquet files, on the disk before anybody names them."""

import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from poolkit.trace.ledger import Segment

# One level of zstd halves the bytes at little time; barcodes that never repeat are not worth a dictionary.
_COMPRESSION = "zstd"
_COMPRESSION_LEVEL = 1


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.sha256 = hashlib.sha256()
        self.n_bytes = 0

    def writable(self) -> bool:
        """Tell Arrow that it may write."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash."""
        self.sha256.update(data)
        n_written = self._file.write(data)
        self.n_bytes += n_written
        return n_written

    def settle(self) -> None:
        """Return when the bytes are on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class SegmentWriter:
    """Writes the segments of one commit into a folder that nobody reads until it is finished.

    Parameters
    ----------
    folder
        The store's folder of segments.
    name
        The folder's name once finished.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._final = folder / name
        self._partial = folder / f".{name}.partial"
        self.discard()
        self._partial.mkdir(parents=True)
        self._segments: dict[str, Segment] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Write one table as one segment, durably."""
        path = self._partial / f"{name}.parquet"
        with _Hashed(path) as file:
            pq.write_table(table, file, **parquet_options(table))
            file.settle()
            self._segments[name] = Segment(
                f"{self._final.name}/{path.name}", name, table.num_rows, file.n_bytes, file.sha256.hexdigest()
            )

    def finish(self) -> list[Segment]:
        """Give the folder its name, durably, and return what it holds in order of table name."""
        sync_folder(self._partial)
        self._partial.rename(self._final)
        sync_folder(self._folder)
        return [self._segments[name] for name in sorted(self._segments)]

    def discard(self) -> None:
        """Remove what was written, finished or not; for a commit that the ledger does not name."""
        for leftover in (self._partial, self._final):
            shutil.rmtree(leftover, ignore_errors=True)


def parquet_options(table: pa.Table) -> Mapping[str, Any]:
    """Return how a table is written: dictionaries for columns that came as dictionaries, plain for all others.

    Examples
    --------
    >>> import pyarrow as pa
    >>> parquet_options(pa.table({"well": pa.array(["A01"]).dictionary_encode(), "slot": [1]}))["use_dictionary"]
    ['well']
    """
    repeating = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    return {
        "compression": _COMPRESSION,
        "compression_level": _COMPRESSION_LEVEL,
        "use_dictionary": repeating or False,
        "store_schema": False,
    }


def sync_folder(folder: Path) -> None:
    """Return when the folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
