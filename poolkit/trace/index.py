"""The index of a commit: in which row groups of its segments a barcode may stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import as_codes, digests, frozen, plain, whole
from poolkit.errors import Problem, TraceError
from poolkit.kernels import lookup
from poolkit.schemas import SETTLED

INDEX = "index"
# By which columns the rows of a table are looked for. A text is indexed once for a row group, whatever its column.
KEYS: Mapping[str, tuple[str, ...]] = {
    "samples": ("sample_id", "subject_id", "tube_id", "recollect_of"),
    "pools": ("pool_id",),
    "members": ("pool_id", "sample_id"),
    "wells": ("plate_id", "specimen_id"),
    "runs": ("run_id", "plate_id", "instrument_id", "operator_id", "extraction_lot", "amplification_lot"),
    "readings": ("run_id",),
    "calls": ("run_id", "plate_id", "specimen_id"),
    "results": ("sample_id",),
    "orders": ("sample_id",),
    "custody": ("item_id", "box_id"),
    "amendments": ("amendment_id", "sample_id"),
    "approvals": ("amendment_id",),
    "recalls": ("recall_id", "run_id"),
    "findings": ("ids",),
}

_MAGIC = b"POOLKIT\x01"
_START = 16  # the magic, then the length of what the file says of itself
# A hash is sorted by its upper 48 bits over the code of its row group.
_LOW_BITS = 16
_LOW_MASK = np.uint64((1 << _LOW_BITS) - 1)
# With so many entries a bucket, or up to twice as many, the directory takes a quarter of a byte for each of them.
_ENTRIES_A_BUCKET = 12


@dataclass(frozen=True, slots=True)
class Marks:
    """What the index takes from one segment while it is being written.

    Attributes
    ----------
    table : str
        Of which table the segment is a part.
    groups : list of numpy.ndarray of uint64
        For each row group the hashes of the texts in its key columns; of `samples` and `results` first that of each
        row's ``sample_id``.
    n_rows : list of int
        The rows of each row group.
    settled : list of numpy.ndarray of bool
        Of `results`, whether each row's status is final; empty for all others.
    """

    table: str
    groups: list[NDArray[np.uint64]]
    n_rows: list[int]
    settled: list[NDArray[np.bool_]]

    @classmethod
    def of(cls, name: str) -> "Marks":
        """Begin with nothing."""
        return cls(name, [], [], [])

    def add(self, group: pa.Table) -> None:
        """Take note of one row group."""
        columns = [name for name in KEYS.get(self.table, ()) if name in group.column_names]
        by_row = self.table in ("samples", "results")
        hashes = [
            _by_row(group[name]) if by_row and name == "sample_id" else _distinct(group[name]) for name in columns
        ]
        self.groups.append(np.concatenate(hashes) if hashes else np.zeros(0, np.uint64))
        self.n_rows.append(group.num_rows)
        if self.table == "results":
            codes, texts = as_codes(group["status"])
            self.settled.append(pc.is_in(texts, pa.array(SETTLED)).to_numpy(zero_copy_only=False)[codes])


def _by_row(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the hash of each row's text."""
    values = whole(column)
    if pa.types.is_dictionary(values.type):
        hashes: NDArray[np.uint64] = digests(values.dictionary)[values.indices.to_numpy()]
        return hashes
    return digests(values)


def _distinct(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the hashes of a column's texts, of a dictionary's each once."""
    values = whole(column)
    if pa.types.is_list(values.type):
        values = values.flatten()
    if pa.types.is_dictionary(values.type):
        used = np.zeros(len(values.dictionary), np.bool_)
        used[values.indices.drop_null().to_numpy(zero_copy_only=False)] = True
        return digests(values.dictionary.filter(pa.array(used)))
    return digests(values.drop_null() if values.null_count else values)


def build_index(marks: Sequence[Marks]) -> bytes:
    """Return the index of a commit's segments.

    Parameters
    ----------
    marks
        What was noted of each segment, those of one table in the order of their numbers.

    Returns
    -------
    bytes
        The file: magic, what it says of itself in JSON, then directory and entries, which results stand with which
        samples, and the hashes of the samples that are open after this commit or were closed by it.

    Notes
    -----
    O(n log n) of the distinct texts of a row group, all together. An entry takes 4 bytes: hash above, row group below.
    """
    tables: dict[str, list[Marks]] = {}
    for each in marks:
        tables.setdefault(each.table, []).append(each)
    groups = {name: [len(each.groups) for each in parts] for name, parts in sorted(tables.items())}
    firsts = dict(zip(groups, np.cumsum([0, *(sum(counts) for counts in groups.values())]).tolist(), strict=False))
    n_codes = sum(sum(counts) for counts in groups.values())
    if n_codes > _LOW_MASK:
        raise AssertionError(f"a commit of {n_codes} row groups cannot be indexed")
    standing, left_out, opened, closed = _standing(tables)
    packed = []
    for name, parts in tables.items():
        code = firsts[name]
        for hashes in (group for each in parts for group in each.groups):
            kept = left_out.get((name, code - firsts[name]), hashes)
            packed.append((kept & ~_LOW_MASK) | np.uint64(code))
            code += 1
    entries = np.concatenate(packed) if packed else np.zeros(0, np.uint64)
    entries.sort()
    code_bits = max(1, n_codes.bit_length())
    # Counted without repeats, so that plain text makes the same file as a dictionary.
    n_distinct = int(np.count_nonzero(entries[1:] != entries[:-1])) + min(1, entries.size)
    bucket_bits = min(max(0, (n_distinct // _ENTRIES_A_BUCKET).bit_length() - 1), _LOW_BITS + code_bits)
    words = np.empty((1 << bucket_bits) + 1 + n_distinct, np.uint32)
    n_entries = int(lookup.shelve(frozen(entries), _LOW_BITS, bucket_bits, code_bits, words))
    said = {
        "bucket_bits": bucket_bits,
        "code_bits": code_bits,
        "n_entries": n_entries,
        "n_standing": standing.size // 2,
        "n_opened": opened.size,
        "n_closed": closed.size,
        "groups": groups,
    }
    head = json.dumps(said, sort_keys=True).encode()
    head += b" " * (-len(head) % 8)
    sections = [opened.astype("<u8"), closed.astype("<u8"), standing.astype("<i4"), _cut(words, said).astype("<u4")]
    return b"".join([_MAGIC, len(head).to_bytes(8, "little"), head, *(each.tobytes() for each in sections)])


def _cut(words: NDArray[np.uint32], said: Mapping[str, Any]) -> NDArray[np.uint32]:
    return words[: (1 << said["bucket_bits"]) + 1 + said["n_entries"]]


def _standing(
    tables: Mapping[str, list[Marks]],
) -> tuple[NDArray[np.int32], dict[tuple[str, int], NDArray[np.uint64]], NDArray[np.uint64], NDArray[np.uint64]]:
    """Find the results that stand where their samples do, which need no entries of their own.

    Returns the first and last row group of results for each row group of samples, what is left to be entered for each
    row group of results, and the hashes of samples that this commit leaves open, and those that it may have closed.
    """
    samples, results = tables.get("samples", []), tables.get("results", [])
    n_rows = [n for part in samples for n in part.n_rows]
    of_samples = [group[:n] for part in samples for group, n in zip(part.groups, part.n_rows, strict=True)]
    known = np.concatenate([*of_samples, np.zeros(0, np.uint64)])
    group_of = np.repeat(np.arange(len(n_rows), dtype=np.int32), n_rows)
    said = [group for part in results for group in part.groups]
    hashes = np.concatenate([*said, np.zeros(0, np.uint64)])
    rows = np.empty(hashes.size, np.int32)
    lookup.pair(frozen(hashes), frozen(known), rows)
    found = rows >= 0
    starts = np.cumsum([0, *(group.size for group in said)])
    number = np.repeat(np.arange(len(said), dtype=np.int32), np.diff(starts))
    standing = np.empty((len(n_rows), 2), np.int32)
    standing[:] = (0, -1)
    if found.any():
        # Both numbers only grow, so that a change of either begins a new stretch.
        pairs = group_of[rows[found]].astype(np.int64) << 32 | number[found]
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
        ours, theirs = (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
        begins = np.flatnonzero(np.append(True, ours[1:] != ours[:-1]))
        ends = np.append(begins[1:], ours.size) - 1
        standing[ours[begins]] = np.stack([theirs[begins], theirs[ends]], axis=1)
    left = {
        ("results", place): group[~found[start:stop]]
        for place, (group, start, stop) in enumerate(zip(said, starts[:-1], starts[1:], strict=True))
    }
    settled = np.concatenate([*(each for part in results for each in part.settled), np.zeros(0, np.bool_)])
    # Who came with this commit cannot have been open before it.
    return standing.ravel(), left, np.sort(hashes[~settled]), np.sort(hashes[settled & ~found])


class Index:
    """The index of one commit, as it stands in its file.

    Parameters
    ----------
    path
        Its name, for errors.
    data
        Its bytes, mapped or read.

    Raises
    ------
    TraceError
        When these are not the bytes of an index.
    """

    def __init__(self, path: str, data: NDArray[np.uint8]) -> None:
        self.path = path
        try:
            self._said, start = _said(data)
            widths = (("n_opened", "<u8", 1), ("n_closed", "<u8", 1), ("n_standing", "<i4", 2))
            sections = []
            for name, kind, times in widths:
                size = np.dtype(kind).itemsize * times * self._said[name]
                sections.append(data[start : start + size].view(kind))
                start += size
            self.opened, self.closed, standing = sections
            self._standing = standing.reshape(-1, 2)
            words = data[start:].view("<u4")
            self._bucket_bits, self._code_bits = self._said["bucket_bits"], self._said["code_bits"]
            if words.size != (1 << self._bucket_bits) + 1 + self._said["n_entries"]:
                raise ValueError("it is cut")
            if not 0 <= self._bucket_bits <= _LOW_BITS + self._code_bits <= 2 * _LOW_BITS:
                raise ValueError("it cannot have so many bits")
            self._words = frozen(words)
            self.groups: dict[str, list[int]] = self._said["groups"]
            n_results = sum(self.groups.get("results", []))
            if standing.size and not 0 <= self._standing.min() + 1 <= self._standing.max() + 1 <= n_results:
                raise ValueError("it names row groups that are not there")
            self._firsts: dict[str, tuple[int, int]] = {}
            first = 0
            for name, counts in self.groups.items():
                self._firsts[name] = first, sum(counts)
                first += sum(counts)
        except (KeyError, TypeError, ValueError) as reason:
            problem = Problem(path, f"expected the index of a commit: {reason}; `poolkit doctor --fix` makes it again")
            raise TraceError("the store is broken", [problem]) from None

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the place of a hash and the code of a row group for each row group that may hold a hash."""
        room = 4 * hashes.size + 16
        while True:
            owners, codes = np.empty(room, np.int32), np.empty(room, np.int32)
            n_found = int(lookup.seek(self._words, self._bucket_bits, self._code_bits, hashes, owners, codes))
            if n_found <= room:
                return owners[:n_found], codes[:n_found]
            room = n_found

    def blocks(self, name: str, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return which row groups of a table some codes mean, counted over its segments, each once and in order."""
        first, n_groups = self._firsts.get(name, (0, 0))
        numbers = codes - first
        inside = numbers[(numbers >= 0) & (numbers < n_groups)]
        if name == "results" and len(self._standing):
            first, n_samples = self._firsts["samples"]
            with_samples = codes - first
            with_samples = with_samples[(with_samples >= 0) & (with_samples < n_samples)]
            stretches = [
                np.arange(least, most + 1, dtype=np.int32) for least, most in self._standing[np.unique(with_samples)]
            ]
            inside = np.concatenate([inside, *stretches])
        return np.unique(inside).astype(np.int32)


def _said(data: NDArray[np.uint8]) -> tuple[dict[str, Any], int]:
    """Return what an index says of itself, and where its sections begin."""
    if data[: len(_MAGIC)].tobytes() != _MAGIC:
        raise ValueError("it does not begin as one")
    size = int.from_bytes(data[len(_MAGIC) : _START].tobytes(), "little")
    if _START + size > data.size:
        raise ValueError("cut")
    said: dict[str, Any] = json.loads(data[_START : _START + size].tobytes())
    return said, _START + size


def hashes_of(texts: pa.Array) -> NDArray[np.uint64]:
    """Return the hashes by which texts stand in an index."""
    return frozen(digests(plain(texts)))
