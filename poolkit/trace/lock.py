"""One writer at a time: a lock that the kernel lets go of when its holder dies."""

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
    with _named(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle, path, wait_seconds, waiting)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat()}
        with _named(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say what could not be done when the disk refuses."""
    try:
        yield
    except OSError as reason:
        problem = Problem(str(path), f"{reason.strerror or reason}; the store is at its last commit")
        raise TraceError("the store could not be written", [problem]) from reason


def _take(handle: int, path: Path, wait_seconds: float, waiting: Callable[[str], None] | None) -> None:
    until = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                problem = Problem(str(path), f"held by {_holder(handle)}; waited {wait_seconds:g} s")
                raise TraceError("another process is writing to the store", [problem]) from None
            if waiting and not told:
                waiting(_holder(handle))
                told = True
            time.sleep(_POLL_SECONDS)
        else:
            return


def _holder(handle: int) -> str:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return "a process that has not said its name yet"
    return f"process {found['pid']} on {found['host']} since {found['since']}"
