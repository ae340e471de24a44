"""Samples as a laboratory receives them, each in a tube of its own."""

import datetime as dt

import pyarrow as pa

NOON = dt.datetime(2022, 6, 1, 12, tzinfo=dt.UTC)
Rows = list[tuple[str, str, str | None]]


def table(rows: Rows) -> pa.Table:
    """Return a samples table of (site, kind, group) rows, each in a tube of its own."""
    n = len(rows)
    names = [f"S{k}" for k in range(n)]
    site, kind, group = ([row[k] for row in rows] for k in range(3))
    return pa.table(
        {
            "sample_id": pa.array(names, pa.string()),
            "subject_id": pa.array(names, pa.string()),
            "site_id": pa.array(site, pa.string()),
            "collected_at": pa.array([NOON] * n, pa.timestamp("us", "UTC")),
            "kind": pa.array(kind, pa.string()),
            "tube_id": pa.array([f"T{k}" for k in range(n)], pa.string()),
            "slot": pa.array([1] * n, pa.int16()),
            "group_id": pa.array(group, pa.string()),
        }
    )
