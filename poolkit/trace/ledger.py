"""The ledger: which commits there are and which segments each names, in SQL."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import SCHEMA_VERSION

_METADATA = sa.MetaData()
_STORE = sa.Table("store", _METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
_COMMITS = sa.Table(
    "commits",
    _METADATA,
    sa.Column("commit_id", sa.Integer, primary_key=True),
    sa.Column("content_key", sa.Text, nullable=False, unique=True),
    sa.Column("committed_at", sa.Text, nullable=False),
    sa.Column("computed_at", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("protocol_values", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("summary", sa.JSON, nullable=False),
)
_SEGMENTS = sa.Table(
    "segments",
    _METADATA,
    sa.Column("commit_id", sa.Integer, sa.ForeignKey("commits.commit_id"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("n_bytes", sa.Integer, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a commit: part of one table."""

    path: str
    table: str
    n_rows: int
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One run, kept as a whole.

    Attributes
    ----------
    commit_id : int
        Counted from 1.
    content_key : str
        SHA-256 of the inputs and the protocol: the same folder gives the same key.
    committed_at, computed_at : datetime
        When it was written, and the moment the computation speaks of.
    protocol, source : str
        The rules and the folder.
    summary : dict
        Counts of the run.
    repeated : bool
        Whether the folder was known already, so that nothing was written.
    """

    commit_id: int
    content_key: str
    committed_at: datetime
    computed_at: datetime
    protocol: str
    source: str
    summary: dict[str, Any]
    repeated: bool = False


class Ledger:
    """The SQL side of a store; every call is one transaction."""

    def __init__(self, path: Path) -> None:
        # A path may hold what means something in a URL, so it does not become part of one.
        url = sa.URL.create("sqlite", database=str(path))
        self._engine = sa.create_engine(url, connect_args={"timeout": 60})
        sa.event.listen(self._engine, "connect", _make_durable)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def prepare(self) -> None:
        """Make the tables of a new ledger."""
        with _named("make the ledger"), self._engine.begin() as connection:
            _METADATA.create_all(connection)
            connection.execute(_STORE.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))

    def refuse_newer(self) -> None:
        """Refuse a ledger that a newer poolkit wrote."""
        query = sa.select(_STORE.c.value).where(_STORE.c.name == "schema_version")
        with _named("open the ledger"), self._engine.connect() as connection:
            written = connection.scalar(query)
        if written is None or not written.isdecimal() or int(written) > SCHEMA_VERSION:
            what = f"expected at most {SCHEMA_VERSION}, found {written}; a newer poolkit wrote this store"
            raise TraceError("the store cannot be read", [Problem("schema version", what)])

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        with _named("read the ledger"), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_COMMITS).order_by(_COMMITS.c.commit_id)).mappings().all()
        return [_commit(row) for row in rows]

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        with _named("read the ledger"), self._engine.connect() as connection:
            query = sa.select(_COMMITS).where(_COMMITS.c.content_key == content_key)
            row = connection.execute(query).mappings().first()
        return None if row is None else _commit(row)

    def segments(self, *, after: int = 0) -> list[tuple[int, Segment]]:
        """Return every segment of later commits with its commit, in order of commit and writing."""
        query = sa.select(_SEGMENTS).where(_SEGMENTS.c.commit_id > after)
        query = query.order_by(_SEGMENTS.c.commit_id, _SEGMENTS.c.path)
        with _named("read the ledger"), self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            (row["commit_id"], Segment(row["path"], row["table_name"], row["n_rows"], row["n_bytes"], row["sha256"]))
            for row in rows
        ]

    def append(
        self,
        *,
        content_key: str,
        committed_at: datetime,
        computed_at: datetime,
        protocol: str,
        protocol_values: str,
        source: str,
        summary: dict[str, Any],
        segments: Sequence[Segment],
    ) -> Commit:
        """Write a commit and the segments it names, all or nothing."""
        values = {
            "content_key": content_key,
            "committed_at": committed_at.astimezone(UTC).isoformat(),
            "computed_at": computed_at.astimezone(UTC).isoformat(),
            "protocol": protocol,
            "protocol_values": protocol_values,
            "source": source,
            "summary": summary,
        }
        with _named("write the ledger"), self._engine.begin() as connection:
            last = connection.scalar(sa.select(sa.func.max(_COMMITS.c.commit_id))) or 0
            connection.execute(_COMMITS.insert().values(commit_id=last + 1, **values))
            for segment in segments:
                connection.execute(
                    _SEGMENTS.insert().values(
                        commit_id=last + 1,
                        path=segment.path,
                        table_name=segment.table,
                        n_rows=segment.n_rows,
                        n_bytes=segment.n_bytes,
                        sha256=segment.sha256,
                    )
                )
        return _commit({"commit_id": last + 1, **values})


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
        made = Ledger(partial)
        try:
            made.prepare()
        finally:
            # The last one to let go brings everything into the one file.
            made.close()
        partial.rename(path)
        sync_folder(path.parent)
    except OSError as reason:
        raise TraceError("could not make the ledger", [Problem(str(path), str(reason.strerror or reason))]) from reason


def sync_folder(folder: Path) -> None:
    """Return when the folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _commit(row: Any) -> Commit:
    return Commit(
        row["commit_id"],
        row["content_key"],
        datetime.fromisoformat(row["committed_at"]),
        datetime.fromisoformat(row["computed_at"]),
        row["protocol"],
        row["source"],
        row["summary"],
    )


def _make_durable(connection: Any, _record: object) -> None:
    """Ask SQLite to reach the disk before a commit returns, and to let readers read on meanwhile."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


@contextmanager
def _named(doing: str) -> Iterator[None]:
    """Say what could not be done when the database refuses."""
    try:
        yield
    except sa.exc.SQLAlchemyError as reason:
        cause = getattr(reason, "orig", None) or reason
        raise TraceError(f"could not {doing}", [Problem("ledger", str(cause))]) from reason
