"""The store: commits of whole tables, each all or nothing, and what they say together."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL

from poolkit.errors import Problem, TraceError
from poolkit.schemas import SCHEMA_VERSION
from poolkit.trace.database import postgres_url, sqlite_url
from poolkit.trace.files import Files, LocalFiles, Place, files_at
from poolkit.trace.heads import Seal, Sign, seal
from poolkit.trace.journal import JOURNAL, Journal, ReadLedger, refused
from poolkit.trace.ledger import Ledger, make_ledger
from poolkit.trace.lock import is_held, writing
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
    place
        The store's folder, or the URL of a database of PostgreSQL.
    data
        Where the segments stand; in the store's folder by default. See `poolkit.trace.files.files_at`.
    create
        Whether to make the store when it is not there.
    read_only
        Whether to read the journal instead of the ledger; nothing is locked, made or written.
    sign
        Signs the head of each commit; unsigned by default.

    Raises
    ------
    TraceError
        When there is no store, it cannot be reached, another poolkit wrote it, or the data is another store's.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        data: Place | None = None,
        create: bool = True,
        read_only: bool = False,
        sign: Sign | None = None,
    ) -> None:
        in_database = isinstance(place, str) and "://" in place
        self.path = None if in_database else Path(place)
        if in_database and data is None:
            problem = Problem("data", "expected the place of the segments of a ledger in a database, found none")
            raise TraceError("not a store", [problem])
        self.files: Files = files_at(place if data is None else data)
        self.journal = Journal(self.files.root / JOURNAL) if isinstance(self.files, LocalFiles) else None
        self._sign = sign
        self._after = 0
        self._opened = Opened(self.files)
        self._snapshot = Snapshot(self._opened, [])
        if read_only:
            self.store_id = self._data_id()
            self.ledger: Ledger | ReadLedger = ReadLedger(self._journal(), self.files, self.store_id)
            return
        if self.path is None:
            self.ledger = self._in_database(postgres_url(str(place)), create=create)
        else:
            self.ledger = self._in_folder(self.path, create=create)
        try:
            self.store_id = self.ledger.store_id()
            self._identify()
        except TraceError:
            self.ledger.close()
            raise

    def _in_folder(self, path: Path, *, create: bool) -> Ledger:
        """Open the ledger of a folder, or make both."""
        ledger = path / "ledger.sqlite"
        if not ledger.exists():
            if not create:
                raise TraceError(f"{path}: not a store", [Problem("ledger.sqlite", "expected a ledger, found none")])
            try:
                LocalFiles(path).make_private()
                self._make_data()
            except OSError as reason:
                raise TraceError(f"{path}: not a store", [Problem(str(path), str(reason))]) from None
            # Two that make a store at once would both make its tables.
            with writing(path / "lock", wait_seconds=_MAKING_SECONDS):
                make_ledger(ledger)
        return Ledger(sqlite_url(ledger))

    def _in_database(self, url: URL, *, create: bool) -> Ledger:
        """Open the ledger of a database, or make its tables."""
        ledger = Ledger(url)
        try:
            if not ledger.is_made():
                if not create:
                    raise TraceError("not a store", [Problem(ledger.where(), "expected a ledger, found none")])
                self._make_data()
                ledger.prepare()
        except OSError as reason:
            ledger.close()
            raise TraceError("not a store", [Problem(self.files.where(""), str(reason))]) from None
        except TraceError:
            ledger.close()
            raise
        return ledger

    def _make_data(self) -> None:
        self.files.make_folder(FOLDER)
        if isinstance(self.files, LocalFiles):
            self.files.make_private()

    def _journal(self) -> Journal:
        if self.journal is None or not self.journal.path.exists():
            problem = Problem(self.files.where(JOURNAL), "expected a journal, found none")
            raise TraceError("the store cannot be read without its ledger", [problem])
        return self.journal

    def _identify(self) -> None:
        """Hold the data to the ledger: both bear the id of the store."""
        try:
            found = self._data_id()
        except TraceError:
            if self.ledger.last().commit_id:
                raise
            found = self._claim()
        if found != self.store_id:
            what = f"expected {self.store_id} as the ledger has it, found {found}"
            raise TraceError("the data is another store's", [Problem(self.files.where(IDENTITY), what)])

    def _data_id(self) -> str:
        """Return the id that stands beside the data."""
        try:
            with self.files.open(IDENTITY) as file:
                data = bytes(file.read())
            store_id = str(json.loads(data)["store_id"])
            if data != _identity(store_id):
                raise ValueError("it was edited, or another poolkit wrote it")
            return store_id
        except (OSError, ValueError, KeyError, TypeError) as reason:
            problem = Problem(self.files.where(IDENTITY), f"expected the id of the store: {reason}")
            raise TraceError("nothing says which store's data this is", [problem]) from None

    def _claim(self) -> str:
        """Put the store's id beside data that bears none."""
        try:
            self._make_data()
            if self.journal is not None:
                self.journal.make()
            self.files.put(IDENTITY, _identity(self.store_id))
        except OSError as reason:
            raise self._unwritten(reason) from None
        return self.store_id

    def _unwritten(self, reason: OSError) -> TraceError:
        problem = Problem(self.files.where(""), f"{reason.strerror or reason}; the store is at its last commit")
        return TraceError("the store could not be written", [problem])

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
    def writing(self, *, wait_seconds: float = 600.0, catch_up: bool = True) -> Iterator[None]:
        """Hold the store for writing, and bring the journal up to the ledger; see `poolkit.trace.lock.writing`.

        Raises
        ------
        TraceError
            When another process still holds the store after that time, or it is open for reading only.
        """
        if isinstance(self.ledger, ReadLedger):
            raise refused(self.ledger.where())
        if self.path is None:
            holding = self.ledger.held(wait_seconds=wait_seconds)
        else:
            holding = writing(self.path / "lock", wait_seconds=wait_seconds)
        with holding:
            self._after = self.ledger.last().commit_id
            if catch_up and self.journal is not None and self.journal.last().commit_id < self._after:
                with suppress(OSError):
                    self.journal.catch_up(self.ledger)
            yield

    def is_held(self) -> bool:
        """Whether a process holds the store for writing just now; nobody holds what is open for reading only."""
        if isinstance(self.ledger, ReadLedger):
            return False
        return self.ledger.is_held() if self.path is None else is_held(self.path / "lock")

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
            writer = SegmentWriter(self.files, self._folder(content_key[:16]))
            yield writer
        except BaseException as reason:
            if writer is not None and not self._is_known(content_key):
                writer.discard()
            if isinstance(reason, OSError):
                raise self._unwritten(reason) from reason
            raise

    def _folder(self, key: str) -> str:
        """Return the name of a commit's folder, and remove what earlier attempts at it left behind.

        A writer that has lost its session does not know it yet: it must write to no folder that another one may name.
        """
        if self.path is not None:
            return key
        for entry in self.files.listing(FOLDER):
            if entry.path.rpartition("/")[2].lstrip(".").startswith(key):
                self.files.remove_tree(entry.path)
        return f"{key}-{uuid4().hex[:8]}"

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
        named = tuple(segments)
        if isinstance(self.ledger, ReadLedger):
            raise refused(self.ledger.where())
        commit = self.ledger.append(commit, named, after=self._after, seal=self._seal)
        if self.journal is not None:
            # The commit stands: what the journal lacks, the next writer puts there.
            with suppress(OSError):
                self.journal.add((commit, named), self.ledger)
        return commit

    def now(self) -> datetime:
        """Return the clock's time, or just after the last commit where the clock was set back."""
        last, now = self.ledger.last().committed_at, datetime.now(UTC)
        return now if last is None else max(now, last + timedelta(microseconds=1))

    def journal_records(self) -> list[bytes] | None:
        """Return the journal line by line, as it stands there; None without a journal."""
        return None if self.journal is None else self.journal.told()

    def _seal(self, commit: Commit, segments: Iterable[Segment]) -> Seal:
        return seal(self.store_id, commit, list(segments), self._sign)

    def snapshot(self) -> Snapshot:
        """Return what the commits up to now say together."""
        new = self.ledger.segments(after=self._snapshot.segments[-1][0] if self._snapshot.segments else 0)
        if new:
            self._snapshot = Snapshot(self._opened, [*self._snapshot.segments, *new])
        return self._snapshot


def _identity(store_id: str) -> bytes:
    """Return what stands beside a store's data."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "store_id": store_id}).encode()
