"""A snapshot: what the commits up to a moment say together, whoever writes meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from poolkit.arrays import TextIndex, plain
from poolkit.errors import Problem, TraceError
from poolkit.schemas import TABLES
from poolkit.trace.files import Files
from poolkit.trace.record import Segment

# Text that repeats is read as a dictionary, so that it is looked at once a distinct value.
_REPEATING = frozenset(
    ("action", "call", "content", "formed", "kind", "plate_id", "protocol", "run_id", "site_id", "status", "target")
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tables of a store as its commits up to one moment give them.

    Attributes
    ----------
    files
        The files of the store.
    segments : sequence of (int, Segment)
        Each segment with its commit, oldest first.
    """

    files: Files
    segments: Sequence[tuple[int, Segment]]

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
        parts = [
            self._read(segment, empty.column_names, filters)
            for commit, segment in self.segments
            if segment.table == name and commit_id in (None, commit)
        ]
        if not parts:
            return empty
        alike = all(part.schema.types == parts[0].schema.types for part in parts)
        return pa.concat_tables(parts if alike else [part.cast(empty.schema) for part in parts])

    def _read(self, segment: Segment, columns: list[str], filters: Any) -> pa.Table:
        repeating = [name for name in columns if name in _REPEATING]
        try:
            with self.files.open(segment.path) as file:
                return pq.read_table(
                    file, columns=columns, filters=filters, read_dictionary=repeating, partitioning=None
                )
        except (pa.ArrowInvalid, OSError) as reason:
            what = f"expected {segment.n_bytes} bytes of Parquet: {reason}"
            raise TraceError("the store is broken", [Problem(self.files.where(segment.path), what)]) from None

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
        index = TextIndex.of(plain(every["sample_id"]))
        last = np.zeros(len(index.values), np.int64)
        last[index.codes] = np.arange(index.codes.size)
        return every.take(pa.array(last)).select(wanted)
