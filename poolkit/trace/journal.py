"""The journal: the ledger once more as a file of lines, so that a copy of the store's folder can be read by itself.

A line is written and synced after the ledger has the commit. Who is killed in between leaves a line out or half of one;
the next writer puts it right.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from poolkit.errors import Problem, TraceError
from poolkit.trace.files import Files, create_private, sync_folder
from poolkit.trace.heads import FIRST, seal
from poolkit.trace.ledger import Last, Ledger
from poolkit.trace.record import Commit, Record, Segment, line_of, record_of

JOURNAL = "ledger.jsonl"
_BLOCK = 1 << 16
_NEWLINE = b"\n"


class Journal:
    """The file of lines of a store whose data is on this machine.

    Parameters
    ----------
    path
        The file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """Make the file, without a line; one that is there stays as it is."""
        if not self.path.exists():
            with suppress(FileExistsError):
                os.close(create_private(self.path))
            sync_folder(self.path.parent)

    def last(self) -> Last:
        """Return the commit of the last whole line."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return Last(0, None, FIRST)
        try:
            return _last(handle)[0]
        finally:
            os.close(handle)

    def add(self, record: Record, ledger: Ledger) -> None:
        """Write the line of a commit that the ledger has, and of all before it that have none yet.

        Parameters
        ----------
        record
            The last commit.
        ledger
            Asked where the file lags by more than this.

        Raises
        ------
        OSError
            When the disk refuses; the ledger has the commit all the same.
        """
        self._write(lambda after: [record] if record[0].commit_id == after + 1 else ledger.records(after=after))

    def catch_up(self, ledger: Ledger) -> None:
        """Write the lines of all commits that have none yet.

        Parameters
        ----------
        ledger
            What they are read from.

        Raises
        ------
        OSError
            When the disk refuses.
        """
        self._write(lambda after: ledger.records(after=after))

    def _write(self, missing: Callable[[int], list[Record]]) -> None:
        with self._opened() as handle:
            last, stop = _last(handle)
            if stop < os.fstat(handle).st_size:
                os.ftruncate(handle, stop)
            lines = []
            for commit, segments in missing(last.commit_id):
                # What does not continue the file is not put behind it: the doctor tells of it.
                if commit.previous != last.head or commit.commit_id != last.commit_id + 1:
                    break
                lines.append(line_of(commit, segments))
                last = Last(commit.commit_id, commit.committed_at, commit.head)
            rest = memoryview(b"".join(lines))
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        self.make()
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            # A writer that has lost its session may still be about to write its line.
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)

    def lines(self) -> list[bytes]:
        """Return the whole lines; none where there is no file."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return data.split(_NEWLINE)[:-1]

    def told(self) -> list[bytes]:
        """Return everything that stands in the file, line by line; the last may be half of one."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        # Only this byte ends a line, as in `lines`.
        lines = [line + _NEWLINE for line in data.split(_NEWLINE)]
        lines[-1] = lines[-1].removesuffix(_NEWLINE)
        return lines if lines[-1] else lines[:-1]


def _last(handle: int) -> tuple[Last, int]:
    """Return the last whole line's commit and where it ends; of an unreadable line that nothing is known."""
    stop = os.fstat(handle).st_size
    tail = b""
    while stop > 0:
        start = max(0, stop - _BLOCK)
        tail = os.pread(handle, stop - start, start) + tail
        stop = start
        if tail.count(_NEWLINE) > 1 or (start == 0 and _NEWLINE in tail):
            break
    end = tail.rfind(_NEWLINE) + 1
    if not end:
        return Last(0, None, FIRST), 0
    line = tail[tail.rfind(_NEWLINE, 0, end - 1) + 1 : end]
    try:
        commit, _ = record_of(line)
    except (KeyError, TypeError, ValueError):
        # Its number cannot be said: -1 is before no commit.
        return Last(-1, None, ""), stop + end
    return Last(commit.commit_id, commit.committed_at, commit.head), stop + end


class ReadLedger:
    """A ledger for reading only, out of a journal: up to the last commit that is whole with all its segments.

    Parameters
    ----------
    journal
        The file of lines.
    files
        Where the segments stand.
    store_id
        Of the store, as its data has it.
    """

    def __init__(self, journal: Journal, files: Files, store_id: str) -> None:
        self._path = journal.path
        self._store_id = store_id
        self._records = whole_records(journal.lines(), files, store_id)

    def close(self) -> None:
        """Hold nothing that would have to be let go of."""

    def where(self) -> str:
        """Return the file's name, for messages."""
        return str(self._path)

    def store_id(self) -> str:
        """Return the store's id."""
        return self._store_id

    def last(self) -> Last:
        """Return the last commit."""
        if not self._records:
            return Last(0, None, FIRST)
        commit = self._records[-1][0]
        return Last(commit.commit_id, commit.committed_at, commit.head)

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first."""
        return [commit for commit, _ in self._records]

    def find(self, content_key: str) -> Commit | None:
        """Return the commit of these contents, if there is one."""
        return next((commit for commit in self.commits() if commit.content_key == content_key), None)

    def segments(self, *, after: int = 0) -> list[tuple[int, Segment]]:
        """Return every segment with its commit, in order of commit and writing; only of commits after one, if asked."""
        return [(commit.commit_id, segment) for commit, segments in self.records(after=after) for segment in segments]

    def records(self, *, after: int = 0) -> list[Record]:
        """Return commits with their segments, oldest first; only those after one, if asked."""
        return self._records[after:]


def refused(where: str) -> TraceError:
    """Return the error of whoever would write to what is open for reading only."""
    problem = Problem(where, "expected a store opened for writing, found one opened read_only=True")
    return TraceError("the store is open for reading only", [problem])


def whole_records(lines: Sequence[bytes], files: Files, store_id: str) -> list[Record]:
    """Return the commits of a journal up to the first that is broken, breaks the chain or misses a segment.

    Parameters
    ----------
    lines
        Of the journal.
    files
        Where the segments stand.
    store_id
        Of the store.

    Returns
    -------
    list of (Commit, tuple of Segment)
        Oldest first.
    """
    records: list[Record] = []
    head = FIRST
    for number, line in enumerate(lines, 1):
        try:
            commit, segments = record_of(line)
            made = seal(store_id, commit, segments, None)
            chained = commit.commit_id == number and commit.previous == head
            if not chained or (made.root, made.head) != (commit.root, commit.head):
                break
            if any(files.size(segment.path) != segment.n_bytes for segment in segments):
                break
        except (KeyError, TypeError, ValueError, OSError):
            break
        records.append((commit, segments))
        head = commit.head
    return records
