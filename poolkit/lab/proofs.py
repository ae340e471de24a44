"""Verification and proofs of a store."""

from collections.abc import Callable, Sequence
from typing import Any

from poolkit.errors import Problem, TraceError, discreet
from poolkit.trace.prove import prove
from poolkit.trace.snapshot import Snapshot
from poolkit.trace.store import Store
from poolkit.trace.verify import Verification, verify


def verify_store(
    store: Store,
    *,
    public: bytes | None,
    kept: Sequence[str],
    rows: bool,
    progress: Callable[[int, int], None] | None,
) -> Verification:
    """Hold a store to what was committed to it; see `Lab.verify`."""
    return verify(
        store.store_id,
        store.ledger.records(),
        store.files,
        public=public,
        kept=kept,
        journal=store.journal_records(),
        rows=rows,
        progress=progress,
    )


def prove_result(store: Store, known: Snapshot, sample_id: str) -> dict[str, Any]:
    """Return the proof of a sample's current result; see `Lab.prove`."""
    found = known.find("results", columns=["sample_id"], sample_id=[sample_id])
    if not found.places.size:
        problem = Problem(discreet(sample_id), "expected a sample of this store, found none")
        raise TraceError("nothing to prove", [problem])
    commit_id = int(found.commits[-1])
    (commit, segments) = store.ledger.records(after=commit_id - 1)[0]
    path = known.segments[int(found.segments[-1])][1].path
    place = [segment.path for segment in segments].index(path)
    return prove(store.store_id, commit, segments, store.files, place=place, row=int(found.places[-1]))
