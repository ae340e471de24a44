"""The slow twin of reading by indexes: every question is answered by a look at the whole store."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, encode, first_seen, plain
from poolkit.schemas import CALLS, MEMBERS, ORDERS, POOLS, RUNS, SAMPLES, WELLS, Day, History
from poolkit.trace.snapshot import Found, Snapshot


class Scanned(Snapshot):
    """A snapshot that finds rows by looking at every one of them."""

    def find(self, name: str, *, columns: list[str] | None = None, **texts: Any) -> Found:
        wanted = {key: set(given.to_pylist() if isinstance(given, pa.Array) else given) for key, given in texts.items()}
        parts, commits, segments, places = [], [], [], []
        for place, (commit, segment) in enumerate(self.segments):
            if segment.table == name:
                rows = pq.read_table(self.opened.files.where(segment.path), partitioning=None)
                at = [
                    number
                    for number, row in enumerate(rows.select(list(texts)).to_pylist())
                    if any(_holds(row[key], some) for key, some in wanted.items())
                ]
                parts.append(rows.take(pa.array(at, pa.int64())).select(columns or rows.column_names))
                commits += [commit] * len(at)
                segments += [place] * len(at)
                places += at
        rows = pa.concat_tables(parts) if parts else self.table(name, columns=columns).slice(0, 0)
        return Found(rows, np.array(commits, np.int64), np.array(segments, np.int32), np.array(places, np.int64))


def _holds(value: Any, wanted: set[str]) -> bool:
    return bool(wanted.intersection(value)) if isinstance(value, list) else value in wanted


def scanned_history(store: Snapshot, day: Day) -> History | None:
    """Return what `history_of` does, from the key columns of every segment."""
    if not store.segments:
        return None
    samples = store.table("samples")
    members, pools = store.table("members"), store.table("pools")
    wells, calls, runs = store.table("wells"), store.table("calls"), store.table("runs")
    read_plates, read_runs = _named_runs(day, runs)
    on_plates = _within(wells["plate_id"], read_plates)
    named = _texts(
        day.samples["sample_id"],
        day.samples["tube_id"],
        day.samples["recollect_of"],
        day.wells["specimen_id"],
        day.pools["pool_id"],
        day.members["pool_id"],
        day.members["sample_id"],
        wells["specimen_id"].filter(pa.array(on_plates)),
    )
    touched = _closed(_touched(store, samples, members, named), samples, members)
    samples = samples.filter(pa.array(touched))
    ids = _texts(samples["sample_id"])
    in_pools = _within(members["sample_id"], ids) | _within(members["pool_id"], named)
    members = members.filter(pa.array(in_pools))
    specimens = pa.concat_arrays([ids, _texts(samples["tube_id"], members["pool_id"]), named])
    plates = pa.concat_arrays([read_plates, _texts(day.wells["plate_id"])])
    calls = calls.filter(pa.array(_within(calls["specimen_id"], specimens) | _within(calls["run_id"], read_runs)))
    known_runs = pa.concat_arrays([_texts(calls["run_id"]), read_runs])
    keep_wells = _within(wells["specimen_id"], specimens) | _within(wells["plate_id"], plates)
    keep_runs = _within(runs["run_id"], known_runs) | _within(runs["plate_id"], plates)
    orders = store.table("orders")
    return History(
        _first_rows(samples).cast(SAMPLES.schema),
        pools.filter(pa.array(_within(pools["pool_id"], _texts(members["pool_id"], day.pools["pool_id"])))).cast(
            POOLS.schema
        ),
        members.cast(MEMBERS.schema),
        wells.filter(pa.array(keep_wells)).cast(WELLS.schema),
        runs.filter(pa.array(keep_runs)).cast(RUNS.schema),
        calls.cast(CALLS.schema),
        orders.filter(pa.array(_within(orders["sample_id"], ids))).cast(ORDERS.schema),
    )


def _texts(*columns: pa.ChunkedArray) -> pa.Array:
    """Return the distinct texts of some columns, each once a column."""
    return pa.concat_arrays([first_seen(*encode(column))[1] for column in columns])


def _within(column: pa.ChunkedArray, texts: pa.Array) -> NDArray[np.bool_]:
    """Return which rows hold one of the texts."""
    codes, distinct = encode(column)
    found = np.append(TextIndex.of(texts).find(distinct) >= 0, np.False_)
    within: NDArray[np.bool_] = found[codes]
    return within


def _named_runs(day: Day, runs: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Return the plates that a day reads and the runs that it speaks of."""
    run_ids = _texts(day.readings["run_id"], *([] if day.runs is None else [day.runs["run_id"]]))
    known = runs["plate_id"].filter(pa.array(_within(runs["run_id"], run_ids)))
    # Without a runs table a run bears the name of its plate.
    plates = run_ids if day.runs is None else _texts(day.runs["plate_id"])
    return pa.concat_arrays([plates, _texts(known)]), run_ids


def _touched(store: Snapshot, samples: pa.Table, members: pa.Table, named: pa.Array) -> NDArray[np.bool_]:
    results = store.results(columns=["sample_id", "status"])
    status = results["status"].cast(pa.string())
    unsettled = results["sample_id"].filter(pc.is_in(status, pa.array(["suspect", "invalid", "pending"])))
    mixed = members["sample_id"].filter(pa.array(_within(members["pool_id"], named)))
    ids = pa.concat_arrays([named, plain(unsettled), _texts(mixed)])
    return _within(samples["sample_id"], ids) | _within(samples["tube_id"], named)


def _closed(touched: NDArray[np.bool_], samples: pa.Table, members: pa.Table) -> NDArray[np.bool_]:
    """Add all who share a tube, a mixture or a swab with a touched sample, until nobody is added."""
    while True:
        some = samples.filter(pa.array(touched))
        ids = _texts(some["sample_id"])
        mixtures = _texts(members["pool_id"].filter(pa.array(_within(members["sample_id"], ids))))
        mixed = _texts(members["sample_id"].filter(pa.array(_within(members["pool_id"], mixtures))))
        related = pa.concat_arrays([ids, mixed, _texts(some["recollect_of"])])
        wider = (
            _within(samples["sample_id"], related)
            | _within(samples["tube_id"], _texts(some["tube_id"]))
            | _within(samples["recollect_of"], ids)
        )
        if wider.sum() == touched.sum():
            return wider
        touched = wider


def _first_rows(samples: pa.Table) -> pa.Table:
    """Keep one row for each sample, subject and tube, the first."""
    keys = pc.binary_join_element_wise(
        *(plain(samples[name]) for name in ("sample_id", "subject_id", "tube_id")), "\x1f"
    )
    index = TextIndex.of(keys)
    return samples if len(index.values) == samples.num_rows else samples.take(pa.array(index.firsts))
