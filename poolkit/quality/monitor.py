"""Is the pooling still sound, are the instruments and lots still in control."""

from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import numbers, whole
from poolkit.errors import FormatError, Problem
from poolkit.quality.answers import CHARTS, POINTS, RATES, Monitoring
from poolkit.quality.controls import chart_controls, control_readings
from poolkit.quality.looks import called, looks
from poolkit.quality.positivity import Calendar, positivity
from poolkit.quality.rules import MonitorRules
from poolkit.quality.validity import validity

_DAY_US = 86_400_000_000


def monitor(
    *,
    samples: pa.Table,
    pools: pa.Table,
    members: pa.Table,
    wells: pa.Table,
    runs: pa.Table,
    calls: pa.Table,
    readings: pa.Table,
    results: pa.Table,
    targets: tuple[str, ...],
    rules: MonitorRules | None = None,
    baselines: pa.Table | None = None,
    zone: str = "UTC",
) -> Monitoring:
    """Return the rates, control charts and points of everything that was read.

    Parameters
    ----------
    samples, pools, members, wells, runs, calls, readings, results : pyarrow.Table
        As a store has them; `results` one row a sample. Of wells and readings only those of positive controls are
        looked at.
    targets
        The pathogen targets of the assay.
    rules
        Windows and limits; those of the documents by default.
    baselines : pyarrow.Table, optional
        Rows of ``charts``, e.g. of an earlier answer: mean and standard deviation that stay as they are.
    zone
        IANA time zone in which a day begins at midnight.

    Returns
    -------
    Monitoring
        See the section Monitoring of the definitions.

    Raises
    ------
    FormatError
        When there is no such zone.

    Notes
    -----
    O(rows log rows). No clock is read: the last window ends on the day of the last run.

    Examples
    --------
    >>> import poolkit
    >>> from poolkit.schemas import MEMBERS, POOLS
    >>> made = poolkit.simulate_day(500, 0.01, seed=1).day
    >>> done = poolkit.process(made)
    >>> found = monitor(
    ...     samples=made.samples, pools=POOLS.empty(), members=MEMBERS.empty(), wells=made.wells, runs=done.runs,
    ...     calls=done.calls, readings=made.readings, results=done.results, targets=("ORF1ab", "N"),
    ... )
    >>> found.rates.to_pylist()[0]["what"], found.rates.to_pylist()[0]["n"]
    ('pools', 51)
    """
    rules = rules or MonitorRules()
    if not runs.num_rows:
        return Monitoring(RATES.empty(), CHARTS.empty(), POINTS.empty())
    ended = numbers(runs["ended_at"])
    calendar = _calendar(runs, rules, zone)
    made = called(calls, runs)
    read = looks(made, ended, samples=samples, pools=pools, members=members, results=results)
    controls = control_readings(wells, runs, readings, ended=ended, targets=targets)
    rates, charts, points = chart_controls(controls, runs, calendar, rules, ended=ended, baselines=baselines)
    every = [positivity(read, ended, calendar, rules), validity(made, runs, calendar, rules), rates]
    return Monitoring(pa.concat_tables(every), charts, points)


def _calendar(runs: pa.Table, rules: MonitorRules, zone: str) -> Calendar:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        problem = Problem("zone", f"expected an IANA name as Asia/Shanghai, found {zone!r}")
        raise FormatError("no such time zone", [problem]) from None
    ended = whole(runs["ended_at"]).cast(pa.timestamp("us", tz=zone))
    local = numbers(pc.local_timestamp(ended))
    day = np.floor_divide(local, _DAY_US)
    return Calendar(day, int(day.min()), int(day.max()), rules.window_days)
