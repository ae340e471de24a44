"""Recalls carried out: results withdrawn, and reruns or new swabs ordered, as one commit."""

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import plain
from poolkit.errors import Problem, TraceError
from poolkit.lab.amend import issued, keep_act
from poolkit.protocols import Protocol
from poolkit.schemas import RECALLS, RESULTS
from poolkit.trace.heads import canonical_json
from poolkit.trace.history import RECALL
from poolkit.trace.recall import recall
from poolkit.trace.record import Commit
from poolkit.trace.store import Store

_ORDERED = ("rerun", "recollect")


def order_recall(store: Store, *, action: str, reason: str, actor: str, protocol: Protocol, **named: Any) -> Commit:
    """Withdraw what rests on recalled runs; see `Lab.order_recall`. The caller holds the store for writing."""
    problems = [
        Problem(name, "must say something, found an empty text")
        for name, text in (("reason", reason), ("actor", actor))
        if not text.strip()
    ]
    if action not in _ORDERED:
        problems.append(Problem("action", f"expected rerun or recollect, found {action!r}"))
    if problems:
        raise TraceError("nothing to order", problems)
    now = store.now()
    known = store.snapshot()
    committed_at = {commit.commit_id: commit.committed_at for commit in store.commits()}
    rows = recall(known, committed_at=committed_at, **named)
    asked = {
        name: [str(each) for each in value] if name == "window" else value for name, value in named.items() if value
    }
    told = {"action": action, "actor": actor, "named": asked, "reason": reason}
    before = known.results_of(plain(rows["sample_id"]))
    versions = sorted(zip(*(map(str, before[name].to_pylist()) for name in ("sample_id", "evidence")), strict=True))
    key = hashlib.sha256(b"recall" + canonical_json(told | {"versions": versions})).hexdigest()
    repeated = store.find(key)
    if repeated is not None:
        return replace(repeated, repeated=True)
    withdrawn_already = pc.is_in(plain(rows["run_id"]), plain(known.table("recalls", columns=["run_id"])["run_id"]))
    rows = rows.filter(pc.invert(withdrawn_already))
    if rows.num_rows == 0:
        what = "no current result rests on what was named and is not withdrawn already"
        raise TraceError("nothing to order", [Problem("recall", what)])
    ids = plain(rows["sample_id"])
    before = known.results_of(ids)
    number = len(set(known.table("recalls", columns=["recall_id"])["recall_id"].to_pylist())) + 1
    runs = sorted(set(rows["run_id"].to_pylist()))
    n_orders = Counter(known.rows("orders", columns=["sample_id"], sample_id=ids)["sample_id"].to_pylist())
    withdrawn = pa.table(
        {
            **{name: before[name] for name in ("sample_id", "subject_id", "evidence", "protocol")},
            "status": pa.array(["pending"] * before.num_rows, pa.string()),
            "probability": pa.nulls(before.num_rows, pa.float64()),
            "decided_at": pa.array([now] * before.num_rows, RESULTS["decided_at"].type),
        }
    ).select(RESULTS.names)
    entry = {"recall_id": f"recall/{number}", "reason": reason, "actor": actor, "recalled_at": now}
    tables = {
        "recalls": pa.Table.from_pylist([entry | {"run_id": run} for run in runs], schema=RECALLS.schema),
        "results": withdrawn.cast(RESULTS.schema),
        "orders": issued(
            [(sample_id, n_orders[sample_id] + 1) for sample_id in ids.to_pylist()],
            action=action,
            reason=RECALL,
            now=now,
            protocol=protocol,
        ),
    }
    about = ", ".join(f"{name} {value}" for name, value in asked.items())
    return keep_act(store, key, tables, kind="orders", actor=actor, now=now, protocol=protocol, source=about)
