"""Files of a store that are open already: footers of segments, and indexes mapped into memory."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from poolkit.errors import Problem, TraceError
from poolkit.trace.files import Files
from poolkit.trace.index import Index
from poolkit.trace.record import Segment

# A footer of a large segment takes about a megabyte when it is read.
_FOOTERS = 256
# The steps of a trace look into the same row groups again.
_RECENT = 16
# Fewer row groups are read sooner than a second thread is awake.
_GROUPS_ALONE = 4


class Opened:
    """Segments and indexes of a store, as they were opened first; a file never changes once the ledger names it.

    Parameters
    ----------
    files
        The files of the store.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._footers: dict[str, tuple[pq.FileMetaData, NDArray[np.int64]]] = {}
        self._recent: dict[tuple[str, tuple[int, ...], tuple[str, ...]], tuple[pa.Table, NDArray[np.int64]]] = {}
        self._indexes: dict[str, Index] = {}

    def table(self, segment: Segment, columns: list[str], *, filters: object, repeating: list[str]) -> pa.Table:
        """Return a segment as a whole.

        Raises
        ------
        TraceError
            When it is missing or cut.
        """
        try:
            with self.files.open(segment.path) as file:
                return pq.read_table(
                    file, columns=columns, filters=filters, read_dictionary=repeating, partitioning=None
                )
        except (pa.ArrowInvalid, OSError, ValueError) as reason:
            raise self._broken(segment, reason) from None

    def n_groups(self, segment: Segment) -> int:
        """Return how many row groups a segment has.

        Raises
        ------
        TraceError
            When it is missing or cut.
        """
        if segment.path not in self._footers:
            self.groups(segment, [], None)
        return int(self._footers[segment.path][0].num_row_groups)

    def groups(
        self, segment: Segment, groups: Sequence[int] | None, columns: list[str] | None
    ) -> tuple[pa.Table, NDArray[np.int64]]:
        """Return some row groups of a segment, all by default, and of each row where it stands in the segment.

        Raises
        ------
        TraceError
            When it is missing or cut.
        """
        asked = (segment.path, tuple(groups or ()), tuple(columns or ()))
        recent = self._recent.get(asked)
        if recent is not None:
            return recent
        known, ends = self._footers.pop(segment.path, (None, None))
        try:
            with self.files.open(segment.path) as opened, pq.ParquetFile(opened, metadata=known) as file:
                footer = file.metadata
                wanted = range(file.num_row_groups) if groups is None else groups
                rows = file.read_row_groups(list(wanted), columns=columns, use_threads=len(wanted) > _GROUPS_ALONE)
        except (pa.ArrowInvalid, IndexError, OSError, ValueError) as reason:
            raise self._broken(segment, reason) from None
        if ends is None:
            ends = np.cumsum([0, *(footer.row_group(number).num_rows for number in range(footer.num_row_groups))])
        self._footers[segment.path] = (footer, ends)
        if len(self._footers) > _FOOTERS:
            self._footers.pop(next(iter(self._footers)))
        places = [np.arange(ends[number], ends[number + 1], dtype=np.int64) for number in wanted]
        found = rows, np.concatenate([np.zeros(0, np.int64), *places])
        if groups is not None and len(groups) == 1:
            self._recent[asked] = found
            if len(self._recent) > _RECENT:
                self._recent.pop(next(iter(self._recent)))
        return found

    def index(self, segment: Segment) -> Index:
        """Return an index, mapped into memory.

        Raises
        ------
        TraceError
            When it is missing or cut.
        """
        known = self._indexes.get(segment.path)
        if known is not None:
            return known
        path = self.files.where(segment.path)
        try:
            data = self.files.mapped(segment.path)
        except (OSError, ValueError) as reason:
            problem = Problem(path, f"expected an index of {segment.n_bytes} bytes: {reason}")
            raise TraceError("the store is broken", [problem]) from None
        made = self._indexes[segment.path] = Index(path, data)
        return made

    def _broken(self, segment: Segment, reason: Exception) -> TraceError:
        what = f"expected {segment.n_bytes} bytes of Parquet: {reason}"
        problem = Problem(self.files.where(segment.path), what)
        return TraceError("the store is broken", [problem])
