"""Segments: a commit's tables as Parquet files, on the disk before anybody names them."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
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
from poolkit.trace.index import INDEX, Marks, build_index
from poolkit.trace.merkle import root_of
from poolkit.trace.opened import Opened
from poolkit.trace.record import Segment

FOLDER = "segments"
INDEX_FILE = f"{INDEX}-0000.bin"

# For a day of a million, zstd halves the bytes once more but doubles the time that LZ4 takes to write them.
_COMPRESSION = "lz4"
# Barcodes of 100,000 tubes need some MB; past the limit Parquet writes every one of them out again.
_DICTIONARY_BYTES = 1 << 26
# One row group is read in under a millisecond, and to write them takes a third longer than to write all in one.
ROWS_A_GROUP = 8192
_ROWS_A_SEGMENT = 64 * ROWS_A_GROUP
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
        self._waiting: list[Future[tuple[Segment, Marks]]] = []
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

    def _write(self, name: str, file: str, part: pa.Table) -> tuple[Segment, Marks]:
        marks = Marks.of(name)
        # Several dictionaries become one here, or every row group would have to unite them again.
        part = compacted(part) if any(column.num_chunks > 1 for column in part.columns) else part
        salt_key = secrets.token_bytes(SALT_KEY_BYTES)
        with self._files.create(f"{self._partial}/{file}") as sink:
            with pq.ParquetWriter(sink, part.schema, **parquet_options(part)) as parquet:
                for start in range(0, part.num_rows, ROWS_A_GROUP):
                    group = compacted(part.slice(start, ROWS_A_GROUP))
                    parquet.write_table(group, row_group_size=ROWS_A_GROUP)
                    marks.add(group)
            root = root_of(leaf_digests(part, TABLES[name], salt_key))
            segment = self._settled(sink, name, file, part.num_rows)
        return replace(segment, rows_root=root.hex(), salt_key=salt_key.hex()), marks

    def _settled(self, sink: Sink, name: str, file: str, n_rows: int) -> Segment:
        sink.settle()
        return Segment(f"{self._final}/{file}", name, n_rows, sink.n_bytes, sink.sha256.hexdigest())

    def finish(self) -> list[Segment]:
        """Give the folder its name when all is on the disk, and return what it holds in order of writing."""
        written = [waiting.result() for waiting in self._waiting]
        self._writers.shutdown()
        segments = [segment for segment, _ in written]
        with self._files.create(f"{self._partial}/{INDEX_FILE}") as sink:
            sink.write(build_index([marks for _, marks in written]))
            segments.append(self._settled(sink, INDEX, INDEX_FILE, 0))
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


def rebuild_index(files: Files, segments: Sequence[Segment]) -> bytes:
    """Return the index of a commit from its other segments, byte for byte as it was written.

    Parameters
    ----------
    files
        The files of the store.
    segments
        The segments of one commit; an index among them is not looked at.

    Returns
    -------
    bytes
        The contents of the file ``index-0000.bin``.

    Raises
    ------
    TraceError
        When a segment is missing or cut.
    """
    opened, noted = Opened(files), []
    for segment in sorted(segments, key=lambda segment: segment.path):
        if segment.table != INDEX:
            marks = Marks.of(segment.table)
            for number in range(opened.n_groups(segment)):
                marks.add(opened.groups(segment, [number], None)[0])
            noted.append(marks)
    return build_index(noted)


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
