"""Segments: a commit's tables as Parquet files, on the disk before anybody names them."""

import hashlib
import io
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from poolkit.arrays import compacted
from poolkit.trace.ledger import Segment, sync_folder

# For a day of a million, zstd halves the bytes once more but doubles the time that LZ4 takes to write them.
_COMPRESSION = "lz4"
# Barcodes of 100,000 tubes need some MB; past the limit Parquet writes every one of them out again.
_DICTIONARY_BYTES = 1 << 26
_ROWS_A_SEGMENT = 500_000
_WRITERS = 2
_AHEAD = 6


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
    """Writes the segments of one commit, several at once, into a folder that nobody reads until it is finished.

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
        self._clear()
        self._partial.mkdir(parents=True)
        self._writers = ThreadPoolExecutor(_WRITERS)
        self._waiting: list[Future[Segment]] = []
        self._n_segments: Counter[str] = Counter()

    def write(self, name: str, table: pa.Table) -> None:
        """Begin to write a table, in segments of so many rows that two can be written at once."""
        for start in range(0, table.num_rows, _ROWS_A_SEGMENT):
            file = f"{name}-{self._n_segments[name]:04d}.parquet"
            self._n_segments[name] += 1
            part = table.slice(start, _ROWS_A_SEGMENT)
            # A writer that falls behind holds up the next batch, or all batches would wait in memory.
            if len(self._waiting) >= _AHEAD:
                self._waiting[-_AHEAD].result()
            self._waiting.append(self._writers.submit(self._write, name, file, part))

    def _write(self, name: str, file: str, part: pa.Table) -> Segment:
        part = compacted(part)
        with _Hashed(self._partial / file) as sink:
            pq.write_table(part, sink, **parquet_options(part))
            sink.settle()
            return Segment(f"{self._final.name}/{file}", name, part.num_rows, sink.n_bytes, sink.sha256.hexdigest())

    def finish(self) -> list[Segment]:
        """Give the folder its name when all is on the disk, and return what it holds in order of writing."""
        segments = [waiting.result() for waiting in self._waiting]
        self._writers.shutdown()
        sync_folder(self._partial)
        self._partial.rename(self._final)
        sync_folder(self._folder)
        return segments

    def discard(self) -> None:
        """Remove what was written, finished or not; for a commit that the ledger does not name."""
        self._writers.shutdown(cancel_futures=True)
        self._clear()

    def _clear(self) -> None:
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
    # Least and greatest barcode of a segment help nobody to find one, and finding them takes a third of the time.
    ordered = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    return {
        "compression": _COMPRESSION,
        "use_dictionary": repeating or False,
        "write_statistics": ordered or False,
        "dictionary_pagesize_limit": _DICTIONARY_BYTES,
        "store_schema": False,
    }
