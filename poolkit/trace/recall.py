"""Recall: everybody whose current result rests on a lot, an instrument, a person, a plate, a run or a time."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, plain
from poolkit.errors import Problem, TraceError
from poolkit.schemas import SETTLED, TABLES, column, table
from poolkit.trace.snapshot import Snapshot

_TEXT = pa.string()
_TIME = TABLES["runs"]["ended_at"].type
RECALLED = table(
    "recalled",
    "Who rests on what was recalled, those already released first.",
    column("sample_id", _TEXT, "The sample."),
    column("subject_id", _TEXT, "Its subject."),
    column("status", _TEXT, "What its current result says."),
    column("released_at", _TIME, "When that was committed as settled; null for who has no settled result.", null=True),
    column("specimen_id", _TEXT, "The specimen whose reading decided."),
    column("plate_id", _TEXT, "Its plate."),
    column("well", _TEXT, "Its well."),
    column("run_id", _TEXT, "The run."),
    column("instrument_id", _TEXT, "The instrument."),
    column("to_do", _TEXT, "What has to be done."),
    key=("sample_id",),
)
_TO_DO = {
    "negative": "withdraw the negative, tell the person, and run the specimen again or take a new swab",
    "positive": "tell the person that the positive is being confirmed, and run the specimen again",
}
_WAIT = "hold, and run the specimen again or take a new swab"


def recall(
    store: Snapshot,
    *,
    lot: str | None = None,
    instrument: str | None = None,
    operator: str | None = None,
    plate: str | None = None,
    run: str | None = None,
    window: tuple[datetime, datetime] | None = None,
    committed_at: Mapping[int, datetime],
) -> pa.Table:
    """Return every sample whose current result rests on runs that all of these name.

    Parameters
    ----------
    store
        The store.
    lot
        An extraction or amplification lot.
    instrument, operator, plate, run
        Their ids.
    window
        Two moments with time zones; runs that were under way between them.
    committed_at
        When each commit was made.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``recalled``: released samples first, the negative ones on top, then in order of sample.

    Raises
    ------
    TraceError
        When nothing is named, a moment has no time zone, or no run of the store is meant.

    Notes
    -----
    O(runs and samples concerned), by the index; only for a window alone are all runs looked at.
    """
    runs = _runs(store, lot=lot, instrument=instrument, operator=operator, plate=plate, run=run, window=window)
    calls = store.rows("calls", run_id=plain(runs["run_id"]))
    results, commits = _resting_on(store, calls)
    if results.num_rows == 0:
        return RECALLED.empty()
    index = TextIndex.of(_evidence(calls))
    call = calls.take(pa.array(index.firsts[index.find(plain(results["evidence"]))]))
    run_of = runs.take(pa.array(codes_in(call["run_id"], plain(runs["run_id"]))))
    status = plain(results["status"])
    states = status.to_pylist()
    told = [
        committed_at[commit] if state in SETTLED else None
        for commit, state in zip(commits.tolist(), states, strict=True)
    ]
    columns = {name: plain(results[name]) for name in ("sample_id", "subject_id", "status")}
    columns |= {name: plain(call[name]) for name in ("specimen_id", "plate_id", "well", "run_id")}
    columns["released_at"] = pa.array(told, _TIME)
    columns["instrument_id"] = plain(run_of["instrument_id"])
    columns["to_do"] = pa.array([_TO_DO.get(state, _WAIT) for state in states], _TEXT)
    rows = pa.table({name: columns[name] for name in RECALLED.names}, schema=RECALLED.schema)
    ranks = {state: rank for rank, state in enumerate(SETTLED)}
    rank = pa.array([ranks.get(state, len(ranks)) for state in states], pa.int8())
    order = pc.sort_indices(rows.append_column("rank", rank), [("rank", "ascending"), ("sample_id", "ascending")])
    return rows.take(order)


def _runs(
    store: Snapshot,
    *,
    lot: str | None,
    instrument: str | None,
    operator: str | None,
    plate: str | None,
    run: str | None,
    window: tuple[datetime, datetime] | None,
) -> pa.Table:
    """Return the runs that everything given names."""
    given = {"instrument_id": instrument, "operator_id": operator, "plate_id": plate, "run_id": run}
    asked = {name: text for name, text in given.items() if text is not None}
    if lot is not None:
        runs = store.rows("runs", extraction_lot=[lot], amplification_lot=[lot])
    elif asked:
        name, text = next(iter(asked.items()))
        wanted: dict[str, Any] = {name: [text]}
        runs = store.rows("runs", **wanted)
    else:
        runs = store.table("runs")
    conditions = [pc.equal(plain(runs[name]), text) for name, text in asked.items()]
    if window is not None:
        start, end = window
        if start.tzinfo is None or end.tzinfo is None or end < start:
            what = "expected two moments with time zones, the earlier one first"
            raise TraceError("nothing to recall", [Problem("window", what)])
        under_way = pc.and_(pc.less_equal(runs["started_at"], end), pc.greater_equal(runs["ended_at"], start))
        conditions.append(under_way.combine_chunks() if isinstance(under_way, pa.ChunkedArray) else under_way)
    if not conditions and lot is None:
        what = "expected a lot, instrument, operator, plate, run or window, found none"
        raise TraceError("nothing to recall", [Problem("recall", what)])
    found = runs
    if conditions:
        found = runs.filter(pc.fill_null(reduce(pc.and_, conditions), False))
    if found.num_rows == 0:
        named = {"lot": lot, "instrument": instrument, "operator": operator, "plate": plate, "run": run}
        said = ", ".join(f"{name} {text}" for name, text in named.items() if text is not None)
        said += "" if window is None else f"{', ' if said else ''}under way {window[0]} to {window[1]}"
        raise TraceError("nothing to recall", [Problem(said, "expected a run of this store, found none")])
    return found


def _resting_on(store: Snapshot, calls: pa.Table) -> tuple[pa.Table, NDArray[np.int64]]:
    """Return the current results whose evidence is one of these calls, and the commit that wrote each."""
    specimens = TextIndex.of(plain(calls["specimen_id"])).values
    ids = [
        plain(store.rows("samples", columns=["sample_id"], tube_id=specimens, sample_id=specimens)["sample_id"]),
        plain(store.rows("members", columns=["sample_id"], pool_id=specimens)["sample_id"]),
    ]
    wanted = _with_earlier_swabs(store, TextIndex.of(pa.concat_arrays(ids)).values)
    found = store.find("results", sample_id=wanted)
    index = TextIndex.of(plain(found.rows["sample_id"]))
    newest = np.zeros(len(index.values), np.int64)
    # Of several versions of one result the last assignment stays, as they come oldest first.
    newest[index.codes] = np.arange(index.codes.size)
    evidence = pc.fill_null(plain(found.rows["evidence"]), "")
    rests = codes_in(evidence, TextIndex.of(_evidence(calls)).values)[newest] >= 0
    kept = newest[rests]
    return found.rows.take(pa.array(kept)), found.commits[kept]


def _evidence(calls: pa.Table) -> pa.Array:
    """Return what a result says that rests on each call."""
    return pc.binary_join_element_wise(*(plain(calls[name]) for name in ("specimen_id", "run_id", "well")), "/")


def _with_earlier_swabs(store: Snapshot, ids: pa.Array) -> pa.Array:
    """Add the samples that these were taken again for: they may have taken over what these came to."""
    asked = ids
    while True:
        again = store.rows("samples", columns=["recollect_of"], sample_id=asked)["recollect_of"]
        earlier = TextIndex.of(plain(again).drop_null()).values
        asked = earlier.filter(pa.array(TextIndex.of(ids).find(earlier) < 0))
        if len(asked) == 0:
            return ids
        ids = pa.concat_arrays([ids, asked])
