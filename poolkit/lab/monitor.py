"""Monitoring of what a store holds."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.protocols import Protocol, load_protocol
from poolkit.quality import Monitoring, MonitorRules, monitor
from poolkit.quality.controls import CONTROLS
from poolkit.trace.record import Commit
from poolkit.trace.snapshot import Snapshot

_COLUMNS = {
    "samples": ["sample_id", "tube_id", "recollect_of"],
    "pools": ["pool_id", "formed"],
    "members": ["pool_id", "sample_id"],
    "calls": ["run_id", "specimen_id", "call", "reasons"],
    "runs": ["run_id", "plate_id", "instrument_id", "ended_at", "extraction_lot", "amplification_lot"],
}


def monitor_store(
    store: Snapshot,
    commits: Sequence[Commit],
    *,
    protocol: Protocol | str | None = None,
    rules: MonitorRules | None = None,
    baselines: pa.Table | None = None,
    zone: str = "UTC",
) -> Monitoring:
    """Return what monitoring finds in a snapshot; targets are those of the protocol that was used last by default."""
    controls = pc.field("content").isin(pa.array(CONTROLS))
    wells = store.table("wells", columns=["plate_id", "well", "content"], filters=controls)
    # Most readings are of specimens: those that stand in a well where no plate has a control need not be read.
    names = pc.unique(wells["well"])
    readings = store.table(
        "readings", columns=["run_id", "well", "target", "ct_cycles"], filters=pc.field("well").isin(names)
    )
    return monitor(
        **{name: store.table(name, columns=columns) for name, columns in _COLUMNS.items()},
        wells=wells,
        readings=readings,
        results=store.results(columns=["sample_id", "status"]),
        targets=_targets(commits, protocol),
        rules=rules,
        baselines=baselines,
        zone=zone,
    )


def _targets(commits: Sequence[Commit], protocol: Protocol | str | None) -> tuple[str, ...]:
    if protocol is None:
        # Not every commit is computed by a protocol, and a laboratory's own has to be given.
        names = [commit.protocol.partition("@")[0] for commit in commits if commit.protocol]
        protocol = names[-1] if names else None
    return () if protocol is None else load_protocol(protocol).targets
