"""Lineage: everything up- and downstream of one barcode, in order of time."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.errors import Problem, TraceError, discreet
from poolkit.schemas import TABLES, column, table
from poolkit.trace.snapshot import Snapshot

_TEXT = pa.string()
TRACE = table(
    "trace",
    "What happened to a sample and to what it became part of.",
    column("at", TABLES["samples"]["collected_at"].type, "When; null where nobody wrote it down.", null=True),
    column(
        "step",
        _TEXT,
        "What happened.",
        vocabulary=(
            *("collected", "pooled", "plated", "read", "called", "recalled", "amended", "approved"),
            *("result", "order", "finding"),
        ),
    ),
    column("sample_id", _TEXT, "The sample, where the step is about one.", null=True),
    column("subject_id", _TEXT, "Its subject.", null=True),
    column("specimen_id", _TEXT, "The tube, mixture or sample that stands in the well.", null=True),
    column("plate_id", _TEXT, "The plate.", null=True),
    column("well", _TEXT, "The well.", null=True),
    column("run_id", _TEXT, "The run.", null=True),
    column("detail", _TEXT, "What was found, decided or asked for."),
)
_STEPS = TRACE["step"].vocabulary or ()
_LAST = datetime.max.replace(tzinfo=UTC)


def lineage(store: Snapshot, any_id: str) -> pa.Table:
    """Return everything up- and downstream of a barcode.

    Parameters
    ----------
    store
        The store.
    any_id
        A sample, subject, tube, pool, plate, run, or well as ``PLATE/WELL``.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``trace`` in order of time. A sample brings those taken again for it or before it.

    Raises
    ------
    TraceError
        When nothing in the store has this id.

    Notes
    -----
    O(commits + rows of the row groups that hold what is concerned), by the commits' indexes.
    """
    on_well = _on_well(store, any_id)
    samples, specimens, plates = _scope(store, any_id, on_well)
    if not samples and not specimens and not plates:
        kinds = "sample, subject, pool, tube, plate, run or well"
        raise TraceError(
            "nothing to trace", [Problem(discreet(any_id), f"expected the id of a {kinds} in this store, found none")]
        )
    subject = {row["sample_id"]: row["subject_id"] for row in samples}
    events = [_collected(row) for row in samples]
    wells = (
        on_well
        if on_well and not specimens
        else _rows(store, "wells", specimen_id=specimens, plate_id=plates if not specimens else set())
    )
    events += _wells_and_runs(store, wells)
    events += _pooled(_rows(store, "members", sample_id=subject), samples, events)
    events += [_result(row) for row in _rows(store, "results", sample_id=subject)]
    events += [_order(row) for row in _rows(store, "orders", sample_id=subject)]
    events += _acts(store, subject)
    events += _findings(store, {any_id, *subject, *specimens})
    for event in events:
        event["subject_id"] = subject.get(event["sample_id"]) if event["sample_id"] else None
    return pa.Table.from_pylist(_in_time(events), schema=TRACE.schema)


def _rows(store: Snapshot, name: str, **values: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of a table where any of these columns holds one of its values."""
    rows: list[dict[str, Any]] = store.rows(name, columns=None, **values).to_pylist()
    return rows


def _on_well(store: Snapshot, any_id: str) -> list[dict[str, Any]]:
    """Return the well that ``PLATE/WELL`` names, if it names one."""
    plate_id, _, well = any_id.rpartition("/")
    return [row for row in _rows(store, "wells", plate_id=[plate_id]) if row["well"] == well] if plate_id else []


def _scope(
    store: Snapshot, any_id: str, on_well: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], set[str], set[str]]:
    """Return the samples concerned, the specimens that hold them, and the plates that the id names."""
    plates = {any_id} | {row["plate_id"] for row in _rows(store, "runs", run_id=[any_id])}
    on_plates = _rows(store, "wells", plate_id=plates)
    named = {any_id} | {row["specimen_id"] for row in [*on_plates, *on_well] if row["specimen_id"]}
    mixed = {row["sample_id"] for row in _rows(store, "members", pool_id=named)}
    samples = _unique(_rows(store, "samples", sample_id=named | mixed, subject_id=[any_id], tube_id=named))
    if not on_plates:
        samples = _with_swabs_again(store, samples)
    ids = {row["sample_id"] for row in samples}
    specimens = ids | {row["tube_id"] for row in samples}
    specimens |= {row["pool_id"] for row in _rows(store, "members", sample_id=ids)}
    return samples, (specimens if samples else set()), {row["plate_id"] for row in [*on_plates, *on_well]}


def _with_swabs_again(store: Snapshot, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the samples taken again for these, and those that these were taken again for."""
    while samples:
        ids = {row["sample_id"] for row in samples}
        earlier = {row["recollect_of"] for row in samples if row["recollect_of"]}
        wider = _unique(samples + _rows(store, "samples", sample_id=earlier, recollect_of=ids))
        if len(wider) == len(samples):
            break
        samples = wider
    return samples


def _unique(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(row["sample_id"], row["subject_id"], row["tube_id"]): row for row in rows}.values())


def _event(step: str, detail: str, at: datetime | None = None, **ids: str | None) -> dict[str, Any]:
    nobody = dict.fromkeys(TRACE.names)
    return nobody | {"step": step, "detail": detail, "at": at} | ids


def _collected(row: dict[str, Any]) -> dict[str, Any]:
    again = f", taken again for {row['recollect_of']}" if row["recollect_of"] else ""
    group = f", group {row['group_id']}" if row["group_id"] else ""
    detail = f"{row['kind']} at {row['site_id']} into tube {row['tube_id']}, slot {row['slot']}{group}{again}"
    return _event("collected", detail, row["collected_at"], sample_id=row["sample_id"], specimen_id=row["tube_id"])


def _pooled(
    members: list[dict[str, Any]], samples: list[dict[str, Any]], events: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return who went into which mixture, each before the mixture was read first, or else after its own swab."""
    collected = {row["sample_id"]: row["collected_at"] for row in samples}
    read: dict[str, datetime] = {}
    for event in events:
        if event["step"] == "plated" and event["before"] is not None:
            read[event["specimen_id"]] = min(event["before"], read.get(event["specimen_id"], _LAST))
    mixed = []
    for row in members:
        ids = {"sample_id": row["sample_id"], "specimen_id": row["pool_id"]}
        pooled = _event("pooled", f"into {row['pool_id']}, slot {row['slot']}", None, **ids)
        pooled["before"] = read.get(row["pool_id"], collected[row["sample_id"]])
        mixed.append(pooled)
    return mixed


def _wells_and_runs(store: Snapshot, wells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    runs = _rows(store, "runs", plate_id={row["plate_id"] for row in wells})
    started: dict[str, datetime] = {}
    for run in runs:
        started[run["plate_id"]] = min(run["started_at"], started.get(run["plate_id"], _LAST))
    run_ids = [run["run_id"] for run in runs]
    names = {row["well"] for row in wells}
    calls = {(row["run_id"], row["well"]): row for row in _of_wells(store, "calls", run_ids, names)}
    cycles: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _of_wells(store, "readings", run_ids, names):
        found = "none" if row["ct_cycles"] is None else f"{row['ct_cycles']:.2f}"
        cycles[row["run_id"], row["well"]].append(f"{row['target']} {found}")
    recalls = defaultdict(list)
    for row in _rows(store, "recalls", run_id=run_ids):
        recalls[row["run_id"]].append(row)
    runs_of = defaultdict(list)
    for run in runs:
        runs_of[run["plate_id"]].append(run)
    events = []
    for well in wells:
        ids = {"specimen_id": well["specimen_id"], "plate_id": well["plate_id"], "well": well["well"]}
        placed = _event("plated", f"{well['content']} in {well['plate_id']}/{well['well']}", None, **ids)
        placed["before"] = started.get(well["plate_id"])
        events.append(placed)
        for run in runs_of[well["plate_id"]]:
            of_run = ids | {"run_id": run["run_id"]}
            ct = cycles.get((run["run_id"], well["well"]))
            if ct:
                events.append(_event("read", f"Ct {', '.join(ct)}{_circumstances(run)}", run["ended_at"], **of_run))
            events += [_recalled(row, of_run) for row in recalls[run["run_id"]]]
            call = calls.get((run["run_id"], well["well"]))
            if call:
                reasons = f" ({', '.join(call['reasons'])})" if call["reasons"] else ""
                events.append(_event("called", f"{call['call']}{reasons}", run["ended_at"], **of_run))
    return events


def _of_wells(store: Snapshot, name: str, run_ids: list[str], wells: set[str]) -> list[dict[str, Any]]:
    """Return what runs say of some wells; most of a plate is of no concern to one sample."""
    rows = store.rows(name, run_id=run_ids)
    found: list[dict[str, Any]] = rows.filter(
        pc.is_in(rows["well"].cast(_TEXT), pa.array(list(wells), _TEXT))
    ).to_pylist()
    return found


def _recalled(row: dict[str, Any], ids: dict[str, str | None]) -> dict[str, Any]:
    detail = f"{row['recall_id']}: {row['actor']} withdraws what this run says, because: {row['reason']}"
    return _event("recalled", detail, row["recalled_at"], **ids)


def _circumstances(run: dict[str, Any]) -> str:
    named = {
        "on": run["instrument_id"],
        "by": run["operator_id"],
        "extraction lot": run["extraction_lot"],
        "amplification lot": run["amplification_lot"],
        "from": run["source_file"],
    }
    return "".join(f"; {word} {value}" for word, value in named.items() if value)


def _result(row: dict[str, Any]) -> dict[str, Any]:
    sure = "" if row["probability"] is None else f", probability {row['probability']:.2g}"
    resting = f", resting on {row['evidence']}" if row["evidence"] else ", nothing read yet"
    return _event(
        "result", f"{row['status']}{sure}{resting}, by {row['protocol']}", row["decided_at"], sample_id=row["sample_id"]
    )


def _order(row: dict[str, Any]) -> dict[str, Any]:
    detail = f"{row['action']} because of {row['reason']}, due {row['due_at']:%Y-%m-%d %H:%M} UTC"
    return _event("order", detail, row["issued_at"], sample_id=row["sample_id"])


def _acts(store: Snapshot, subject: dict[str, str]) -> list[dict[str, Any]]:
    """Return what persons corrected: who asked for it, why, and who approved it."""
    asked = store.rows("amendments", sample_id=list(subject)).to_pylist()
    sample_of = {row["amendment_id"]: row["sample_id"] for row in asked}
    events = [
        _event(
            "amended",
            f"{row['amendment_id']}: {row['actor']} asks for {row['status']}, because: {row['reason']}; "
            f"{row['approvals']} to approve",
            row["asked_at"],
            sample_id=row["sample_id"],
        )
        for row in asked
    ]
    return events + [
        _event(
            "approved",
            f"{row['amendment_id']}: by {row['actor']}",
            row["approved_at"],
            sample_id=sample_of[row["amendment_id"]],
        )
        for row in store.rows("approvals", amendment_id=list(sample_of)).to_pylist()
    ]


def _findings(store: Snapshot, ids: set[str]) -> list[dict[str, Any]]:
    concerned = {(row["kind"], tuple(row["ids"])): row for row in _rows(store, "findings", ids=ids)}
    return [_event("finding", f"{row['severity']}: {row['kind']}: {row['message']}") for row in concerned.values()]


def _in_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put events in order of time, then of the line; what has no time stands before what it led to, or last."""

    def place(event: dict[str, Any]) -> tuple[datetime, int, str]:
        moment = event["at"] or event.get("before") or _LAST
        return moment, _STEPS.index(event["step"]), event["detail"]

    return [{name: event[name] for name in TRACE.names} for event in sorted(events, key=place)]
