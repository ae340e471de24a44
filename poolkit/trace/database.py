"""The databases that may hold a ledger: its tables, how SQLite and PostgreSQL are spoken to, and what they refuse."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from poolkit.errors import Problem, TraceError

METADATA = sa.MetaData()
STORE = sa.Table("store", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.Text))
COMMITS = sa.Table(
    "commits",
    METADATA,
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
SEGMENTS = sa.Table(
    "segments",
    METADATA,
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
# Of a session's name in PostgreSQL.
_MOST_LETTERS = 63
# After a minute without an answer a session is lost, and with it the lock.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
}
# Classes of SQLSTATE that say that the server cannot be had, not that it refuses.
_UNREACHABLE = ("08", "57")


def sqlite_url(path: Path) -> sa.URL:
    """Return the URL of a file; a path may hold what means something in a URL, so it does not become part of one."""
    return sa.URL.create("sqlite", database=str(path))


def postgres_url(place: str) -> sa.URL:
    """Return the URL of a database of PostgreSQL.

    Raises
    ------
    TraceError
        When it is none.

    Examples
    --------
    >>> postgres_url("postgresql://lab@bench/days").drivername
    'postgresql+psycopg'
    """
    scheme = place.partition("://")[0]
    try:
        url = sa.make_url(place)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        problem = Problem("store", f"expected a folder or postgresql://USER@HOST/DATABASE, found {scheme}://...")
        raise TraceError("not a store", [problem])
    return url if "+" in scheme else url.set(drivername="postgresql+psycopg")


def engine_of(url: sa.URL) -> sa.Engine:
    """Return the engine of a ledger.

    Raises
    ------
    TraceError
        When PostgreSQL is meant and its driver is not there.
    """
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": 60})
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", _begin)
        return engine
    name = f"poolkit {os.getpid()} on {socket.gethostname()}"[:_MOST_LETTERS]
    try:
        return sa.create_engine(url, pool_pre_ping=True, connect_args={**_PATIENCE, "application_name": name})
    except ImportError as reason:
        problem = Problem(f"{reason.name}", "not installed; pip install 'poolkit[postgres]'")
        raise TraceError("PostgreSQL cannot be spoken to", [problem]) from None


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


@contextmanager
def named(doing: str) -> Iterator[None]:
    """Say what could not be done when the database refuses or cannot be reached.

    Raises
    ------
    TraceError
        In place of the database's own error.
    """
    try:
        yield
    except sa.exc.SQLAlchemyError as reason:
        cause = getattr(reason, "orig", None) or reason
        words = " ".join(str(cause).split())
        if _is_lost(reason):
            problem = Problem("ledger", f"{words}; the store is at its last commit")
            raise TraceError("the ledger cannot be reached", [problem]) from reason
        raise TraceError(f"could not {doing}", [Problem("ledger", words)]) from reason
    except UnicodeDecodeError as reason:
        # SQLite quotes what it cannot read, and Python cannot read the quotation.
        raise TraceError(f"could not {doing}", [Problem("ledger", "it holds bytes that are no text")]) from reason


def _is_lost(reason: sa.exc.SQLAlchemyError) -> bool:
    if not isinstance(reason, sa.exc.DBAPIError):
        return False
    # The driver of SQLite knows no SQLSTATE; that of PostgreSQL has none for a server that does not answer.
    state = getattr(reason.orig, "sqlstate", "")
    refused = isinstance(reason, sa.exc.OperationalError) and (state is None or state.startswith(_UNREACHABLE))
    return reason.connection_invalidated or refused
