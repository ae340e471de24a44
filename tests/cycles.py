"""Pools, their members and threshold cycles as plain rows, and the real campaign that has both."""

import csv
from pathlib import Path

import pyarrow as pa


def kemri(shared: Path) -> tuple[list[tuple[str, str]], dict[str, float | None]]:
    """Rows (pool, sample) and the Ct of every specimen that was read; Agoti et al. 2020, pool_data.csv."""
    with (shared / "data/kemri/pool_data.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    held = [(f"POOL{row['poolnumber']}", f"S{row['no']}") for row in rows]
    cycles = {f"POOL{row['poolnumber']}": row["pool_ct"] for row in rows}
    cycles |= {f"S{row['no']}": row["expand_ct"] for row in rows if row["expand_ct"]}
    return held, {name: None if cell == "Negative" else float(cell) for name, cell in cycles.items()}


def members_of(held: list[tuple[str, str]]) -> pa.Table:
    return pa.table(
        {
            "pool_id": [pool for pool, _ in held],
            "sample_id": [sample for _, sample in held],
            "slot": pa.array([1] * len(held), pa.int16()),
        }
    )


def readings_of(cycles: dict[str, float | None], **more: list[str | None]) -> pa.Table:
    return pa.table({"specimen_id": list(cycles), "ct_cycles": pa.array(cycles.values(), pa.float64()), **more})
