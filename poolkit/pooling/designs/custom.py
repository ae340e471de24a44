"""A design of one's own, from a table of pools and samples."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from poolkit import arrays
from poolkit.errors import DesignError, FormatError, Problem, SchemaError
from poolkit.pooling.designs.layout import Layout
from poolkit.pooling.designs.model import LARGEST, Design
from poolkit.schemas import conform
from poolkit.schemas.model import column, table

SUFFIXES = (".csv", ".parquet", ".arrow")

_OWN = table(
    "design",
    "Which sample is in which pool, and when the pool is tested.",
    column("pool_id", pa.string(), "The pool."),
    column("sample_id", pa.string(), "The sample in it."),
    column(
        "stage",
        pa.int8(),
        "1 for pools that are always tested, 2 for what follows from them; 1 by default.",
        null=True,
        minimum=1,
    ),
    key=("pool_id", "sample_id"),
)


class Custom(Design):
    """The pools that a table says.

    Parameters
    ----------
    members
        A table with the columns ``pool_id``, ``sample_id`` and perhaps ``stage``, one row a sample in a pool; samples
        and pools in order of their first row, pools of an earlier stage first.
    name
        What the design is called.

    Attributes
    ----------
    pool_ids, sample_ids : pyarrow.StringArray
        The pools of a full block and its samples in their order, as the table calls them.

    Notes
    -----
    A pool of one sample is left out: what stands in no pool is tested alone.
    """

    family = "custom"
    form = "FILE"
    about = "Pools from a table or a file with pool_id, sample_id and perhaps stage."

    def __init__(self, members: Any, *, name: str = "custom") -> None:
        rows = conform(members, _OWN)
        pool, pool_ids = arrays.encode(rows["pool_id"])
        pool, pool_ids = arrays.first_seen(pool, pool_ids)
        sample, sample_ids = arrays.encode(rows["sample_id"])
        sample, sample_ids = arrays.first_seen(sample, sample_ids)
        stage = arrays.filled(rows["stage"], 1)[0]
        sizes = np.bincount(pool, minlength=len(pool_ids))
        stages = np.zeros(len(pool_ids), np.int8)
        stages[pool] = stage
        torn = np.flatnonzero(stages[pool] != stage)
        problems = []
        if rows.num_rows == 0:
            problems.append(Problem("table", "must have at least one row"))
        if torn.size:
            found = pool_ids[int(pool[torn[0]])].as_py()
            problems.append(Problem("stage", f"must be one for a pool, {found} has several", tuple(torn.tolist())))
        if rows.num_rows and sizes.max() > LARGEST:
            found = pool_ids[int(sizes.argmax())].as_py()
            problems.append(Problem("pool_id", f"must have at most {LARGEST} samples, {found} has {sizes.max()}"))
        if problems:
            raise DesignError("the table is no design", problems)
        order = np.flatnonzero(sizes > 1)
        order = order[np.argsort(stages[order], kind="stable")]
        place = np.full(len(pool_ids), -1)
        place[order] = np.arange(order.size)
        kept = np.flatnonzero(place[pool] >= 0)
        kept = kept[np.argsort(place[pool[kept]], kind="stable")]
        offsets = np.zeros(order.size + 1, np.int64)
        np.cumsum(sizes[order], out=offsets[1:])
        self.name = name
        self.block = len(sample_ids)
        self.pool_ids, self.sample_ids = pool_ids.take(pa.array(order)), sample_ids
        self._layout = Layout(self.block, offsets, sample[kept].astype(np.int32), stages[order])

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the table from a ``.csv``, ``.parquet`` or ``.arrow`` file; the design is called by its path."""
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise FormatError(f"{path}: cannot be read", [Problem("suffix", f"expected one of {', '.join(SUFFIXES)}")])
        try:
            rows = _read(path, suffix)
        except (OSError, pa.ArrowException) as reason:
            said = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
            raise FormatError(f"{path}: cannot be read", [Problem("file", said)]) from None
        try:
            return cls(rows, name=str(path))
        except (SchemaError, DesignError) as reason:
            raise type(reason)(f"{path}: {reason.title}", reason.problems) from None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return none: a design of one's own has no numbers."""
        del text
        return None

    def full_block(self) -> Layout:
        """Return the pools of the table."""
        return self._layout


def _read(path: Path, suffix: str) -> pa.Table:
    if suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    if suffix == ".arrow":
        return pyarrow.feather.read_table(path)
    texts = {name: pa.string() for name in ("pool_id", "sample_id")} | {"stage": pa.int8()}
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=texts))
