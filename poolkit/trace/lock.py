"""One writer at a time: a lock that is let go of when its holder dies, by the kernel or by the database."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from poolkit.errors import Problem, TraceError
from poolkit.trace.files import FILE_MODE

_POLL_SECONDS = 0.05


@contextmanager
def writing(path: Path, *, wait_seconds: float, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the store for writing, or say who holds it.

    Parameters
    ----------
    path
        The lock file; it stays, with the name of its last holder.
    wait_seconds
        How long to wait for another writer.
    waiting
        Told once who holds the store when there is something to wait for.

    Raises
    ------
    TraceError
        When another process still holds the store after that time, or the disk refuses.
    """

    def take() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    with _named(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        wait_for(
            take,
            holder=lambda: holder_of(os.pread(handle, 4096, 0)),
            where=str(path),
            wait_seconds=wait_seconds,
            waiting=waiting,
        )
        with _named(path):
            os.fchmod(handle, FILE_MODE)
            os.ftruncate(handle, 0)
            os.pwrite(handle, this_process().encode(), 0)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds the store for writing just now."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def wait_for(
    take: Callable[[], bool],
    *,
    holder: Callable[[], str],
    where: str,
    wait_seconds: float,
    waiting: Callable[[str], None] | None = None,
) -> None:
    """Take a lock, or say who holds it.

    Parameters
    ----------
    take
        Tries once, and says whether it has the lock.
    holder
        Says who has it.
    where
        The lock's name.
    wait_seconds, waiting
        See `writing`.

    Raises
    ------
    TraceError
        When another still has the lock after that time.
    """
    until = time.monotonic() + wait_seconds
    told = False
    while not take():
        if time.monotonic() >= until:
            problem = Problem(where, f"held by {holder()}; waited {wait_seconds:g} s")
            raise TraceError("another process is writing to the store", [problem])
        if waiting and not told:
            waiting(holder())
            told = True
        time.sleep(_POLL_SECONDS)


def this_process() -> str:
    """Return what a holder says of itself."""
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat()})


def holder_of(said: str | bytes | None) -> str:
    """Return in words what a holder has said of itself.

    Examples
    --------
    >>> holder_of('{"pid": 7, "host": "bench", "since": "2022-04-01T08:00:00+00:00"}')
    'process 7 on bench since 2022-04-01T08:00:00+00:00'
    """
    try:
        found = json.loads(said or "")
    except ValueError:
        return "a process that has not said its name yet"
    return f"process {found['pid']} on {found['host']} since {found['since']}"


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say what could not be done when the disk refuses."""
    try:
        yield
    except OSError as reason:
        problem = Problem(str(path), f"{reason.strerror or reason}; the store is at its last commit")
        raise TraceError("the store could not be written", [problem]) from reason
