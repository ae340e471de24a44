"""Turnaround: how long samples took from leg to leg, by site, laboratory and hour."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, encode, numbers, plain
from poolkit.errors import Problem, TraceError
from poolkit.protocols import Protocol
from poolkit.schemas import SETTLED, column, table
from poolkit.trace.record import Commit
from poolkit.trace.snapshot import Snapshot

_TEXT = pa.string()
_MINUTE_US = 60_000_000
_NONE = np.iinfo(np.int64).min
SHARES = (50, 90, 95, 99)
GROUPINGS = ("leg", "site", "lab", "hour")
TURNAROUND = table(
    "turnaround",
    "Minutes of a leg over many samples.",
    column("leg", _TEXT, "From which moment to which."),
    column("of", _TEXT, "The site, laboratory or hour of collection (UTC); null for all.", null=True),
    column("n", pa.int64(), "Samples that went this leg."),
    *(column(f"p{share}", pa.float64(), f"Percentile {share}.", unit="min") for share in SHARES),
    column("longest", pa.float64(), "The longest.", unit="min"),
    column("n_late", pa.int64(), "Samples past the protocol's limit; null where it sets none.", null=True),
)


def turnaround(known: Snapshot, commits: Sequence[Commit], *, by: str, protocol: Protocol) -> pa.Table:
    """Return percentiles of the minutes that samples took.

    Parameters
    ----------
    known
        The store.
    commits
        Its commits, which say when a result was known.
    by
        ``leg`` for all samples together, or ``site``, ``lab`` (where custody says they were received) or ``hour`` of
        collection.
    protocol
        Its `transport_hours` from collection to receipt, and `report_hours` to the report.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``turnaround``. A leg that a sample has not gone to its end does not count it.

    Raises
    ------
    TraceError
        When it is to be grouped by something else.

    Notes
    -----
    O(n log n) of all samples.
    """
    if by not in GROUPINGS:
        raise TraceError("no turnaround", [Problem("by", f"expected one of {', '.join(GROUPINGS)}, found {by!r}")])
    samples = known.table("samples", columns=["sample_id", "site_id", "tube_id", "collected_at"])
    collected = numbers(samples["collected_at"])
    received, places = _received(known, samples)
    read, reported = _results(known, commits, samples)
    groups = {"leg": None, "site": samples["site_id"], "lab": places, "hour": None}[by]
    if by == "hour":
        groups = pc.strftime(samples["collected_at"], format="%H")
    codes, names = (np.zeros(samples.num_rows, np.int32), pa.array([None], _TEXT)) if groups is None else encode(groups)
    legs = (
        ("collected to received", collected, received, protocol.transport_hours),
        ("received to read", received, read, None),
        ("collected to read", collected, read, None),
        ("read to reported", read, reported, None),
        ("collected to reported", collected, reported, protocol.report_hours),
    )
    rows = [row for leg, start, stop, limit in legs for row in _leg(leg, start, stop, limit, codes, names)]
    return pa.Table.from_pylist(rows, schema=TURNAROUND.schema)


def _leg(
    leg: str,
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    limit: float | None,
    codes: NDArray[np.int32],
    names: pa.Array,
) -> list[dict[str, object]]:
    gone = np.flatnonzero((start != _NONE) & (stop != _NONE) & (codes >= 0))
    minutes = (stop[gone] - start[gone]) / _MINUTE_US
    order = np.lexsort((minutes, codes[gone]))
    minutes, group = minutes[order], codes[gone][order]
    edges = np.flatnonzero(np.diff(group, prepend=-1, append=-1))
    rows: list[dict[str, object]] = []
    for first, last in pairwise(edges.tolist()):
        some = minutes[first:last]
        row: dict[str, object] = {"leg": leg, "of": names[int(group[first])].as_py(), "n": int(some.size)}
        row |= {f"p{share}": float(value) for share, value in zip(SHARES, np.percentile(some, SHARES), strict=True)}
        row |= {"longest": float(some[-1]), "n_late": None if limit is None else int((some > 60 * limit).sum())}
        rows.append(row)
    return sorted(rows, key=lambda row: str(row["of"]))


def _received(known: Snapshot, samples: pa.Table) -> tuple[NDArray[np.int64], pa.Array]:
    """Return when each sample's tube was received first, by itself or in its box, and where."""
    tube, tubes = encode(samples["tube_id"])
    custody = known.table("custody", columns=["event", "item_id", "box_id", "place", "at"])
    moments, places = first_receipts(custody, tubes)
    return moments[tube], places.take(pa.array(tube))


def first_receipts(custody: pa.Table, tubes: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Return when tubes were received first, by themselves or in the box that they were in at that time, and where.

    Parameters
    ----------
    custody : pyarrow.Table
        Columns event, item_id, box_id, place and at.
    tubes : pyarrow.Array of string
        Distinct.

    Returns
    -------
    numpy.ndarray of int64, pyarrow.Array of string
        (tubes,) microseconds since 1970 UTC, the smallest integer for never; and the place, null for never.

    Notes
    -----
    O(n log n) of the custody rows. A box carries a tube from its boxing until it is boxed again.
    """
    event = custody["event"].cast(_TEXT)
    came = custody.filter(pc.equal(event, "received")).sort_by("at")
    if came.num_rows == 0:
        return np.full(len(tubes), _NONE), pa.nulls(len(tubes), _TEXT)
    at, (item, items) = numbers(came["at"]), encode(came["item_id"])
    known = TextIndex.of(tubes)
    boxed = custody.filter(pc.and_(pc.equal(event, "boxed"), pc.is_valid(custody["box_id"])))
    owner, went_in = codes_in(boxed["item_id"], tubes, known), numbers(boxed["at"])
    order = np.lexsort((went_in, owner))
    order = order[owner[order] >= 0]
    owner, went_in = owner[order], went_in[order]
    box = codes_in(boxed["box_id"], items)[order]
    moved = np.full(owner.size, np.iinfo(np.int64).max)
    again = owner[1:] == owner[:-1]
    moved[:-1][again] = went_in[1:][again]
    # The first receipt of that box from then on, among all receipts in order of item and time.
    ranks = np.sort(np.concatenate([at, went_in]))
    by_item = np.lexsort((at, item))
    width = ranks.size + 1
    ordered = item[by_item].astype(np.int64) * width + np.searchsorted(ranks, at[by_item])
    place = np.searchsorted(ordered, box.astype(np.int64) * width + np.searchsorted(ranks, went_in))
    receipt = by_item[np.minimum(place, at.size - 1)]
    inside = (place < at.size) & (box >= 0) & (item[receipt] == box) & (at[receipt] < moved)
    alone = codes_in(came["item_id"], tubes, known)
    first = np.full(len(tubes), at.size, np.int64)
    np.minimum.at(first, alone[alone >= 0], np.flatnonzero(alone >= 0))
    np.minimum.at(first, owner[inside], receipt[inside])
    never = first == at.size
    rows = np.where(never, 0, first)
    places = plain(came["place"]).take(pa.array(rows))
    return np.where(never, _NONE, at[rows]), pc.if_else(pa.array(never), pa.scalar(None, _TEXT), places)


def _results(
    known: Snapshot, commits: Sequence[Commit], samples: pa.Table
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the run that decides each sample ended, and when its settled result was committed."""
    read, reported = (np.full(samples.num_rows, _NONE) for _ in range(2))
    index = TextIndex.of(plain(samples["sample_id"]))
    first = np.zeros(len(index.values), np.int64)
    first[index.codes[::-1]] = np.arange(samples.num_rows)[::-1]
    for commit in commits:
        results = known.table(
            "results", columns=["sample_id", "status", "evidence", "decided_at"], commit_id=commit.commit_id
        )
        if results.num_rows == 0:
            continue
        rows = first[index.find(plain(results["sample_id"]))]
        settled = pc.is_in(results["status"].cast(_TEXT), pa.array(SETTLED)).to_numpy()
        decided = pc.is_valid(results["evidence"]).to_numpy()
        read[rows] = np.where(decided, numbers(results["decided_at"]), _NONE)
        at = pa.scalar(commit.committed_at, pa.timestamp("us", "UTC")).cast(pa.int64()).as_py()
        reported[rows] = np.where(settled, at, _NONE)
    return read, reported
