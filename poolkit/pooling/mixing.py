"""What all ways of mixing single tubes share: what is refused, who belongs together, and how pools are named."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit import arrays
from poolkit.errors import DesignError, Problem

# A slot is an int16.
MOST_SLOTS = 32767
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Pooled:
    """What was mixed: the pools, the samples in them, and the pools that did not fill.

    Attributes
    ----------
    pools : pyarrow.Table
        Table `pools`, ``formed = laboratory``, stage 1, in order of their first sample (`pool_tubes`) or of their block
        (`pool_samples`).
    members : pyarrow.Table
        Table `members`, in order of pool and slot.
    remainders : pyarrow.Table
        One row a pool with fewer samples than asked for, or of a block that is not full: pool_id, site_id, kind,
        n_members (int16).
    """

    pools: pa.Table
    members: pa.Table
    remainders: pa.Table

    def __repr__(self) -> str:
        """Give the row count of each table."""
        counts = ", ".join(f"{each.name}={getattr(self, each.name).num_rows}" for each in fields(self))
        return f"Pooled({counts})"


def check_tubes(samples: pa.Table) -> None:
    """Refuse tubes that several samples share: what is pooled is not pooled again."""
    codes, tubes = arrays.encode(samples["tube_id"])
    counts = np.bincount(codes, minlength=len(tubes))
    shared = np.flatnonzero(counts > 1)
    if shared.size:
        seen = np.flatnonzero(counts[codes] > 1)
        order = seen[np.argsort(codes[seen], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
        raise DesignError(
            "a specimen made of already pooled tubes was asked for",
            [
                Problem(
                    "tube_id", f"{tubes[int(codes[part[0]])].as_py()} holds {part.size} samples", tuple(part.tolist())
                )
                for part in sorted(parts, key=lambda part: int(part[0]))
            ],
        )


def check_ids(pool_ids: pa.Array, samples: pa.Table) -> None:
    """Refuse names of pools that a tube or a sample has already."""
    problems = []
    for column in ("tube_id", "sample_id"):
        taken = pc.is_in(arrays.plain(samples[column]), value_set=pool_ids)
        rows = np.flatnonzero(taken.to_numpy(zero_copy_only=False))
        if rows.size:
            found = samples[column][int(rows[0])].as_py()
            problems.append(
                Problem(column, f"{found} would be a pool id too; give another prefix or start", tuple(rows.tolist()))
            )
    if problems:
        raise DesignError("the pools cannot be named so", problems)


def groups(
    samples: pa.Table, *, keep_groups: bool
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], int]:
    """Return the groups in order of arrival as offsets, members and strata, and the number of strata.

    A stratum is a site and a kind; samples without a group are groups of one.
    """
    site, sites = arrays.encode(samples["site_id"])
    kind, kinds = arrays.encode(samples["kind"])
    n_samples = samples.num_rows
    n_strata = len(sites) * len(kinds)
    stratum = site * np.int32(len(kinds)) + kind
    if not keep_groups or samples["group_id"].null_count == n_samples:
        members = np.arange(n_samples, dtype=np.int32)
        offsets = np.arange(n_samples + 1, dtype=np.int64)
        return arrays.frozen(offsets), arrays.frozen(members), arrays.frozen(stratum), n_strata
    group, groups = arrays.encode(samples["group_id"])
    alone = len(groups) + np.arange(n_samples, dtype=np.int64)
    key = np.where(group >= 0, group, alone) * n_strata + stratum
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    sizes = np.diff(starts, append=n_samples)
    arrival = np.argsort(order[starts], kind="stable")
    starts, sizes = starts[arrival], sizes[arrival]
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    # The place of each member in the sorted order: where its group starts there, and how far into it.
    places = np.arange(n_samples) + np.repeat(starts - offsets[:-1], sizes)
    members = order[places].astype(np.int32)
    return arrays.frozen(offsets), arrays.frozen(members), arrays.frozen(stratum[members[offsets[:-1]]]), n_strata


def numbered_ids(prefix: str, start: int, n: int) -> pa.Array:
    """Return so many ids: the prefix and a running number of at least six digits.

    Examples
    --------
    >>> numbered_ids("P", 9, 2).to_pylist()
    ['P000009', 'P000010']
    """
    numbers = pc.utf8_lpad(pa.array(np.arange(start, start + n)).cast(pa.string()), _DIGITS, "0")
    return pc.binary_join_element_wise(prefix, numbers, "")
