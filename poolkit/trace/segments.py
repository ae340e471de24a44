"""Segments: a commit's tables as Parquet files, on the disk before anybody names them."""

import secrets
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from poolkit.arrays import compacted
from poolkit.errors import Problem, TraceError
from poolkit.schemas import TABLES
from poolkit.trace.canonical import SALT_KEY_BYTES, leaf_digests
from poolkit.trace.files import Files, Sink
from poolkit.trace.merkle import root_of
from poolkit.trace.record import Segment

FOLDER = "segments"

# For a day of a million, zstd halves the bytes once more but doubles the time that LZ4 takes to write them.
_COMPRESSION = "lz4"
# Barcodes of 100,000 tubes need some MB; past the limit Parquet writes every one of them out again.
_DICTIONARY_BYTES = 1 << 26
_ROWS_A_SEGMENT = 500_000
_WRITERS = 2
_AHEAD = 6


class SegmentWriter:
    """Writes the segments of one commit, several at once, into a folder that nobody reads until it is finished.

    Parameters
    ----------
    files
        The files of the store.
    name
        The folder's name once finished.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._final = f"{FOLDER}/{name}"
        self._partial = f"{FOLDER}/.{name}.partial"
        self._clear()
        self._files.make_folder(self._partial)
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
        salt_key = secrets.token_bytes(SALT_KEY_BYTES)
        with self._files.create(f"{self._partial}/{file}") as sink:
            pq.write_table(part, sink, **parquet_options(part))
            root = root_of(leaf_digests(part, TABLES[name], salt_key))
            return replace(
                self._settled(sink, name, file, part.num_rows), rows_root=root.hex(), salt_key=salt_key.hex()
            )

    def _settled(self, sink: Sink, name: str, file: str, n_rows: int) -> Segment:
        sink.settle()
        return Segment(f"{self._final}/{file}", name, n_rows, sink.n_bytes, sink.sha256.hexdigest())

    def finish(self) -> list[Segment]:
        """Give the folder its name when all is on the disk, and return what it holds in order of writing."""
        segments = [waiting.result() for waiting in self._waiting]
        self._writers.shutdown()
        self._files.publish(self._partial, self._final)
        return segments

    def discard(self) -> None:
        """Remove what was written, finished or not; for a commit that the ledger does not name."""
        self._writers.shutdown(cancel_futures=True)
        self._clear()

    def _clear(self) -> None:
        for leftover in (self._partial, self._final):
            with suppress(OSError):
                self._files.remove_tree(leftover)


def read_segment(files: Files, segment: Segment) -> pa.Table:
    """Return all rows of a segment.

    Raises
    ------
    TraceError
        When its file is missing, or is no Parquet file.
    """
    try:
        with files.open(segment.path) as file:
            return pq.read_table(file)
    except (pa.ArrowException, OSError) as reason:
        what = f"expected {segment.n_bytes} bytes of Parquet: {reason}"
        raise TraceError("the store is broken", [Problem(files.where(segment.path), what)]) from None


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
