"""Journeys: where a tube was, who had it and how long each leg took; see "Custody" on the page of definitions."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from poolkit.arrays import codes_in
from poolkit.errors import Problem, TraceError, discreet
from poolkit.schemas import CUSTODY_EVENTS, SETTLED, TABLES, Finding, column, table
from poolkit.trace.record import Commit
from poolkit.trace.snapshot import Snapshot

_TEXT = pa.string()
JOURNEY = table(
    "journey",
    "What happened to one tube, in its order.",
    column("event", _TEXT, "What happened.", vocabulary=CUSTODY_EVENTS),
    column("at", TABLES["custody"]["at"].type, "When."),
    column("minutes", pa.float64(), "Since the event before; null for the first.", unit="min", null=True),
    column("actor", _TEXT, "Who did it, where somebody wrote it down.", null=True),
    column("witness", _TEXT, "Who signed beside the actor.", null=True),
    column("place", _TEXT, "Where.", null=True),
    column("temperature_c", pa.float64(), "Of tube or box.", unit="°C", null=True),
    column("source", _TEXT, "Whether custody says so, or other tables.", vocabulary=("custody", "derived")),
    column("remark", _TEXT, "What is wrong with it, or empty.", null=True),
)
# Where a thing changes hands, two people sign.
HAND_OVERS = ("courier", "received")
_RANK = {event: rank for rank, event in enumerate(CUSTODY_EVENTS)}
_NEVER = datetime.max.replace(tzinfo=UTC)
Limits = Mapping[str, float]


def journey(store: Snapshot, commits: Sequence[Commit], any_id: str, *, limits: Limits) -> pa.Table:
    """Return what happened to a tube.

    Parameters
    ----------
    store
        The store.
    commits
        Its commits, which say when a result was known.
    any_id
        A tube, or a sample, whose first tube is meant.
    limits
        Hours from collection until ``received`` and until ``reported``.

    Returns
    -------
    pyarrow.Table
        Rows of the table ``journey``. Where custody has no such event, collection comes from the registrations,
        plating, reading and calling from the runs, reporting from the commit that settled the last member.

    Raises
    ------
    TraceError
        When no sample of the store was in such a tube.
    """
    samples = store.rows("samples", tube_id=[any_id], sample_id=[any_id]).to_pylist()
    if not samples:
        problem = Problem(discreet(any_id), "expected a tube or sample of this store, found none")
        raise TraceError("no journey", [problem])
    tube = samples[0]["tube_id"]
    members = [row for row in samples if row["tube_id"] == tube]
    if any_id != tube:
        members = store.rows("samples", tube_id=[tube]).to_pylist()
    derived = _derived(store, commits, tube, members)
    told = _custody(store, tube, derived.get("plated", _NEVER))
    events = [{**row, "source": "custody"} for row in told]
    have = {row["event"] for row in told}
    events += [{"event": event, "at": at, "source": "derived"} for event, at in derived.items() if event not in have]
    events.sort(key=lambda row: (row["at"], _RANK[row["event"]]))
    return _table(events, limits)


def _custody(store: Snapshot, tube: str, plated: datetime) -> list[dict[str, Any]]:
    """Return what custody says of a tube, and of its box while the tube was in it."""
    own: list[dict[str, Any]] = store.rows("custody", item_id=[tube]).to_pylist()
    boxed = sorted((row["at"], row["box_id"]) for row in own if row["event"] == "boxed" and row["box_id"])
    boxes = {box for _, box in boxed}
    of_boxes = store.rows("custody", item_id=boxes, box_id=boxes).to_pylist() if boxes else []
    plated = min((row["at"] for row in own if row["event"] == "plated"), default=plated)
    for place, (begin, box) in enumerate(boxed):
        end = boxed[place + 1][0] if place + 1 < len(boxed) else _NEVER
        own += _trip(of_boxes, box, begin, end, plated)
    return own


def _trip(
    rows: list[dict[str, Any]], box: str, begin: datetime, end: datetime, plated: datetime
) -> list[dict[str, Any]]:
    """Return what happened to a box while a tube was in it: once received, it may be filled again or leave empty."""
    inside = [row for row in rows if row["item_id"] == box and begin <= row["at"] < end]
    landed = min((row["at"] for row in inside if row["event"] == "received"), default=None)
    if landed is None:
        return inside
    plated = min((row["at"] for row in inside if row["event"] == "plated"), default=plated)
    gone = [row["at"] for row in rows if row["event"] == "boxed" and row["box_id"] == box and row["at"] > landed]
    gone += [row["at"] for row in inside if row["event"] == "courier" and row["at"] > landed and row["at"] >= plated]
    until = min(gone, default=_NEVER)
    return [row for row in inside if row["at"] < until]


def _derived(
    store: Snapshot, commits: Sequence[Commit], tube: str, members: list[dict[str, Any]]
) -> dict[str, datetime]:
    ids = [row["sample_id"] for row in members]
    moments = {"collected": min(row["collected_at"] for row in members)}
    mixtures = store.rows("members", sample_id=ids)["pool_id"].to_pylist()
    specimens = list({tube, *ids, *mixtures})
    plates = {row["plate_id"] for row in store.rows("wells", specimen_id=specimens).to_pylist()}
    runs = store.rows("runs", plate_id=list(plates)).to_pylist()
    called = {row["run_id"] for row in store.rows("calls", specimen_id=specimens).to_pylist()}
    if runs:
        moments["plated"] = min(row["started_at"] for row in runs)
        moments["read"] = min(row["ended_at"] for row in runs)
    ended = [row["ended_at"] for row in runs if row["run_id"] in called]
    if ended:
        moments["called"] = min(ended)
    found = store.find("results", columns=["sample_id", "status"], sample_id=ids)
    committed_at = {commit.commit_id: commit.committed_at for commit in commits}
    newest = {
        row["sample_id"]: (row["status"], committed_at[commit])
        for row, commit in zip(found.rows.to_pylist(), found.commits.tolist(), strict=True)
    }
    if newest and all(status in SETTLED for status, _ in newest.values()):
        moments["reported"] = max(at for _, at in newest.values())
    return moments


def _table(events: list[dict[str, Any]], limits: Limits) -> pa.Table:
    collected = next((row["at"] for row in events if row["event"] == "collected"), None)
    rows, before = [], None
    highest = 0
    for event in events:
        rank = _RANK[event["event"]]
        remarks = _sign_off(event) if event["source"] == "custody" else []
        if rank < highest:
            remarks.append(f"after {CUSTODY_EVENTS[highest]}")
        highest = max(highest, rank)
        limit = limits.get(event["event"])
        if limit is not None and collected is not None and event["at"] - collected > timedelta(hours=limit):
            remarks.append(f"late: {hours(event['at'] - collected):.1f} h after collection, at most {limit:g}")
        rows.append(
            {name: event.get(name) for name in JOURNEY.names}
            | {
                "minutes": None if before is None else (event["at"] - before).total_seconds() / 60,
                "remark": "; ".join(remarks) or None,
            }
        )
        before = event["at"]
    return pa.Table.from_pylist(rows, schema=JOURNEY.schema)


def hours(span: timedelta) -> float:
    """Return a span of time in hours."""
    return span.total_seconds() / 3600


def _sign_off(row: Mapping[str, Any]) -> list[str]:
    if row["event"] not in HAND_OVERS or (row["witness"] and row["witness"] != row["actor"]):
        return []
    return ["no second signature" if not row["witness"] else "signed twice by one person"]


def custody_findings(
    custody: pa.Table, samples: pa.Table, *, limits: Limits, at: datetime | None = None
) -> list[Finding]:
    """Return what does not add up in all custody: signatures, order, arrivals that were late or never came.

    Parameters
    ----------
    custody, samples : pyarrow.Table
        All of a store.
    limits
        Hours from collection until ``received``.
    at
        The moment: a box that set out so long before it should have come. Without it no box is missed.

    Returns
    -------
    list of Finding
        `sign_off_missing`, `custody_order`, `custody_gap`, `changed_custody` and `leg_late`.

    Notes
    -----
    O(custody log custody), and samples by Arrow.
    """
    rows = sorted(custody.to_pylist(), key=lambda row: (row["at"], _RANK[row["event"]]))
    arrivals: dict[str, list[datetime]] = defaultdict(list)
    left: dict[str, list[datetime]] = defaultdict(list)
    boxed: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows:
        if row["event"] == "received":
            arrivals[row["item_id"]].append(row["at"])
        elif row["event"] == "courier":
            left[row["item_id"]].append(row["at"])
        elif row["event"] == "boxed" and row["box_id"]:
            boxed[row["item_id"]].append((row["at"], row["box_id"]))
    findings = _row_by_row(rows, {box for stays in boxed.values() for _, box in stays})
    received = {item: moments[0] for item, moments in arrivals.items()}
    missed: dict[str, list[datetime]] = defaultdict(list)
    for item, stays in boxed.items():
        for place, (begin, box) in enumerate(stays):
            moved, other = stays[place + 1] if place + 1 < len(stays) else (_NEVER, None)
            came = _first(arrivals[box], begin, moved)
            if came is not None:
                received[item] = min(came, received.get(item, came))
            elif other is None and _first(arrivals[item], begin, _NEVER) is None:
                missed[box].append(begin)
            elif (
                other not in (box, None)
                and _first(left[box], begin, moved)
                and not _first(arrivals[item], begin, moved)
            ):
                message = f"{item} was put into {other} while {box}, in which it was, was on its way"
                findings.append(Finding("custody_order", "warning", (item, box, str(other)), message))
    return findings + _missing(missed, limits, at) + _late(received, samples, limits)


def _first(moments: list[datetime], begin: datetime, end: datetime) -> datetime | None:
    """Return the first of ordered moments that is not before the one and before the other."""
    place = bisect_left(moments, begin)
    return moments[place] if place < len(moments) and moments[place] < end else None


def _row_by_row(rows: list[dict[str, Any]], boxes: Collection[str]) -> list[Finding]:
    findings = []
    highest: dict[str, str] = {}
    said: dict[tuple[str, str, datetime], dict[str, Any]] = {}
    for row in rows:
        item, event = row["item_id"], row["event"]
        for remark in _sign_off(row):
            message = f"{event} of {item} at {row['place']}: {remark}"
            findings.append(Finding("sign_off_missing", "warning", (item, event), message))
        if said.setdefault((event, item, row["at"]), row) != row:
            message = f"{item} was {event} at {row['at']:%Y-%m-%d %H:%M} UTC in two ways that contradict each other"
            findings.append(Finding("changed_custody", "error", (item, event), message))
        before = highest.get(item, event)
        if item in boxes and event in ("boxed", "courier") and _RANK[before] >= _RANK["received"]:
            # A box that came in goes out again.
            before = event
        if _RANK[event] < _RANK[before]:
            message = f"{item} was {event} at {row['at']:%Y-%m-%d %H:%M} UTC, later than {before}"
            findings.append(Finding("custody_order", "warning", (item, event), message))
        highest[item] = max(before, event, key=_RANK.__getitem__)
    return findings


def _missing(missed: Mapping[str, list[datetime]], limits: Limits, at: datetime | None) -> list[Finding]:
    limit = limits.get("received")
    if limit is None or at is None:
        return []
    findings = []
    for box, moments in missed.items():
        overdue = [moment for moment in moments if at - moment > timedelta(hours=limit)]
        if overdue:
            message = (
                f"{box} with {len(overdue)} tube(s), packed since {min(overdue):%Y-%m-%d %H:%M} UTC, was not received"
            )
            findings.append(Finding("custody_gap", "warning", (box,), message))
    return findings


def _late(received: Mapping[str, datetime], samples: pa.Table, limits: Limits) -> list[Finding]:
    limit = limits.get("received")
    if limit is None or not received:
        return []
    named = samples.filter(pa.array(codes_in(samples["tube_id"], pa.array(list(received), _TEXT)) >= 0))
    collected = named.group_by("tube_id").aggregate([("collected_at", "min")])
    findings = []
    for tube, at in zip(collected["tube_id"].to_pylist(), collected["collected_at_min"].to_pylist(), strict=True):
        took = received[tube] - at
        if took > timedelta(hours=limit):
            message = f"{tube} was received {hours(took):.1f} h after collection, at most {limit:g} h are allowed"
            findings.append(Finding("leg_late", "warning", (tube,), message))
    return findings
