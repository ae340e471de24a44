"""The doctor: what was left behind by commits that never came to be, and what the ledger names and the disk lacks."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import column, table
from poolkit.trace.files import Entry, files_below
from poolkit.trace.heads import FIRST
from poolkit.trace.index import INDEX
from poolkit.trace.journal import ReadLedger, refused
from poolkit.trace.ledger import Ledger
from poolkit.trace.record import Record, Segment, line_of
from poolkit.trace.segments import FOLDER, rebuild_index
from poolkit.trace.store import Store

_TEXT = pa.string()
DIAGNOSES = table(
    "diagnoses",
    "What does not fit together in a store.",
    column(
        "kind",
        _TEXT,
        "What is the matter.",
        vocabulary=("orphan", "under_way", "missing", "wrong_size", "journal"),
    ),
    column("path", _TEXT, "The file or folder."),
    column("detail", _TEXT, "What was expected and found."),
    column("fixed", pa.bool_(), "Whether it was put right."),
)


def examine(store: Store, *, fix: bool) -> pa.Table:
    """Return what does not fit together between ledger, journal and files.

    Parameters
    ----------
    store
        The store; another process may be writing to it.
    fix
        Whether to remove what no commit names, to bring the journal up to the ledger, and to make lost indexes again.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``diagnoses``. An `orphan` was left behind by an interrupted commit, or is `under_way`;
        `missing` and `wrong_size` are segments that the ledger names; a `journal` lags behind the ledger, or says
        something else.

    Raises
    ------
    TraceError
        When the ledger cannot be read, or, with `fix`, another process holds the store or it is open for reading only.

    Notes
    -----
    O(files of the store): their sizes are looked at, their bytes are `verify`'s.
    """
    if not fix:
        return _table(_examined(store, fix=False))
    if isinstance(store.ledger, ReadLedger):
        raise refused(store.ledger.where())
    with store.writing(wait_seconds=0, catch_up=False):
        try:
            return _table(_examined(store, fix=True))
        except OSError as reason:
            problem = Problem(store.files.where(FOLDER), str(reason))
            raise TraceError("the store could not be put right", [problem]) from reason


def _table(rows: Iterator[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=DIAGNOSES.schema)


def _examined(store: Store, *, fix: bool) -> Iterator[dict[str, Any]]:
    # First the disk, then the ledger: a commit that comes in between is named when it is looked for.
    busy = not fix and store.is_held()
    standing = list(store.files.listing(FOLDER))
    files = {entry.path: entry.n_bytes for entry in files_below(store.files, FOLDER)}
    left = list(_leftovers(store))
    records = store.ledger.records()
    yield from _segments(store, records, fix=fix)
    named = {segment.path for _, segments in records for segment in segments}
    folders = {path.rpartition("/")[0] for path in named}
    orphans = [entry for entry in standing if entry.path not in folders]
    orphans += [Entry(path, n_bytes) for path, n_bytes in files.items() if _stray(path, named, folders)]
    for path, n_bytes in [*orphans, *left]:
        what = "a folder" if n_bytes is None else f"a file of {n_bytes} bytes"
        if busy:
            yield _row("under_way", path, f"{what} that no commit names, while a process writes to the store")
            continue
        if fix:
            store.files.remove_tree(path)
        yield _row("orphan", path, f"{what} that no commit names", fixed=fix)
    yield from _journal(store, records, fix=fix)


def _stray(path: str, named: set[str], folders: set[str]) -> bool:
    """Whether a file stands unnamed in the folder of a commit."""
    return path not in named and any(path.startswith(f"{folder}/") for folder in folders)


def _leftovers(store: Store) -> Iterator[Entry]:
    """Give what stands beside the segments under a name for the time being."""
    for path, n_bytes in store.files.listing(""):
        if path.startswith(".") and ".partial" in path and n_bytes is not None:
            yield Entry(path, n_bytes)


def _segments(store: Store, records: list[Record], *, fix: bool) -> Iterator[dict[str, Any]]:
    for commit, segments in records:
        for segment in segments:
            try:
                found = store.files.size(segment.path)
            except (OSError, ValueError):
                what = f"expected {segment.n_bytes} bytes of commit {commit.commit_id}"
                made = fix and _made_again(store, segment, segments)
                yield _row("missing", segment.path, what, fixed=made)
                continue
            if found != segment.n_bytes:
                what = f"expected {segment.n_bytes} bytes of commit {commit.commit_id}, found {found}"
                made = fix and _made_again(store, segment, segments)
                yield _row("wrong_size", segment.path, what, fixed=made)


def _made_again(store: Store, segment: Segment, segments: Sequence[Segment]) -> bool:
    """Make an index again from the other segments of its commit, if that gives the bytes that were committed."""
    if segment.table != INDEX:
        return False
    try:
        data = rebuild_index(store.files, segments)
        if hashlib.sha256(data).hexdigest() != segment.sha256:
            return False
        store.files.put(segment.path, data)
    except (TraceError, OSError):
        return False
    return True


def _journal(store: Store, records: list[Record], *, fix: bool) -> Iterator[dict[str, Any]]:
    journal = store.journal
    if journal is None or not isinstance(store.ledger, Ledger):
        return
    if fix and journal.last().commit_id < len(records):
        before = len(journal.lines())
        journal.catch_up(store.ledger)
        added = len(journal.lines()) - before
        if added > 0:
            yield _row("journal", journal.path.name, f"lagged by {added} of {len(records)} commits", fixed=True)
    lines = journal.lines()
    expected = [line_of(*record).rstrip(b"\n") for record in records]
    same = next((place for place, pair in enumerate(zip(lines, expected, strict=False)) if pair[0] != pair[1]), None)
    if same is not None:
        yield _row("journal", journal.path.name, f"line {same + 1} says something else than commit {same + 1}")
    elif len(lines) > len(expected):
        what = f"expected {len(expected)} lines as the ledger has commits, found {len(lines)}"
        yield _row("journal", journal.path.name, what)
    elif len(lines) < len(expected):
        head = records[len(lines) - 1][0].head if lines else FIRST
        what = f"lags by {len(expected) - len(lines)} of {len(expected)} commits, after head {head[:16]}"
        yield _row("journal", journal.path.name, what)


def _row(kind: str, path: str, detail: str, *, fixed: bool = False) -> dict[str, Any]:
    return {"kind": kind, "path": path, "detail": detail, "fixed": fixed}
