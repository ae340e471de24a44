"""Verification: whether a store still is what was committed to it, and if not, what exactly was changed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import TABLES
from poolkit.trace.canonical import leaf_digests
from poolkit.trace.files import Files
from poolkit.trace.heads import FIRST, circumstances, head_of, segment_leaves, signed_bytes
from poolkit.trace.keys import verified
from poolkit.trace.merkle import root_of, words_of
from poolkit.trace.record import Record, Segment, line_of
from poolkit.trace.segments import read_segment

_READERS = 2
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification looked at and what it found.

    Attributes
    ----------
    n_commits, n_segments, n_bytes : int
        How much was looked at; bytes are those of segments.
    n_rows : int
        Rows whose hashes were computed again; 0 where only files were.
    n_signed : int
        Commits whose signature was checked and holds.
    head : str or None
        Of the last commit; to be kept elsewhere.
    problems : tuple of Problem
        Everything that is not as it was committed; empty for a sound store.
    n_lagging : int
        Commits that the journal lacks yet, as after a crash; the next writer puts them there.
    """

    n_commits: int
    n_segments: int
    n_bytes: int
    n_rows: int
    n_signed: int
    head: str | None
    problems: tuple[Problem, ...]
    n_lagging: int = 0


def verify(
    store_id: str,
    recorded: Sequence[Record],
    files: Files,
    *,
    public: bytes | None = None,
    kept: Sequence[str] = (),
    journal: Sequence[bytes] | None = None,
    rows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Hold ledger, segments and signatures to each other.

    Parameters
    ----------
    store_id
        Of the store.
    recorded
        The ledger: every commit with its segments, in the ledger's order.
    files
        Where the segments are.
    public
        Public keys in PEM; every commit then has to be signed by one of them.
    kept
        Heads that were kept elsewhere: each has to be the head of a commit.
    journal
        The lines of the ledger's copy beside it, if there is one; fewer than there are commits are no problem.
    rows
        Whether to compute the hash of every row again, not only that of every file.
    progress
        Called with the bytes looked at and all bytes.

    Returns
    -------
    Verification
        With every problem found.

    Notes
    -----
    O(bytes). A file's SHA-256 stands in its commit's root, so that unchanged files have unchanged rows; `rows` proves
    that the roots of the rows were right when they were written.
    """
    problems = [*_chain(store_id, recorded), *_signatures(recorded, public), *_kept(recorded, kept)]
    n_lagging = 0
    if journal is not None:
        contradictions = list(_journal(recorded, journal))
        problems += contradictions
        n_whole = sum(line.endswith(b"\n") for line in journal)
        n_lagging = 0 if contradictions else max(0, len(recorded) - n_whole)
    segments = [segment for _, some in recorded for segment in some]
    broken, n_bytes, n_rows = _segments(segments, files, rows=rows, progress=progress)
    return Verification(
        n_commits=len(recorded),
        n_segments=len(segments),
        n_bytes=n_bytes,
        n_rows=n_rows,
        n_signed=sum(commit.signature is not None for commit, _ in recorded) if public else 0,
        head=recorded[-1][0].head if recorded else None,
        problems=(*problems, *broken),
        n_lagging=n_lagging,
    )


def _chain(store_id: str, recorded: Sequence[Record]) -> Iterator[Problem]:
    """Compute every root and head again, and follow the heads from one commit to the next."""
    before, number = FIRST, 0
    for commit, segments in recorded:
        number += 1
        where = f"commit {commit.commit_id}"
        if commit.commit_id != number:
            yield Problem(where, f"expected commit {number} here: commits were dropped, added or put in another order")
            number = commit.commit_id
        if commit.previous != before:
            yield Problem(where, f"follows head {_short(commit.previous)}, but the commit before has {_short(before)}")
        root = root_of(words_of(segment_leaves(segments)) if segments else words_of([])).hex()
        if root != commit.root:
            yield Problem(where, "its segments in the ledger are not those that were committed")
        if head_of(circumstances(store_id, commit, commit.root)) != commit.head:
            yield Problem(where, "its row in the ledger was edited, or it was committed to another store")
        before = commit.head


def _short(head: str) -> str:
    return f"{head[:16]}…"


def _signatures(recorded: Sequence[Record], public: bytes | None) -> Iterator[Problem]:
    if public is None:
        return
    for commit, _ in recorded:
        where = f"commit {commit.commit_id}"
        if commit.signature is None:
            yield Problem(where, "expected a signature, found none")
        elif len(_unhex(commit.head)) != _HASH_BYTES:
            yield Problem(where, f"expected a head of {_HASH_BYTES} bytes to be signed, found none")
        elif not verified(public, commit.key_id, signed_bytes(commit.head), _unhex(commit.signature)):
            yield Problem(where, f"signature of key {commit.key_id}: not by the key given, or the head was edited")


def _unhex(text: str) -> bytes:
    """Return the bytes of a text as it was written, or none at all: spaces and large letters were not written."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return b""
    return data if data.hex() == text else b""


def _kept(recorded: Sequence[Record], kept: Sequence[str]) -> Iterator[Problem]:
    known = {commit.head for commit, _ in recorded}
    for head in kept:
        if head not in known:
            what = f"no commit has it among {len(recorded)}: the store's end was cut off, or its past was written anew"
            yield Problem(f"head {_short(head)}", what)


def _journal(recorded: Sequence[Record], journal: Sequence[bytes]) -> Iterator[Problem]:
    """Hold the journal's lines to the ledger; what comes last may be half of one, and some may be lacking."""
    for number, line in enumerate(journal, 1):
        whole = line.endswith(b"\n")
        if number > len(recorded):
            if whole:
                yield Problem(f"commit {number}", "the ledger does not have it, but the journal does")
        elif not (line == line_of(*recorded[number - 1]) if whole else line_of(*recorded[number - 1]).startswith(line)):
            yield Problem(f"commit {number}", "ledger and journal say different things of it")


def _segments(
    segments: Sequence[Segment], files: Files, *, rows: bool, progress: Callable[[int, int], None] | None
) -> tuple[list[Problem], int, int]:
    """Hash every file again, some at once."""
    by_hash = {segment.sha256: segment.path for segment in segments}
    total = sum(segment.n_bytes for segment in segments)
    problems: list[Problem] = []
    n_bytes = n_rows = 0
    with ThreadPoolExecutor(_READERS) as readers:
        for segment, found in zip(
            segments, readers.map(lambda each: _segment(each, files, by_hash, rows=rows), segments), strict=True
        ):
            problems += found
            n_bytes += segment.n_bytes
            n_rows += segment.n_rows if rows and segment.rows_root is not None else 0
            if progress:
                progress(n_bytes, total)
    return problems, n_bytes, n_rows


def _segment(segment: Segment, files: Files, by_hash: dict[str, str], *, rows: bool) -> list[Problem]:
    try:
        data = files.mapped(segment.path)
    except (OSError, ValueError) as reason:
        # A path that was edited may be none at all.
        return [Problem(segment.path, f"missing: {getattr(reason, 'strerror', None) or reason}")]
    if data.size != segment.n_bytes:
        return [Problem(segment.path, f"expected {segment.n_bytes} bytes, found {data.size}")]
    found = hashlib.sha256(data.data).hexdigest()
    if found != segment.sha256:
        other = by_hash.get(found)
        what = "its bytes were changed" if other is None else f"swapped: it holds the bytes of {other}"
        return [Problem(segment.path, f"{what}; expected SHA-256 {_short(segment.sha256)}, found {_short(found)}")]
    if rows and segment.rows_root is not None and segment.salt_key is not None:
        try:
            table = read_segment(files, segment)
            digests = leaf_digests(table, TABLES[segment.table], bytes.fromhex(segment.salt_key))
        except (TraceError, pa.ArrowException, KeyError, ValueError) as reason:
            return [Problem(segment.path, f"its rows cannot be read: {reason}")]
        if root_of(digests).hex() != segment.rows_root:
            return [Problem(segment.path, "its rows are not those whose root was committed")]
    return []
