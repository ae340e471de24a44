"""The counts and seconds of a run, as `poolkit run` prints them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.schemas.dictionaries import unified


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each text stands in a column, in order of the texts."""
    column = unified(column) if pa.types.is_dictionary(column.type) else column
    found = pc.value_counts(column).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(found, key=lambda entry: entry["values"])}


def summarise(
    *,
    n_samples: int,
    n_pools: int,
    n_wells: int,
    results: Mapping[str, int],
    calls: pa.Table,
    orders: pa.Table,
    findings: pa.Table,
) -> dict[str, Any]:
    """Return the counts of a run; `results` are the samples of each status."""
    return {
        "samples": n_samples,
        "pools": n_pools,
        "wells": n_wells,
        "calls": counts(calls["call"]),
        "results": dict(sorted(results.items())),
        "orders": counts(orders["action"]),
        "findings": counts(findings["kind"]),
        "errors": counts(findings["severity"]).get("error", 0),
    }


class Stopwatch:
    """Times the stages of a run, and passes their names on."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self._progress = progress
        self._marks: list[tuple[str, float]] = []

    def __call__(self, stage: str) -> None:
        """Begin a stage."""
        self._marks.append((stage, time.perf_counter()))
        if self._progress:
            self._progress(stage)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage, up to now."""
        ends = [start for _, start in self._marks[1:]] + [time.perf_counter()]
        return {stage: round(end - start, 4) for (stage, start), end in zip(self._marks, ends, strict=True)}
