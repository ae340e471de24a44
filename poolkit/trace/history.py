"""What a store knows of the specimens that a day touches."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import TextIndex, encode, first_seen, plain
from poolkit.schemas import CALLS, MEMBERS, ORDERS, POOLS, RUNS, SAMPLES, WELLS, Day, History
from poolkit.trace.snapshot import Found, Snapshot


def history_of(store: Snapshot, day: Day) -> History | None:
    """Return what the store knows of everything a day touches, or None when the store is empty.

    Parameters
    ----------
    store
        The store.
    day
        What the laboratory hands in next.

    Returns
    -------
    History or None
        The samples that the day names, that stand on a plate it reads, or that are not settled; all who share a tube, a
        mixture or a swab with one of these; and every well, call, run and order of theirs.

    Notes
    -----
    O(commits x texts of the day + rows of the row groups that hold what is touched), by the commits' indexes.
    """
    if not store.segments:
        return None
    read_plates, read_runs = _named_runs(store, day)
    on_plates = store.rows("wells", columns=["specimen_id"], plate_id=read_plates)
    named = _texts(
        day.samples["sample_id"],
        day.samples["tube_id"],
        day.samples["recollect_of"],
        day.wells["specimen_id"],
        day.pools["pool_id"],
        day.members["pool_id"],
        day.members["sample_id"],
        on_plates["specimen_id"],
    )
    # Nearly all that a day names is new.
    named = store.catalogue.known(named)
    samples = _closed(store, named)
    ids = _texts(samples["sample_id"])
    members = store.rows("members", sample_id=ids, pool_id=named)
    specimens = pa.concat_arrays([ids, _texts(samples["tube_id"], members["pool_id"]), named])
    plates = pa.concat_arrays([read_plates, _texts(day.wells["plate_id"])])
    calls = store.rows("calls", specimen_id=specimens, run_id=read_runs)
    known_runs = pa.concat_arrays([_texts(calls["run_id"]), read_runs])
    pools = store.rows("pools", pool_id=_texts(members["pool_id"], day.pools["pool_id"]))
    return History(
        _first_rows(samples).cast(SAMPLES.schema),
        pools.cast(POOLS.schema),
        members.cast(MEMBERS.schema),
        store.rows("wells", specimen_id=specimens, plate_id=plates).cast(WELLS.schema),
        store.rows("runs", run_id=known_runs, plate_id=plates).cast(RUNS.schema),
        _unrecalled(store, calls.cast(CALLS.schema)),
        store.rows("orders", sample_id=ids).cast(ORDERS.schema),
    )


def _texts(*columns: pa.ChunkedArray) -> pa.Array:
    """Return the distinct texts of some columns, each once a column."""
    return pa.concat_arrays([first_seen(*encode(column))[1] for column in columns])


def _named_runs(store: Snapshot, day: Day) -> tuple[pa.Array, pa.Array]:
    """Return the plates that a day reads and the runs that it speaks of."""
    run_ids = _texts(day.readings["run_id"], *([] if day.runs is None else [day.runs["run_id"]]))
    known = store.rows("runs", columns=["plate_id"], run_id=run_ids)["plate_id"]
    # Without a runs table a run bears the name of its plate.
    plates = run_ids if day.runs is None else _texts(day.runs["plate_id"])
    return pa.concat_arrays([plates, _texts(known)]), run_ids


def _closed(store: Snapshot, named: pa.Array) -> pa.Table:
    """Return all samples touched, and who shares a tube, a mixture or a swab with one of them, until nobody is added.

    Each text is looked for once: a round asks only for what the one before it brought.
    """
    mixed = store.rows("members", columns=["sample_id"], pool_id=named)["sample_id"]
    ids, tubes, swabs = pa.concat_arrays([named, store.open_samples(), _texts(mixed)]), named, _NOTHING
    asked: dict[str, pa.Array] = {"sample_id": _NOTHING, "tube_id": _NOTHING, "recollect_of": _NOTHING}
    rounds: list[Found] = []
    while True:
        new = {
            "sample_id": _without(ids, asked["sample_id"]),
            "tube_id": _without(tubes, asked["tube_id"]),
            "recollect_of": _without(swabs, asked["recollect_of"]),
        }
        if rounds and not any(len(texts) for texts in new.values()):
            return _in_order(rounds)
        found = store.find("samples", **new)
        rounds.append(found)
        asked = {column: pa.concat_arrays([asked[column], texts]) for column, texts in new.items()}
        some = found.rows
        swabs = _texts(some["sample_id"])
        mixtures = _texts(store.rows("members", columns=["pool_id"], sample_id=swabs)["pool_id"])
        mixed = store.rows("members", columns=["sample_id"], pool_id=mixtures)["sample_id"]
        ids = pa.concat_arrays([swabs, _texts(mixed), _texts(some["recollect_of"])])
        tubes = _texts(some["tube_id"])


_NOTHING = pa.array([], pa.string())
RECALL = "recall"


def _unrecalled(store: Snapshot, calls: pa.Table) -> pa.Table:
    """Let calls of recalled runs settle nothing: they are invalid from here on, whatever they said."""
    recalled = store.table("recalls", columns=["run_id"])
    if recalled.num_rows == 0 or calls.num_rows == 0:
        return calls
    void = pc.is_in(plain(calls["run_id"]), plain(recalled["run_id"]))
    made = pc.if_else(void, "invalid", plain(calls["call"]))
    reasons = [
        [RECALL] if out else kept for out, kept in zip(void.to_pylist(), calls["reasons"].to_pylist(), strict=True)
    ]
    calls = calls.set_column(calls.schema.get_field_index("call"), CALLS.schema.field("call"), made)
    place = calls.schema.get_field_index("reasons")
    return calls.set_column(place, CALLS.schema.field("reasons"), pa.array(reasons, CALLS["reasons"].type))


def _without(texts: pa.Array, known: pa.Array) -> pa.Array:
    return texts.filter(pa.array(TextIndex.of(known).find(texts) < 0))


def _in_order(rounds: list[Found]) -> pa.Table:
    """Return the rows of several searches, each once, as they stand in the store."""
    segments = np.concatenate([found.segments for found in rounds])
    places = np.concatenate([found.places for found in rounds])
    order = np.lexsort((places, segments))
    again = np.zeros(order.size, np.bool_)
    again[1:] = (np.diff(segments[order]) == 0) & (np.diff(places[order]) == 0)
    return pa.concat_tables([found.rows for found in rounds]).take(pa.array(order[~again]))


def _first_rows(samples: pa.Table) -> pa.Table:
    """Keep one row for each sample, subject and tube, the first."""
    keys = pc.binary_join_element_wise(
        *(plain(samples[name]) for name in ("sample_id", "subject_id", "tube_id")), "\x1f"
    )
    index = TextIndex.of(keys)
    return samples if len(index.values) == samples.num_rows else samples.take(pa.array(index.firsts))
