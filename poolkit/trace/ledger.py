"""The ledger: which commits there are and which segments each names, in SQL on SQLite or PostgreSQL."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import SCHEMA_VERSION
from poolkit.trace.database import COMMITS, METADATA, SEGMENTS, STORE, engine_of, named, sqlite_url
from poolkit.trace.files import create_private, sync_folder
from poolkit.trace.heads import FIRST, Seal
from poolkit.trace.lock import holder_of, this_process, wait_for
from poolkit.trace.record import Commit, Record, Segment, columns_of, commit_of

SealCommit = Callable[[Commit, Sequence[Segment]], Seal]

# Of the advisory lock under which the tables are made.
_MAKING = int.from_bytes(b"poolkit\0")
# The row that says who writes, or wrote last.
_WRITER = "writer"
_HOLDS = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted")
_HELD = sa.text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
    "WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND datname = current_database() "
    "AND classid::bigint = :high AND objid::bigint = :low"
)
_WHOLE = frozenset(("commit_id", "position", "n_rows", "n_bytes"))
_MAY_LACK = frozenset(("rows_root", "salt_key"))
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})*")
_OF_SEGMENT = ("path", "n_rows", "n_bytes", "sha256", "rows_root", "salt_key")


class Last(NamedTuple):
    """What the next commit stands on.

    Attributes
    ----------
    commit_id : int
        Of the last commit; 0 where there is none.
    committed_at : datetime or None
        When it was written.
    head : str
        Its head.
    """

    commit_id: int
    committed_at: datetime | None
    head: str


class Ledger:
    """The SQL side of a store; every call is one transaction.

    Parameters
    ----------
    url
        Of the database.
    """

    def __init__(self, url: sa.URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._held: sa.Connection | None = None
        with named("open the ledger"):
            self._engine = engine_of(url)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def where(self) -> str:
        """Return the database's name, for messages."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def is_made(self) -> bool:
        """Whether the tables are there."""
        with named("open the ledger"), self._engine.connect() as connection:
            return bool(sa.inspect(connection).has_table(STORE.name))

    def prepare(self) -> None:
        """Make the tables of a new ledger; one that is made already stays as it is."""
        values = {"schema_version": str(SCHEMA_VERSION), "store_id": uuid4().hex}
        with named("make the ledger"), self._writing() as connection:
            if not self.is_sqlite:
                # Two that make a store at once would both make its tables.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
            if sa.inspect(connection).has_table(STORE.name):
                return
            METADATA.create_all(connection)
            connection.execute(STORE.insert(), [{"name": name, "value": value} for name, value in values.items()])

    def store_id(self) -> str:
        """Return the store's id; refuse a ledger that another poolkit wrote."""
        query = sa.select(STORE.c.name, STORE.c.value)
        with named("open the ledger"), self._engine.connect() as connection:
            values = {row.name: row.value for row in connection.execute(query)}
        written = values.get("schema_version")
        if written == str(SCHEMA_VERSION) and values.get("store_id"):
            return str(values["store_id"])
        older = isinstance(written, str) and written.isdecimal() and int(written) < SCHEMA_VERSION
        what = f"expected at most {SCHEMA_VERSION}, found {written}; a newer poolkit wrote this store"
        if older:
            what = f"expected {SCHEMA_VERSION}, found {written}; no released poolkit wrote this store, make it anew"
        raise TraceError("the store cannot be read", [Problem("schema version", what)])

    def last(self) -> Last:
        """Return what the next commit stands on."""
        with named("read the ledger"), self._reading() as connection:
            return _last(connection)

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        with named("read the ledger"), self._reading() as connection:
            rows = connection.execute(sa.select(COMMITS).order_by(COMMITS.c.commit_id)).mappings().all()
            return [_commit(row) for row in rows]

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        with named("read the ledger"), self._reading() as connection:
            query = sa.select(COMMITS).where(COMMITS.c.content_key == content_key)
            row = connection.execute(query).mappings().first()
            return None if row is None else _commit(row)

    def segments(self, *, after: int = 0) -> list[tuple[int, Segment]]:
        """Return every segment with its commit, in order of commit and writing; only of commits after one, if asked."""
        with named("read the ledger"), self._reading() as connection:
            return _segments(connection, after)

    def records(self, *, after: int = 0) -> list[Record]:
        """Return commits with their segments, oldest first; only those after one, if asked."""
        query = _after(sa.select(COMMITS), COMMITS.c.commit_id, after).order_by(COMMITS.c.commit_id)
        with named("read the ledger"), self._reading() as connection:
            if not after and self.is_sqlite:
                # A search by an index that lost an entry would find nothing, and say so.
                words = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
                if words != "ok":
                    raise _broken(self.where(), f"SQLite finds: {words}")
            commits = [_commit(row) for row in connection.execute(query).mappings()]
            of: dict[int, list[Segment]] = {commit.commit_id: [] for commit in commits}
            stray = set()
            for commit_id, segment in _segments(connection, after):
                if commit_id in of:
                    of[commit_id].append(segment)
                else:
                    stray.add(commit_id)
            # A commit may have come between the two questions; it is there by now.
            if stray:
                stray -= set(connection.scalars(sa.select(COMMITS.c.commit_id).where(COMMITS.c.commit_id.in_(stray))))
        if stray:
            raise _broken(f"commit {min(stray)}", "has segments in the ledger but was never committed")
        return [(commit, tuple(of[commit.commit_id])) for commit in commits]

    def append(self, commit: Commit, segments: Sequence[Segment], *, after: int, seal: SealCommit) -> Commit:
        """Write a commit and the segments it names, all or nothing.

        Parameters
        ----------
        commit
            Its number, time, `previous` and seal are given here.
        segments
            On the disk already.
        after
            The last commit when the computation began; 0 where there was none.
        seal
            Called with the commit but for its seal, and the segments.

        Raises
        ------
        TraceError
            When another commit was written meanwhile, or the database refuses; nothing is written then.
        """
        with named("write the ledger"), self._writing() as connection:
            last = _last(connection)
            if last.commit_id != after:
                what = f"expected commit {after} to be the last, found {last.commit_id}"
                raise TraceError("another process has written to the store meanwhile", [Problem("ledger", what)])
            now = _now()
            # A clock that was set back must not put a commit before the one it stands on.
            if last.committed_at is not None and now <= last.committed_at:
                now = last.committed_at + timedelta(microseconds=1)
            commit = replace(commit, commit_id=last.commit_id + 1, committed_at=now, previous=last.head)
            commit = replace(commit, **seal(commit, segments)._asdict())
            connection.execute(COMMITS.insert().values(columns_of(commit)))
            rows = [_row(commit.commit_id, position, segment) for position, segment in enumerate(segments)]
            if rows:
                connection.execute(SEGMENTS.insert(), rows)
        return commit

    @contextmanager
    def held(self, *, wait_seconds: float, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold a ledger on PostgreSQL for writing, or say who holds it; see `poolkit.trace.lock.writing`.

        Raises
        ------
        TraceError
            When another session still holds it after that time, or the database refuses.
        """
        key = self._key()
        with named("hold the ledger"), self._engine.connect() as connection:

            def ask(query: sa.Select[Any]) -> Any:
                with connection.begin():
                    return connection.scalar(query)

            wait_for(
                lambda: bool(ask(sa.select(sa.func.pg_try_advisory_lock(key)))),
                holder=lambda: holder_of(ask(sa.select(STORE.c.value).where(STORE.c.name == _WRITER))),
                where=self.where(),
                wait_seconds=wait_seconds,
                waiting=waiting,
            )
            try:
                with connection.begin():
                    connection.execute(STORE.delete().where(STORE.c.name == _WRITER))
                    connection.execute(STORE.insert().values(name=_WRITER, value=this_process()))
                self._held = connection
                yield
            finally:
                self._held = None
                # The pool keeps a session, and a session keeps its locks.
                connection.invalidate()

    def is_held(self) -> bool:
        """Whether a session holds a ledger on PostgreSQL for writing just now."""
        # PostgreSQL shows the two halves of a key apart, each without a sign.
        key = self._key() % (1 << 64)
        with named("read the ledger"), self._engine.connect() as connection:
            return bool(connection.scalar(_HELD, {"high": key >> 32, "low": key % (1 << 32)}))

    def _key(self) -> int:
        return int.from_bytes(bytes.fromhex(self.store_id()[:16]), signed=True)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._engine.connect() if self._held is None else self._still_held() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if self._held is not None:
            with self._still_held() as connection:
                yield connection
        else:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                yield connection

    @contextmanager
    def _still_held(self) -> Iterator[sa.Connection]:
        """Give the session that has the lock; a new one in its place would have none, and others may have written."""
        assert self._held is not None
        if self._held.invalidated:
            problem = Problem(self.where(), "the session that held the store for writing was lost")
            raise TraceError("the ledger cannot be reached", [problem])
        with self._held.begin():
            if not self._held.scalar(_HOLDS):
                problem = Problem(self.where(), "the session does not hold the store any more")
                raise TraceError("another process may be writing to the store", [problem])
            yield self._held


def make_ledger(path: Path) -> None:
    """Make a ledger, for one at a time: it has its name when it is whole, so that nobody ever opens half of one.

    Raises
    ------
    TraceError
        When the disk refuses.
    """
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.partial")
    try:
        for leftover in path.parent.glob(f"{partial.name}*"):
            leftover.unlink()
        # SQLite gives its other files the mode of this one.
        os.close(create_private(partial))
        made = Ledger(sqlite_url(partial))
        try:
            made.prepare()
        finally:
            # The last one to let go brings everything into the one file.
            made.close()
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as reason:
        raise TraceError("could not make the ledger", [Problem(str(path), str(reason.strerror or reason))]) from reason


def _now() -> datetime:
    return datetime.now(UTC)


def _last(connection: sa.Connection) -> Last:
    columns = COMMITS.c
    query = sa.select(columns.commit_id, columns.committed_at, columns.head).order_by(columns.commit_id.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Last(0, None, FIRST)
    try:
        return Last(int(row[0]), datetime.fromisoformat(row[1]), str(row[2]))
    except (TypeError, ValueError) as reason:
        raise _broken(f"commit {row[0]}", f"expected a number and a time: {reason}") from None


def _after(query: sa.Select[Any], commit_id: sa.Column[int], after: int) -> sa.Select[Any]:
    """Ask only for commits after one; asked for all, also for numbers that no commit ever had."""
    return query.where(commit_id > after) if after else query


def _broken(where: str, what: str) -> TraceError:
    return TraceError("the ledger is broken", [Problem(where, what)])


def _commit(row: sa.RowMapping) -> Commit:
    try:
        commit = commit_of(row)
        # One thing can be written in many ways, and only one of them was: the rest are edits that no hash would see.
        edited = [name for name, value in columns_of(commit).items() if value != row[name] or _is_odd(name, row[name])]
    except (AttributeError, TypeError, ValueError, OverflowError, RecursionError) as reason:
        raise _broken(f"commit {row['commit_id']}", f"expected times and counts, found none: {reason}") from None
    if edited:
        raise _broken(f"commit {row['commit_id']}", f"{', '.join(edited)}: not as a commit writes it")
    return commit


def _is_odd(name: str, value: object) -> bool:
    """Whether a column holds what is neither missing nor of its kind, as SQLite lets it."""
    return value is not None and not isinstance(value, int if name in _WHOLE else str)


def _segments(connection: sa.Connection, after: int) -> list[tuple[int, Segment]]:
    columns = SEGMENTS.c
    query = _after(sa.select(SEGMENTS), columns.commit_id, after).order_by(columns.commit_id, columns.position)
    return [(row["commit_id"], _segment(row)) for row in connection.execute(query).mappings()]


def _segment(row: sa.RowMapping) -> Segment:
    where = f"commit {row['commit_id']}, segment {row['position']}"
    odd = [name for name, value in row.items() if _is_odd(name, value) or (value is None and name not in _MAY_LACK)]
    salt_key = row["salt_key"]
    if not odd and salt_key is not None and not _HEXADECIMAL.fullmatch(salt_key):
        odd = ["salt_key"]
    if odd:
        raise _broken(where, f"{', '.join(odd)}: not as a commit writes it")
    return Segment(table=row["table_name"], **{name: row[name] for name in _OF_SEGMENT})


def _row(commit_id: int, position: int, segment: Segment) -> dict[str, Any]:
    named = {name: getattr(segment, name) for name in _OF_SEGMENT}
    return {"commit_id": commit_id, "position": position, "table_name": segment.table} | named
