"""The store: commits of whole tables on a path, each all or nothing, and what they say together."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poolkit.arrays import TextIndex, plain
from poolkit.errors import Problem, TraceError
from poolkit.schemas import TABLES
from poolkit.trace.ledger import Commit, Ledger, Segment, make_ledger
from poolkit.trace.lock import writing
from poolkit.trace.segments import SegmentWriter

# Text that repeats is read as a dictionary, so that it is looked at once a distinct value.
_REPEATING = frozenset(
    ("action", "call", "content", "formed", "kind", "plate_id", "protocol", "run_id", "site_id", "status", "target")
)

_MAKING_SECONDS = 60.0


class Store:
    """Commits on a path: Parquet segments, and the ledger that names them.

    Parameters
    ----------
    path
        The store's folder.
    create
        Whether to make it when it is not there.

    Raises
    ------
    TraceError
        When there is no store, or a newer poolkit wrote it.
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self.path = Path(path)
        ledger = self.path / "ledger.sqlite"
        if not ledger.exists() and not create:
            raise TraceError(f"{self.path}: not a store", [Problem("ledger.sqlite", "expected a ledger, found none")])
        try:
            (self.path / "segments").mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            raise TraceError(f"{self.path}: not a store", [Problem(str(self.path), str(reason))]) from None
        if not ledger.exists():
            # Two that make a store at once would both make its tables.
            with writing(self.path / "lock", wait_seconds=_MAKING_SECONDS):
                make_ledger(ledger)
        self._ledger = Ledger(ledger)
        self._ledger.refuse_newer()

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        return self._ledger.commits()

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        return self._ledger.find(content_key)

    @contextmanager
    def writing(self, *, wait_seconds: float = 600.0) -> Iterator[None]:
        """Hold the store for writing; see `poolkit.trace.lock.writing`."""
        with writing(self.path / "lock", wait_seconds=wait_seconds):
            yield

    @contextmanager
    def segments(self, content_key: str) -> Iterator[SegmentWriter]:
        """Open the segments of a commit to be; they are gone again when anything fails before the ledger names them.

        Raises
        ------
        TraceError
            When the disk refuses; the store stays at its last commit.
        """
        writer = None
        try:
            writer = SegmentWriter(self.path / "segments", content_key[:16])
            yield writer
        except BaseException as reason:
            if writer is not None and not self._is_known(content_key):
                writer.discard()
            if isinstance(reason, OSError):
                problem = Problem(str(self.path), f"{reason.strerror or reason}; the store is at its last commit")
                raise TraceError("the store could not be written", [problem]) from reason
            raise

    def _is_known(self, content_key: str) -> bool:
        """Whether the ledger names these contents, or cannot be asked: then what was written has to stay."""
        try:
            return self._ledger.find(content_key) is not None
        except TraceError:
            return True

    def commit(
        self,
        segments: Iterable[Segment],
        *,
        content_key: str,
        computed_at: datetime,
        protocol: str,
        protocol_values: str,
        source: str,
        summary: dict[str, Any],
    ) -> Commit:
        """Let the ledger name segments that are on the disk: from here on they are the store's."""
        return self._ledger.append(
            content_key=content_key,
            committed_at=datetime.now(UTC),
            computed_at=computed_at,
            protocol=protocol,
            protocol_values=protocol_values,
            source=source,
            summary=summary,
            segments=list(segments),
        )

    def table(
        self, name: str, *, columns: list[str] | None = None, filters: Any = None, commit_id: int | None = None
    ) -> pa.Table:
        """Return one table as all commits together give it, oldest first.

        Parameters
        ----------
        name
            A table of the schemas; of `results` every version is there.
        columns
            Which columns; all by default.
        filters
            As ``pyarrow.parquet.read_table`` takes them.
        commit_id
            Only what this commit wrote; all commits by default.

        Raises
        ------
        TraceError
            When a segment that the ledger names is missing or cut.
        """
        table = TABLES[name]
        wanted = columns or list(table.names)
        parts = []
        for commit, segment in self._ledger.segments():
            if segment.table == name and commit_id in (None, commit):
                parts.append(self._read(segment, wanted, filters))
        empty = table.empty().select(wanted)
        if len(parts) > 1:
            return pa.concat_tables([part.cast(empty.schema) for part in parts])
        return parts[0] if parts else empty

    def _read(self, segment: Segment, columns: list[str], filters: Any) -> pa.Table:
        path = self.path / "segments" / segment.path
        repeating = [name for name in columns if name in _REPEATING]
        try:
            return pq.read_table(
                path, columns=columns, filters=filters, read_dictionary=repeating, partitioning=None, memory_map=True
            )
        except (pa.ArrowInvalid, OSError) as reason:
            raise TraceError(
                "the store is broken", [Problem(str(path), f"expected {segment.n_bytes} bytes of Parquet: {reason}")]
            ) from None

    def results(self, *, columns: list[str] | None = None) -> pa.Table:
        """Return the current result of every sample: of several versions the newest.

        Parameters
        ----------
        columns
            Which columns; all by default.

        Returns
        -------
        pyarrow.Table
            One row a sample, samples in order of first result.
        """
        wanted = columns or list(TABLES["results"].names)
        read = list(dict.fromkeys([*wanted, "sample_id"]))
        every = self.table("results", columns=read)
        if len({commit for commit, segment in self._ledger.segments() if segment.table == "results"}) < 2:
            return every.select(wanted)
        index = TextIndex.of(plain(every["sample_id"]))
        last = np.zeros(len(index.values), np.int64)
        last[index.codes] = np.arange(index.codes.size)
        return every.take(pa.array(last)).select(wanted)
