"""Tables of a store, made row by row."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from poolkit.quality import Monitoring, MonitorRules, monitor
from poolkit.schemas import TABLES

BEGAN = datetime(2022, 4, 1, 12, tzinfo=UTC)
NAMES = ("samples", "pools", "members", "wells", "runs", "calls", "readings", "results")


class Made:
    """A store in memory; a run a day unless said otherwise."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}

    def run(self, name: str, at: datetime, *, instrument: str = "I1", lots: Sequence[str | None] = ("E1", "A1")) -> str:
        row = {"run_id": name, "plate_id": f"P-{name}", "instrument_id": instrument, "started_at": at, "ended_at": at}
        row |= {"extraction_lot": lots[0], "amplification_lot": lots[1]}
        self.rows["runs"].append(row)
        return name

    def daily(self, n_days: int) -> None:
        for day in range(n_days):
            self.run(f"D{day}", BEGAN + timedelta(day))

    def sample(self, name: str, tube: str, status: str | None = "negative", recollect_of: str | None = None) -> None:
        row = {"sample_id": name, "subject_id": name, "site_id": "S", "collected_at": BEGAN, "kind": "person"}
        self.rows["samples"].append(row | {"tube_id": tube, "slot": 1, "recollect_of": recollect_of})
        if status is not None:
            row = {"sample_id": name, "subject_id": name, "status": status, "protocol": "p@1", "decided_at": BEGAN}
            self.rows["results"].append(row)

    def call(self, run: str, specimen: str, call: str, reasons: Sequence[str] = ()) -> None:
        n = len(self.rows["calls"])
        row = {"run_id": run, "well": f"A{n % 12 + 1:02}", "plate_id": f"P-{run}", "specimen_id": specimen}
        self.rows["calls"].append(row | {"call": call, "reasons": list(reasons)})

    def pooled(self, day: int, n_samples: int, n_positive: int, *, size: int = 10, name: str = "") -> None:
        """Samples in pools of one size, the positive ones together and settled."""
        for number in range(n_samples):
            tube = f"T{name}{day}-{number // size}"
            self.sample(f"S{name}{day}-{number}", tube, "positive" if number < n_positive else "negative")
        for number in range(0, n_samples, size):
            call = "positive" if number < n_positive else "negative"
            self.call(f"D{day}", f"T{name}{day}-{number // size}", call)

    def alone(self, day: int, n_samples: int, n_positive: int) -> None:
        for number in range(n_samples):
            status = "positive" if number < n_positive else "negative"
            self.sample(f"A{day}-{number}", f"TA{day}-{number}", status)
            self.call(f"D{day}", f"A{day}-{number}", status)

    def control(self, run: str, well: str, ct: dict[str, float | None], content: str = "positive_control") -> None:
        self.rows["wells"].append({"plate_id": f"P-{run}", "well": well, "content": content})
        self.rows["readings"] += [
            {"run_id": run, "well": well, "target": target, "ct_cycles": cycles} for target, cycles in ct.items()
        ]

    def tables(self) -> dict[str, pa.Table]:
        return {name: pa.Table.from_pylist(rows, schema=TABLES[name].schema) for name, rows in self.rows.items()}

    def found(self, *, targets: tuple[str, ...] = ("N", "O"), zone: str = "UTC", **rules: Any) -> Monitoring:
        return monitor(**self.tables(), targets=targets, rules=MonitorRules(**rules), zone=zone)


def rows_of(found: Monitoring, what: str, **where: Any) -> list[dict[str, Any]]:
    return [
        row
        for row in found.rates.to_pylist()
        if row["what"] == what and all(row[name] == value for name, value in where.items())
    ]
