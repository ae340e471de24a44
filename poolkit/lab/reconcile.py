"""Reconciliation over days and over stores: what was found, as far as it still holds, and what only shows over all."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import TextIndex, codes_in, plain
from poolkit.calling import check_runs
from poolkit.deconvolution import open_orders
from poolkit.lab.amend import AMENDMENT
from poolkit.protocols import Protocol
from poolkit.schemas import SETTLED, Finding, findings_table
from poolkit.trace.journey import custody_findings
from poolkit.trace.snapshot import Snapshot

# What is computed anew from all days, so that what was true once is not said any more.
_ANEW = ("tube_not_received", "well_not_read", "order_past_due", "instrument_overload")
_TEXT = pa.string()

Named = tuple[str, Snapshot]


def reconcile(stores: Sequence[Named], *, at: datetime, protocol: Protocol) -> pa.Table:
    """Return what does not add up over all days of some stores.

    Parameters
    ----------
    stores
        Each with its name.
    at
        The moment: orders due before it are past due.
    protocol
        Limits of hours, and of wells an instrument can read.

    Returns
    -------
    pyarrow.Table
        The columns of `findings`, and ``store``: its name, or all names where several are concerned.

    Notes
    -----
    O(rows) of all stores; everything is read once.
    """
    parts = [(name, list(_of_store(known, at, protocol))) for name, known in stores]
    parts.append((" and ".join(name for name, _ in stores), list(_between(stores, protocol))))
    tables = []
    for name, findings in parts:
        table = findings_table(findings)
        tables.append(table.append_column("store", pa.array([name] * table.num_rows, _TEXT)))
    return pa.concat_tables(tables)


def _of_store(known: Snapshot, at: datetime, protocol: Protocol) -> Iterator[Finding]:
    for row in known.table("findings").to_pylist():
        if row["kind"] not in _ANEW:
            yield Finding(row["kind"], row["severity"], tuple(row["ids"]), row["message"])
    results = known.results(columns=["sample_id", "status", "evidence"])
    wells, calls, runs = known.table("wells"), known.table("calls"), known.table("runs")
    yield from (each for each in check_runs(wells, calls, runs, protocol=protocol) if each.kind == "well_not_read")
    yield from _not_received(known, results, wells)
    yield from _without_well(results, calls)
    yield from _without_file(results, runs)
    yield from _past_due(known, results, at)
    limits = {"received": protocol.transport_hours}
    yield from custody_findings(known.table("custody"), known.table("samples"), limits=limits, at=at)


def _settled(results: pa.Table) -> pa.Table:
    return results.filter(pc.is_in(results["status"].cast(_TEXT), pa.array(SETTLED)))


def _not_received(known: Snapshot, results: pa.Table, wells: pa.Table) -> Iterator[Finding]:
    samples = known.table("samples", columns=["sample_id", "tube_id"])
    settled = plain(_settled(results)["sample_id"])
    there = pa.concat_arrays([plain(wells["specimen_id"]).drop_null(), plain(known.table("members")["sample_id"])])
    index = TextIndex.of(there)
    ids, tubes = plain(samples["sample_id"]), plain(samples["tube_id"])
    seen = (index.find(ids) >= 0) | (index.find(tubes) >= 0)
    open_ = codes_in(ids, settled) < 0
    arrived = TextIndex.of(tubes.filter(pa.array(seen)))
    waiting = tubes.filter(pa.array(open_ & (arrived.find(tubes) < 0)))
    for tube in TextIndex.of(waiting).values.to_pylist():
        message = f"{tube} was registered but stands in no well of any day"
        yield Finding("tube_not_received", "warning", (tube,), message)


def _without_well(results: pa.Table, calls: pa.Table) -> Iterator[Finding]:
    settled = _settled(results)
    evidence = pc.fill_null(plain(settled["evidence"]), "")
    read = pc.binary_join_element_wise(*(plain(calls[name]) for name in ("specimen_id", "run_id", "well")), "/")
    lacking = (TextIndex.of(read).find(evidence) < 0) & ~pc.starts_with(evidence, AMENDMENT).to_numpy(
        zero_copy_only=False
    )
    for row in settled.filter(pa.array(lacking)).to_pylist():
        message = f"{row['sample_id']} is reported {row['status']}, but no well of the store is behind it"
        yield Finding("report_without_well", "error", (row["sample_id"],), message)


def _without_file(results: pa.Table, runs: pa.Table) -> Iterator[Finding]:
    named = pc.and_(pc.is_valid(runs["source_file"]), pc.is_valid(runs["source_sha256"]))
    without = runs.filter(pc.invert(named))["run_id"].cast(_TEXT).to_pylist()
    if not without:
        return
    reported: dict[str, int] = {}
    for evidence in plain(_settled(results)["evidence"]).drop_null().to_pylist():
        run = evidence.rsplit("/", 2)[-2] if evidence.count("/") > 1 else ""
        reported[run] = reported.get(run, 0) + 1
    # A store whose readings came as tables has no raw files at all: that is one thing to know, not one a run.
    concerned = [run for run in without if run in reported]
    if len(without) == runs.num_rows:
        n = sum(reported[run] for run in concerned)
        if n:
            yield Finding("no_raw_file", "info", (), f"{n:,} results are reported, and no run names its raw file")
        return
    for run in concerned:
        message = f"{reported[run]:,} results rest on run {run}, which names no raw file"
        yield Finding("no_raw_file", "warning", (run,), message)


def _past_due(known: Snapshot, results: pa.Table, at: datetime) -> Iterator[Finding]:
    orders = open_orders(known.table("orders"), results)
    for row in orders.filter(pc.less(orders["due_at"], pa.scalar(at, orders["due_at"].type))).to_pylist():
        message = f"order {row['order_id']} was due at {row['due_at']:%Y-%m-%d %H:%M} UTC and is not answered"
        yield Finding("order_past_due", "warning", (row["order_id"], row["sample_id"]), message)


def _between(stores: Sequence[Named], protocol: Protocol) -> Iterator[Finding]:
    """Compare stores: an instrument that several of them share, and names that stand in two for different things."""
    wells, calls, runs = (
        pa.concat_tables(
            [known.table(name).cast(known.table(name).schema) for _, known in stores], promote_options="permissive"
        )
        for name in ("wells", "calls", "runs")
    )
    firsts = TextIndex.of(plain(runs["run_id"])).firsts
    overloads = check_runs(_once(wells), calls, runs.take(pa.array(firsts)), protocol=protocol)
    yield from (each for each in overloads if each.kind == "instrument_overload")
    for place, (name, known) in enumerate(stores):
        for other, beside in stores[place + 1 :]:
            yield from _same_names(name, known, other, beside)


def _once(wells: pa.Table) -> pa.Table:
    keys = pc.binary_join_element_wise(plain(wells["plate_id"]), plain(wells["well"]), "\x1f")
    return wells.take(pa.array(TextIndex.of(keys).firsts))


def _same_names(name: str, known: Snapshot, other: str, beside: Snapshot) -> Iterator[Finding]:
    for table, key, noun in (("samples", ("sample_id",), "sample"), ("wells", ("plate_id", "well"), "well")):
        mine, theirs = known.table(table), beside.table(table)
        index = TextIndex.of(_joined(theirs, key))
        places = index.find(_joined(mine, key))
        both = (places >= 0).nonzero()[0]
        said = _joined(mine.take(pa.array(both)), mine.column_names)
        again = _joined(theirs.take(pa.array(index.firsts[places[both]])), mine.column_names)
        for row in pc.indices_nonzero(pc.not_equal(said, again)).to_pylist():
            which = tuple(mine[each][int(both[row])].as_py() for each in key)
            message = f"{noun} {'/'.join(which)} stands in {name} and in {other} with other contents"
            yield Finding("in_two_stores", "error", which, message)


def _joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    texts = [
        pc.fill_null(plain(rows[name]) if _is_text(rows, name) else rows[name].cast(_TEXT), "\x1e") for name in names
    ]
    parts = [each.combine_chunks() if isinstance(each, pa.ChunkedArray) else each for each in texts]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")


def _is_text(rows: pa.Table, name: str) -> bool:
    kind = rows.schema.field(name).type
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))
