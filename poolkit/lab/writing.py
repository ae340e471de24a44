"""What of a run is written: what the day added, and the results that say something else than before."""

import numpy as np
import pyarrow as pa

from poolkit.arrays import TextIndex, codes_in, plain
from poolkit.pipeline import Prepared
from poolkit.schemas import RESULTS, Outcome
from poolkit.trace.continuation import equal_rows
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
    changed = new.filter(pa.array(~equal_rows(new, old, RESULTS, compared)))
    first = results.slice(known.size) if (places[: known.size] >= 0).all() else results.filter(pa.array(places < 0))
    # New samples first: their results then stand as the samples do, and need no entry of their own in the index.
    return pa.concat_tables([first, changed])


def write_inputs(writer: SegmentWriter, prepared: Prepared) -> None:
    """Begin to write what the day added to what was known."""
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
