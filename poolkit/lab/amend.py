"""Corrections: a new version of a result that a person asks for and others approve; nothing is ever written over."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.deconvolution import open_orders
from poolkit.errors import Problem, TraceError, discreet
from poolkit.protocols import Protocol
from poolkit.schemas import AMENDMENTS, APPROVALS, ORDERS, RESULTS, SETTLED, STATUSES
from poolkit.trace.heads import canonical_json
from poolkit.trace.record import Commit
from poolkit.trace.snapshot import Snapshot
from poolkit.trace.store import Store

# A result that a person corrected rests on the amendment, whose id begins so.
AMENDMENT = "amendment/"


def amend(store: Store, *, sample_id: str, status: str, reason: str, actor: str, protocol: Protocol) -> Commit:
    """Ask for a correction; see `Lab.amend`. The caller holds the store for writing."""
    now = store.now()
    known = store.snapshot()
    problems = [
        Problem(name, "must say something, found an empty text")
        for name, text in (("reason", reason), ("actor", actor))
        if not text.strip()
    ]
    if status not in STATUSES:
        problems.append(Problem("status", f"expected one of {', '.join(STATUSES)}, found {status!r}"))
    current = known.results_of([sample_id]).to_pylist()
    if not current:
        problems.append(Problem(discreet(sample_id), "expected a sample of this store, found none"))
    elif current[0]["status"] == status:
        problems.append(Problem(sample_id, f"is {status} already"))
    if problems:
        raise TraceError("nothing to amend", problems)
    asked = {"actor": actor, "before": _version(current[0]), "reason": reason, "sample_id": sample_id, "status": status}
    key = hashlib.sha256(b"amend" + canonical_json(asked)).hexdigest()
    repeated = store.find(key)
    if repeated is not None:
        return replace(repeated, repeated=True)
    earlier = known.rows("amendments", sample_id=[sample_id])
    amendment = {
        "amendment_id": f"{AMENDMENT}{sample_id}/{earlier.num_rows + 1}",
        "sample_id": sample_id,
        "status": status,
        "reason": reason,
        "actor": actor,
        "asked_at": now,
        "approvals": protocol.amendment_approvals,
    }
    tables = {"amendments": pa.Table.from_pylist([amendment], schema=AMENDMENTS.schema)}
    if protocol.amendment_approvals == 0:
        tables |= _effect(known, amendment, now, protocol)
    return keep_act(
        store, key, tables, kind="amend", actor=actor, now=now, protocol=protocol, source=str(amendment["amendment_id"])
    )


def approve(store: Store, *, amendment_id: str, actor: str, protocol: Protocol) -> Commit:
    """Approve a correction; see `Lab.approve`. The caller holds the store for writing."""
    now = store.now()
    known = store.snapshot()
    asked = {row["amendment_id"]: row for row in known.table("amendments").to_pylist()}
    amendment = asked.get(amendment_id)
    if amendment is None:
        problem = Problem(amendment_id, "expected an amendment of this store, found none")
        raise TraceError("nothing to approve", [problem])
    given = [row for row in known.table("approvals").to_pylist() if row["amendment_id"] == amendment_id]
    key = hashlib.sha256(b"approve" + canonical_json({"actor": actor, "amendment_id": amendment_id})).hexdigest()
    repeated = store.find(key)
    if repeated is not None:
        return replace(repeated, repeated=True)
    problems = []
    if not actor.strip():
        problems.append(Problem("actor", "must say something, found an empty text"))
    if actor == amendment["actor"]:
        problems.append(Problem("actor", f"{actor} asked for it; expected another person to approve it"))
    if len(given) >= amendment["approvals"]:
        problems.append(Problem(amendment_id, "counts already"))
    if problems:
        raise TraceError("cannot be approved", problems)
    approval = {"amendment_id": amendment_id, "actor": actor, "approved_at": now}
    tables = {"approvals": pa.Table.from_pylist([approval], schema=APPROVALS.schema)}
    if len(given) + 1 == amendment["approvals"]:
        tables |= _effect(known, amendment, now, protocol)
    return keep_act(store, key, tables, kind="approve", actor=actor, now=now, protocol=protocol, source=amendment_id)


def _version(result: dict[str, Any]) -> list[str]:
    return [str(result[name]) for name in ("status", "evidence", "decided_at")]


def _effect(known: Snapshot, amendment: dict[str, Any], now: datetime, protocol: Protocol) -> dict[str, pa.Table]:
    """Return the new version of the result, and an order where the sample is not settled by it and has none."""
    ids = [amendment["sample_id"]]
    (before,) = known.results_of(ids).to_pylist()
    after = before | {
        "status": amendment["status"],
        "probability": None,
        "evidence": amendment["amendment_id"],
        "decided_at": now,
    }
    results = pa.Table.from_pylist([after], schema=RESULTS.schema)
    orders = known.rows("orders", sample_id=ids)
    tables = {"results": results}
    if amendment["status"] not in SETTLED and open_orders(orders, results).num_rows == 0:
        number = orders.num_rows + 1
        tables["orders"] = issued(
            [(amendment["sample_id"], number)], action="recollect", reason="amendment", now=now, protocol=protocol
        )
    return tables


def issued(samples: list[tuple[str, int]], *, action: str, reason: str, now: datetime, protocol: Protocol) -> pa.Table:
    """Return orders for samples, each with the number that its order bears."""
    due = now + timedelta(hours=protocol.due_hours[action])
    rows = [
        {
            "order_id": f"{sample_id}/{action}/{number}",
            "sample_id": sample_id,
            "action": action,
            "reason": reason,
            "issued_at": now,
            "due_at": due,
        }
        for sample_id, number in samples
    ]
    return pa.Table.from_pylist(rows, schema=ORDERS.schema)


def keep_act(
    store: Store,
    key: str,
    tables: dict[str, pa.Table],
    *,
    kind: str,
    actor: str,
    now: datetime,
    protocol: Protocol,
    source: str,
) -> Commit:
    """Keep some tables as one commit of a person's."""
    with store.segments(key) as writer:
        for name, rows in tables.items():
            writer.write(name, rows)
        counted = {name: rows.num_rows for name, rows in tables.items()}
        return store.commit(
            writer.finish(),
            content_key=key,
            computed_at=now,
            protocol=protocol.label,
            protocol_values=protocol.canonical(),
            source=source,
            summary=counted,
            kind=kind,
            actor=actor,
        )


def pending_amendments(known: Snapshot) -> pa.Table:
    """Return the amendments that still wait for somebody's approval."""
    asked, given = known.table("amendments"), known.table("approvals")
    approved = pc.value_counts(given["amendment_id"].combine_chunks()).to_pylist() if given.num_rows else []
    counts = {entry["values"]: entry["counts"] for entry in approved}
    waiting = [counts.get(row["amendment_id"], 0) < row["approvals"] for row in asked.to_pylist()]
    return asked.filter(pa.array(waiting, pa.bool_()))
