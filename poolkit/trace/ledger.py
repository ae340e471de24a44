"""The ledger: which commits there are and which segments each names, in SQL on SQLite or PostgreSQL."""

import os
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
from poolkit.trace.files import create_private, sync_folder
from poolkit.trace.heads import FIRST, Seal
from poolkit.trace.record import Commit, Record, Segment, columns_of, commit_of

__all__ = ["Commit", "Ledger", "Segment", "make_ledger"]

SealCommit = Callable[[Commit, Sequence[Segment]], Seal]

_METADATA = sa.MetaData()
STORE = sa.Table("store", _METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_COMMITS = sa.Table(
    "commits",
    _METADATA,
    sa.Column("commit_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("content_key", sa.Text, nullable=False, unique=True),
    sa.Column("committed_at", sa.Text, nullable=False),
    sa.Column("computed_at", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("protocol_values", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text),
    sa.Column("signature", sa.Text),
)
_SEGMENTS = sa.Table(
    "segments",
    _METADATA,
    sa.Column("commit_id", sa.Integer, sa.ForeignKey("commits.commit_id"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("n_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("rows_root", sa.Text),
    sa.Column("salt_key", sa.Text),
)
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
        with _named("open the ledger"):
            self._engine = _engine(url)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def where(self) -> str:
        """Return the database's name, for messages."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    def is_made(self) -> bool:
        """Whether the tables are there."""
        with _named("open the ledger"), self._engine.connect() as connection:
            return sa.inspect(connection).has_table(STORE.name)

    def prepare(self) -> None:
        """Make the tables of a new ledger."""
        values = {"schema_version": str(SCHEMA_VERSION), "store_id": uuid4().hex}
        with _named("make the ledger"), self._writing() as connection:
            _METADATA.create_all(connection)
            connection.execute(STORE.insert(), [{"name": name, "value": value} for name, value in values.items()])

    def store_id(self) -> str:
        """Return the store's id; refuse a ledger that another poolkit wrote."""
        query = sa.select(STORE.c.name, STORE.c.value)
        with _named("open the ledger"), self._engine.connect() as connection:
            values = {row.name: row.value for row in connection.execute(query)}
        written = values.get("schema_version")
        if written == str(SCHEMA_VERSION) and values.get("store_id"):
            return str(values["store_id"])
        older = written is not None and written.isdecimal() and int(written) < SCHEMA_VERSION
        what = f"expected at most {SCHEMA_VERSION}, found {written}; a newer poolkit wrote this store"
        if older:
            what = f"expected {SCHEMA_VERSION}, found {written}; no released poolkit wrote this store, make it anew"
        raise TraceError("the store cannot be read", [Problem("schema version", what)])

    def last(self) -> Last:
        """Return what the next commit stands on."""
        with _named("read the ledger"), self._reading() as connection:
            return _last(connection)

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        with _named("read the ledger"), self._reading() as connection:
            rows = connection.execute(sa.select(_COMMITS).order_by(_COMMITS.c.commit_id)).mappings().all()
            return [_commit(row) for row in rows]

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        with _named("read the ledger"), self._reading() as connection:
            query = sa.select(_COMMITS).where(_COMMITS.c.content_key == content_key)
            row = connection.execute(query).mappings().first()
            return None if row is None else _commit(row)

    def segments(self, *, after: int = 0) -> list[tuple[int, Segment]]:
        """Return every segment with its commit, in order of commit and writing; only of commits after one, if asked."""
        with _named("read the ledger"), self._reading() as connection:
            return _segments(connection, after)

    def records(self, *, after: int = 0) -> list[Record]:
        """Return commits with their segments, oldest first; only those after one, if asked."""
        query = sa.select(_COMMITS).where(_COMMITS.c.commit_id > after).order_by(_COMMITS.c.commit_id)
        with _named("read the ledger"), self._reading() as connection:
            commits = [_commit(row) for row in connection.execute(query).mappings()]
            of: dict[int, list[Segment]] = {commit.commit_id: [] for commit in commits}
            for commit_id, segment in _segments(connection, after):
                # A commit may have come between the two questions.
                if commit_id in of:
                    of[commit_id].append(segment)
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
        with _named("write the ledger"), self._writing() as connection:
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
            connection.execute(_COMMITS.insert().values(columns_of(commit)))
            rows = [_row(commit.commit_id, position, segment) for position, segment in enumerate(segments)]
            if rows:
                connection.execute(_SEGMENTS.insert(), rows)
        return commit

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        # What holds the store may see no more than it holds: a connection that is lost must not be replaced in silence.
        if self._held is not None:
            with self._held.begin():
                yield self._held
        else:
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if self._held is not None:
            with self._held.begin():
                yield self._held
        else:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                yield connection


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


def sqlite_url(path: Path) -> sa.URL:
    """Return the URL of a file; a path may hold what means something in a URL, so it does not become part of one."""
    return sa.URL.create("sqlite", database=str(path))


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": 60})
    sa.event.listen(engine, "connect", _make_durable)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _make_durable(connection: Any, _record: object) -> None:
    """Ask SQLite to reach the disk before a commit returns, and to let readers read on meanwhile."""
    # The driver begins transactions late, after the first question; `_begin` does it in time.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _now() -> datetime:
    return datetime.now(UTC)


def _last(connection: sa.Connection) -> Last:
    columns = _COMMITS.c
    query = sa.select(columns.commit_id, columns.committed_at, columns.head).order_by(columns.commit_id.desc()).limit(1)
    row = connection.execute(query).first()
    return Last(0, None, FIRST) if row is None else Last(row[0], datetime.fromisoformat(row[1]), row[2])


def _commit(row: sa.RowMapping) -> Commit:
    try:
        return commit_of(row)
    except (TypeError, ValueError) as reason:
        problem = Problem(f"commit {row['commit_id']}", f"expected times and counts, found none: {reason}")
        raise TraceError("the ledger is broken", [problem]) from None


def _segments(connection: sa.Connection, after: int) -> list[tuple[int, Segment]]:
    columns = _SEGMENTS.c
    query = sa.select(_SEGMENTS).where(columns.commit_id > after).order_by(columns.commit_id, columns.position)
    return [
        (row["commit_id"], Segment(table=row["table_name"], **{name: row[name] for name in _OF_SEGMENT}))
        for row in connection.execute(query).mappings()
    ]


def _row(commit_id: int, position: int, segment: Segment) -> dict[str, Any]:
    named = {name: getattr(segment, name) for name in _OF_SEGMENT}
    return {"commit_id": commit_id, "position": position, "table_name": segment.table} | named


@contextmanager
def _named(doing: str) -> Iterator[None]:
    """Say what could not be done when the database refuses."""
    try:
        yield
    except sa.exc.SQLAlchemyError as reason:
        cause = getattr(reason, "orig", None) or reason
        lost = isinstance(reason, sa.exc.DBAPIError) and reason.connection_invalidated
        title = "the ledger cannot be reached" if lost else f"could not {doing}"
        raise TraceError(title, [Problem("ledger", str(cause))]) from reason
