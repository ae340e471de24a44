"""How many calls were invalid and how many runs failed: by day, instrument and lot."""

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import encode
from poolkit.quality.answers import GROUPS, OUT, Counts, rate_rows
from poolkit.quality.looks import Called
from poolkit.quality.positivity import Calendar
from poolkit.quality.rules import MonitorRules
from poolkit.schemas import CALLS_MADE

Numbers = NDArray[np.int64]
_INVALID = CALLS_MADE.index("invalid")


def validity(made: Called, runs: pa.Table, calendar: Calendar, rules: MonitorRules) -> pa.Table:
    """Return the rates of invalid calls and failed runs.

    Parameters
    ----------
    made
        The calls.
    runs : pyarrow.Table
        Their runs.
    calendar
        The runs' days.
    rules
        Windows and limits.

    Returns
    -------
    pyarrow.Table
        Rows of ``rates``: each day, and each instrument and lot of the last window.
    """
    n_runs = runs.num_rows
    read = np.zeros(n_runs, np.bool_)
    read[made.run] = True
    failed = np.zeros(n_runs, np.bool_)
    failed[made.run[made.on_failed_plate]] = True
    accepted = ~made.on_failed_plate
    n_calls = np.bincount(made.run[accepted], minlength=n_runs)
    n_invalid = np.bincount(made.run[accepted & (made.call == _INVALID)], minlength=n_runs)
    counted = {
        "invalid": (n_calls, n_invalid, rules.invalid_limit),
        "failed_runs": (read.astype(np.int64), failed.astype(np.int64), rules.failed_run_limit),
    }
    recent = calendar.of_run > calendar.last - calendar.width
    parts = []
    for what, (n, k, limit) in counted.items():
        rows = partial(rate_rows, what, confidence=rules.confidence, limit=limit, beyond=OUT)
        day = calendar.days
        counts = _grouped(calendar.of_run - calendar.first, n, k, day.size)
        parts.append(rows("day", counts, days=(day, day), current=day == calendar.last))
        for by in GROUPS:
            code, names = encode(runs[by])
            within = recent & (code >= 0)
            counts = _grouped(code[within], n[within], k[within], len(names))
            window = (np.full(len(names), calendar.starts[-1]), np.full(len(names), calendar.last))
            parts.append(rows(by, counts, days=window, group=names))
    every = pa.concat_tables(parts)
    return every.filter(pc.greater(every["n"], 0))


def _grouped(code: NDArray[Any], n: Numbers, k: Numbers, n_groups: int) -> Counts:
    """Return the sums of each group."""

    def total(values: Numbers) -> Numbers:
        return np.bincount(code, weights=values, minlength=n_groups).astype(np.int64)

    return Counts(total(n), total(k), np.zeros(n_groups, np.int64))
