"""A snapshot: what the commits up to a moment say together, whoever writes meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, plain, whole
from poolkit.schemas import SETTLED, TABLES
from poolkit.trace.catalogue import Catalogue, among
from poolkit.trace.index import KEYS, hashes_of
from poolkit.trace.opened import Opened
from poolkit.trace.record import Segment

# Text that repeats is read as a dictionary, so that it is looked at once a distinct value.
_REPEATING = frozenset(
    ("action", "call", "content", "formed", "kind", "plate_id", "protocol", "run_id", "site_id", "status", "target")
)


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that were looked for, and where they stand.

    Attributes
    ----------
    rows : pyarrow.Table
        The rows, oldest first.
    commits : numpy.ndarray of int64
        (rows,) the commit that wrote each.
    segments : numpy.ndarray of int32
        (rows,) the place of its segment in `Snapshot.segments`.
    places : numpy.ndarray of int64
        (rows,) its row in that segment, from 0.
    """

    rows: pa.Table
    commits: NDArray[np.int64]
    segments: NDArray[np.int32]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Snapshot:
    """The tables of a store as its commits up to one moment give them.

    Attributes
    ----------
    opened
        The files of the store that are open already.
    segments : sequence of (int, Segment)
        Each segment with its commit, oldest first.
    """

    opened: Opened
    segments: Sequence[tuple[int, Segment]]

    @cached_property
    def catalogue(self) -> Catalogue:
        """Where texts may stand in these segments."""
        return Catalogue(self.segments, self.opened)

    def table(
        self, name: str, *, columns: list[str] | None = None, filters: Any = None, commit_id: int | None = None
    ) -> pa.Table:
        """Return one table as all commits together give it, oldest first.

        Parameters
        ----------
        name
            A table of the schemas; of `results` every version is there.
        columns
            Which columns; all by default.
        filters
            As ``pyarrow.parquet.read_table`` takes them.
        commit_id
            Only what this commit wrote; all commits by default.

        Raises
        ------
        TraceError
            When a segment that the ledger names is missing or cut.
        """
        empty = TABLES[name].empty().select(columns or list(TABLES[name].names))
        repeating = [each for each in empty.column_names if each in _REPEATING]
        parts = [
            self.opened.table(segment, empty.column_names, filters=filters, repeating=repeating)
            for commit, segment in self.segments
            if segment.table == name and commit_id in (None, commit)
        ]
        if not parts:
            return empty
        alike = all(part.schema.types == parts[0].schema.types for part in parts)
        return pa.concat_tables(parts if alike else [part.cast(empty.schema) for part in parts])

    def rows(self, name: str, *, columns: list[str] | None = None, **texts: Iterable[str] | pa.Array) -> pa.Table:
        """Return the rows of a table where one of some key columns holds one of its texts, oldest first.

        Parameters
        ----------
        name
            A table of the schemas; of `results` every version is there.
        columns
            Which columns; all by default.
        **texts
            For each key column the texts that are looked for; a row counts when any of the columns holds one of its.

        Returns
        -------
        pyarrow.Table
            The rows.

        Raises
        ------
        TraceError
            When a segment or an index that the ledger names is missing or cut.

        Notes
        -----
        O(commits x texts + rows of the row groups that hold them): the index of a commit names row groups, which are
        read, and a row is given when it holds the text itself. See `poolkit.trace.index.KEYS` for the key columns.
        """
        return self.find(name, columns=columns, **texts).rows

    def find(self, name: str, *, columns: list[str] | None = None, **texts: Iterable[str] | pa.Array) -> Found:
        """Return the rows that `rows` gives, and where each of them stands."""
        foreign = set(texts) - set(KEYS[name])
        if foreign:
            raise AssertionError(f"{name} has no index of {', '.join(sorted(foreign))}")
        asked = {}
        if self.catalogue.has(name):
            asked = {column: TextIndex.of(_array(given)) for column, given in texts.items()}
        asked = {column: index for column, index in asked.items() if len(index.values)}
        names = columns or list(TABLES[name].names)
        read = list(dict.fromkeys([*names, *asked]))
        parts, commits, segments, places = [], [], [], []
        wanted = pa.concat_arrays([index.values for index in asked.values()]) if asked else pa.array([], pa.string())
        for place, groups in self.catalogue.groups(name, wanted) if asked else ():
            commit, segment = self.segments[place]
            part, starts = self.opened.groups(segment, groups, read)
            within = np.zeros(part.num_rows, np.bool_)
            for column, index in asked.items():
                within |= _holding(part[column], index)
            at = np.flatnonzero(within)
            if at.size:
                parts.append(part.select(names).take(pa.array(at)))
                commits.append(np.full(at.size, commit, np.int64))
                segments.append(np.full(at.size, place, np.int32))
                places.append(starts[at])
        return Found(
            pa.concat_tables(parts) if parts else TABLES[name].empty().select(names),
            np.concatenate([np.zeros(0, np.int64), *commits]),
            np.concatenate([np.zeros(0, np.int32), *segments]),
            np.concatenate([np.zeros(0, np.int64), *places]),
        )

    def results(self, *, columns: list[str] | None = None) -> pa.Table:
        """Return the current result of every sample: of several versions the newest.

        Parameters
        ----------
        columns
            Which columns; all by default.

        Returns
        -------
        pyarrow.Table
            One row a sample, samples in order of first result.
        """
        wanted = columns or list(TABLES["results"].names)
        every = self.table("results", columns=list(dict.fromkeys([*wanted, "sample_id"])))
        if len({commit for commit, segment in self.segments if segment.table == "results"}) < 2:
            return every.select(wanted)
        return _newest(every).select(wanted)

    def results_of(self, sample_ids: Iterable[str] | pa.Array, *, columns: list[str] | None = None) -> pa.Table:
        """Return the current results of some samples, in order of their first result."""
        wanted = columns or list(TABLES["results"].names)
        read = list(dict.fromkeys([*wanted, "sample_id"]))
        return _newest(self.rows("results", columns=read, sample_id=sample_ids)).select(wanted)

    def open_samples(self) -> pa.Array:
        """Return the samples whose current result is not final, in order of their first result."""
        columns = ["sample_id", "status"]
        hashes = self.catalogue.open_samples()
        if hashes is None:
            return _not_final(self.results(columns=columns))
        if not hashes.size:
            return pa.array([], pa.string())
        parts = []
        for place, groups in self.catalogue.groups_of_hashes("results", hashes):
            part, _ = self.opened.groups(self.segments[place][1], groups, columns)
            parts.append(part.filter(pa.array(among(hashes_of(part["sample_id"]), hashes))))
        return _not_final(_newest(pa.concat_tables(parts)))


def _not_final(results: pa.Table) -> pa.Array:
    final = pc.is_in(results["status"].cast(pa.string()), pa.array(SETTLED))
    return plain(results["sample_id"].filter(pc.invert(final)))


def _newest(results: pa.Table) -> pa.Table:
    index = TextIndex.of(plain(results["sample_id"]))
    last = np.zeros(len(index.values), np.int64)
    last[index.codes] = np.arange(index.codes.size)
    return results.take(pa.array(last))


def _array(texts: Iterable[str] | pa.Array) -> pa.Array:
    return texts if isinstance(texts, pa.Array) else pa.array(list(texts), pa.string())


def _holding(column: pa.ChunkedArray, index: TextIndex) -> NDArray[np.bool_]:
    """Return which rows hold one of the texts of an index, in a list of texts at any place."""
    values = whole(column)
    if pa.types.is_list(values.type):
        holding = np.zeros(len(values), np.bool_)
        inside = _holding(pa.chunked_array([values.flatten()]), index)
        holding[pc.list_parent_indices(values).to_numpy()[inside]] = True
        return holding
    found: NDArray[np.bool_] = index.find(plain(values)) >= 0
    if values.null_count:
        found &= pc.is_valid(values).to_numpy(zero_copy_only=False)
    return found
