"""The store: commits of whole tables on a path, each all or nothing, and what they say together."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from poolkit.errors import Problem, TraceError
from poolkit.trace.ledger import Commit, Ledger, Segment, make_ledger
from poolkit.trace.lock import writing
from poolkit.trace.opened import Opened
from poolkit.trace.segments import SegmentWriter
from poolkit.trace.snapshot import Snapshot

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
        self._opened = Opened(self.path / "segments")
        self._snapshot = Snapshot(self._opened, [])

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

    def snapshot(self) -> Snapshot:
        """Return what the commits up to now say together."""
        new = self._ledger.segments(after=self._snapshot.segments[-1][0] if self._snapshot.segments else 0)
        if new:
            self._snapshot = Snapshot(self._opened, [*self._snapshot.segments, *new])
        return self._snapshot
