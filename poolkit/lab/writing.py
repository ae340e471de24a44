"""What of a run is written: what the day added, and the results that say something else than before."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, plain
from poolkit.lab.amend import AMENDMENT
from poolkit.pipeline import Prepared
from poolkit.schemas import CUSTODY, RESULTS, Outcome
from poolkit.trace.continuation import equal_rows
from poolkit.trace.history import RECALL
from poolkit.trace.segments import SegmentWriter
from poolkit.trace.snapshot import Snapshot


def changed_results(results: pa.Table, prepared: Prepared, store: Snapshot) -> pa.Table:
    """Return the results that are new or say something else than the store's."""
    if prepared.history is None:
        return results
    compared = ["status", "evidence", "probability"]
    # Whoever is in the store and touched by the day is in its history.
    before = store.results_of(plain(prepared.history.samples["sample_id"]), columns=["sample_id", *compared])
    places = TextIndex.of(plain(before["sample_id"])).find(plain(results["sample_id"]))
    known = np.flatnonzero(places >= 0)
    old, new = before.take(pa.array(places[known])), results.take(pa.array(known))
    changed = new.filter(pa.array(~equal_rows(new, old, RESULTS, compared) & ~_amended(store, old, new)))
    first = results.slice(known.size) if (places[: known.size] >= 0).all() else results.filter(pa.array(places < 0))
    # New samples first: their results then stand as the samples do, and need no entry of their own in the index.
    return pa.concat_tables([first, changed])


def _new_custody(custody: pa.Table, store: Snapshot) -> pa.Table:
    """Return the rows that the store does not have yet; one that says something else of the same event is kept too."""
    if custody.num_rows == 0:
        return custody
    known = store.rows("custody", item_id=TextIndex.of(plain(custody["item_id"])).values)
    if known.num_rows == 0:
        return custody
    texts = [_spelt(custody), _spelt(known)]
    return custody.filter(pa.array(TextIndex.of(texts[1]).find(texts[0]) < 0))


def _spelt(rows: pa.Table) -> pa.Array:
    """Return each row of custody as one text; numbers and times by their bits, missing as no text can be."""
    parts = []
    for each in CUSTODY.columns:
        column = plain(rows[each.name])
        if not pa.types.is_string(each.type):
            column = column.cast(each.type).view(pa.int64()).cast(pa.string())
        parts.append(pc.fill_null(column, "\x1e"))
    return pc.binary_join_element_wise(*parts, "\x1f")


def _amended(store: Snapshot, old: pa.Table, new: pa.Table) -> NDArray[np.bool_]:
    """Return which results a person has corrected while nothing was read since that was not known then."""
    corrected = pc.fill_null(pc.starts_with(plain(old["evidence"]), AMENDMENT), False)
    stands: NDArray[np.bool_] = corrected.to_numpy(zero_copy_only=False).copy()
    if stands.any():
        ids = plain(old["sample_id"]).filter(corrected)
        versions = store.rows("results", columns=["sample_id", "evidence"], sample_id=ids)
        seen = set(zip(versions["sample_id"].to_pylist(), versions["evidence"].to_pylist(), strict=True))
        rests_on = zip(new["sample_id"].to_pylist(), new["evidence"].to_pylist(), strict=True)
        stands &= np.array([evidence is None or (sample, evidence) in seen for sample, evidence in rests_on], np.bool_)
    return stands


def without_reruns_of_recalled(outcome: Outcome, prepared: Prepared) -> Outcome:
    """Leave out reruns of what was recalled with an order for new swabs: that order stands until it is answered."""
    history = prepared.history
    if history is None or outcome.orders.num_rows == 0 or history.orders.num_rows == 0:
        return outcome
    latest = dict(zip(*(history.orders[name].to_pylist() for name in ("sample_id", "action")), strict=True))
    reason = dict(zip(*(history.orders[name].to_pylist() for name in ("sample_id", "reason")), strict=True))
    swabs = {sample for sample, action in latest.items() if action == "recollect" and reason[sample] == RECALL}
    issued = zip(*(outcome.orders[name].to_pylist() for name in ("sample_id", "action")), strict=True)
    kept = [action != "rerun" or sample not in swabs for sample, action in issued]
    return replace(outcome, orders=outcome.orders.filter(pa.array(kept, pa.bool_())))


def write_inputs(writer: SegmentWriter, prepared: Prepared, store: Snapshot) -> None:
    """Begin to write what the day added to what was known."""
    writer.write("custody", _new_custody(prepared.custody, store))
    union, history = prepared.union, prepared.history
    for name in ("samples", "wells", "pools", "members"):
        rows = getattr(union, name)
        added = rows if history is None else rows.slice(getattr(history, name).num_rows)
        writer.write(name, added)
    # Of runs made up for want of a table only those count that gave a call, and that is not known yet.
    if not prepared.made_up:
        writer.write("readings", prepared.readings)


def write_outcome(writer: SegmentWriter, outcome: Outcome, prepared: Prepared, results: pa.Table) -> None:
    """Begin to write what the day came to."""
    writer.write("results", results)
    if prepared.made_up:
        spoken = codes_in(prepared.readings["run_id"], plain(outcome.runs["run_id"])) >= 0
        writer.write("readings", prepared.readings.filter(pa.array(spoken)))
    for name in ("runs", "calls", "orders", "findings"):
        writer.write(name, getattr(outcome, name))
