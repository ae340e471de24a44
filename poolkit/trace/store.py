"""The store: commits of whole tables, each all or nothing, and what they say together."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from poolkit.errors import Problem, TraceError
from poolkit.schemas import SCHEMA_VERSION
from poolkit.trace.files import Files, LocalFiles, Place, files_at
from poolkit.trace.heads import Seal, Sign, seal
from poolkit.trace.ledger import Ledger, make_ledger, sqlite_url
from poolkit.trace.lock import writing
from poolkit.trace.opened import Opened
from poolkit.trace.record import Commit, Segment
from poolkit.trace.segments import FOLDER, SegmentWriter
from poolkit.trace.snapshot import Snapshot

IDENTITY = "store.json"
_MAKING_SECONDS = 60.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Store:
    """Commits: segments on a file system, and the ledger that names them.

    Parameters
    ----------
    path
        The store's folder.
    data
        Where the segments stand; in the store's folder by default. See `poolkit.trace.files.files_at`.
    create
        Whether to make the store when it is not there.
    sign
        Signs the head of each commit; unsigned by default.

    Raises
    ------
    TraceError
        When there is no store, another poolkit wrote it, or the data is another store's.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        data: Place | None = None,
        create: bool = True,
        sign: Sign | None = None,
    ) -> None:
        self.path = Path(path)
        self.files: Files = files_at(path if data is None else data)
        self._sign = sign
        self._after = 0
        ledger = self.path / "ledger.sqlite"
        if not ledger.exists() and not create:
            raise TraceError(f"{self.path}: not a store", [Problem("ledger.sqlite", "expected a ledger, found none")])
        try:
            LocalFiles(self.path).make_folder("")
            self.files.make_folder("")
            self.files.make_folder(FOLDER)
        except OSError as reason:
            raise TraceError(f"{self.path}: not a store", [Problem(str(self.path), str(reason))]) from None
        if not ledger.exists():
            # Two that make a store at once would both make its tables.
            with writing(self.path / "lock", wait_seconds=_MAKING_SECONDS):
                make_ledger(ledger)
        self.ledger = Ledger(sqlite_url(ledger))
        self.store_id = self.ledger.store_id()
        self._identify()
        self._opened = Opened(self.files)
        self._snapshot = Snapshot(self._opened, [])

    def _identify(self) -> None:
        """Hold the data to the ledger: both bear the id of the store."""
        where = self.files.where(IDENTITY)
        try:
            try:
                with self.files.open(IDENTITY) as file:
                    found = json.loads(file.read())["store_id"]
            except FileNotFoundError:
                if self.ledger.last().commit_id:
                    raise
                document = {"schema_version": SCHEMA_VERSION, "store_id": self.store_id}
                self.files.put(IDENTITY, json.dumps(document).encode())
                found = self.store_id
        except (OSError, ValueError, KeyError, TypeError) as reason:
            problem = Problem(where, f"expected the id of store {self.store_id}: {reason}")
            raise TraceError("the data cannot be told from another store's", [problem]) from None
        if found != self.store_id:
            problem = Problem(where, f"expected {self.store_id} as the ledger has it, found {found}")
            raise TraceError("the data is another store's", [problem])

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        return self.ledger.commits()

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        return self.ledger.find(content_key)

    @contextmanager
    def writing(self, *, wait_seconds: float = 600.0) -> Iterator[None]:
        """Hold the store for writing; see `poolkit.trace.lock.writing`."""
        with writing(self.path / "lock", wait_seconds=wait_seconds):
            self._after = self.ledger.last().commit_id
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
            writer = SegmentWriter(self.files, content_key[:16])
            yield writer
        except BaseException as reason:
            if writer is not None and not self._is_known(content_key):
                writer.discard()
            if isinstance(reason, OSError):
                problem = Problem(self.files.where(""), f"{reason.strerror or reason}; the store is at its last commit")
                raise TraceError("the store could not be written", [problem]) from reason
            raise

    def _is_known(self, content_key: str) -> bool:
        """Whether the ledger names these contents, or cannot be asked: then what was written has to stay."""
        try:
            return self.ledger.find(content_key) is not None
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
        kind: str = "run",
        actor: str | None = None,
    ) -> Commit:
        """Let the ledger name segments that are on the disk: from here on they are the store's."""
        commit = Commit(
            commit_id=0,
            content_key=content_key,
            committed_at=_LONG_AGO,
            computed_at=computed_at.astimezone(UTC),
            protocol=protocol,
            source=source,
            summary=summary,
            kind=kind,
            actor=actor,
            protocol_values=protocol_values,
        )
        return self.ledger.append(commit, list(segments), after=self._after, seal=self._seal)

    def _seal(self, commit: Commit, segments: Iterable[Segment]) -> Seal:
        return seal(self.store_id, commit, list(segments), self._sign)

    def snapshot(self) -> Snapshot:
        """Return what the commits up to now say together."""
        new = self.ledger.segments(after=self._snapshot.segments[-1][0] if self._snapshot.segments else 0)
        if new:
            self._snapshot = Snapshot(self._opened, [*self._snapshot.segments, *new])
        return self._snapshot
