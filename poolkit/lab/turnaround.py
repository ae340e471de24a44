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
from poolkit.schemas import column, table
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
    moments = np.full(samples.num_rows, _NONE)
    custody = known.table("custody", columns=["event", "item_id", "box_id", "place", "at"])
    event = custody["event"].cast(_TEXT)
    arrivals = custody.filter(pc.equal(event, "received")).sort_by("at")
    if arrivals.num_rows == 0:
        return moments, pa.nulls(samples.num_rows, _TEXT)
    boxed = custody.filter(pc.and_(pc.equal(event, "boxed"), pc.is_valid(custody["box_id"])))
    index = TextIndex.of(plain(arrivals["item_id"]))
    first = numbers(arrivals["at"])
    arrival = index.find(plain(samples["tube_id"]))
    in_box = codes_in(plain(samples["tube_id"]), plain(boxed["item_id"]))
    of_box = index.find(plain(boxed["box_id"]))
    through = np.where(in_box >= 0, of_box[in_box] if of_box.size else -1, -1)
    arrival = np.where(arrival >= 0, arrival, through)
    rows = index.firsts[np.maximum(arrival, 0)]
    moments[arrival >= 0] = first[rows[arrival >= 0]]
    place = plain(arrivals["place"]).take(pa.array(rows))
    return moments, pc.if_else(pa.array(arrival >= 0), place, pa.scalar(None, _TEXT))


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
        settled = pc.is_in(results["status"].cast(_TEXT), pa.array(["negative", "positive"])).to_numpy()
        decided = pc.is_valid(results["evidence"]).to_numpy()
        read[rows] = np.where(decided, numbers(results["decided_at"]), _NONE)
        at = pa.scalar(commit.committed_at, pa.timestamp("us", "UTC")).cast(pa.int64()).as_py()
        reported[rows] = np.where(settled, at, _NONE)
    return read, reported
