"""The stages of a day, one after the other: registrations, calls, results; pure, tables in and tables out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import PathLike

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import coded, codes_in, encode, numbers, plain
from poolkit.calling import call_wells, check_runs
from poolkit.deconvolution import resolve
from poolkit.errors import Problem, SchemaError
from poolkit.pooling.registration import register
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import (
    CALLS,
    CUSTODY,
    MEMBERS,
    POOLS,
    READINGS,
    RUNS,
    SAMPLES,
    WELLS,
    Day,
    Finding,
    History,
    Outcome,
    conform,
    findings_table,
)
from poolkit.trace.continuation import Union, unite

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def process(
    day: Day,
    *,
    protocol: Protocol | str | PathLike[str] = "cn-10in1-2020",
    at: datetime | None = None,
    history: History | None = None,
    prior: float | pa.Table | None = None,
    progress: Callable[[str], None] | None = None,
) -> Outcome:
    """Work out from a day's registrations, plate maps and readings where every sample stands.

    Parameters
    ----------
    day
        What the laboratory hands in; see the tables of the schemas.
    protocol
        The rules: a preset's name, a TOML file or a loaded protocol.
    at
        The moment of the computation, with a time zone; by default the latest time found in the day and its history.
    history
        What is known already of the specimens that the day touches.
    prior : float or pyarrow.Table, optional
        Probability that a sample is infected before anything was read, one for all or columns ``sample_id`` and
        ``probability``; the protocol's by default.
    progress
        Called with the name of each stage as it begins.

    Returns
    -------
    Outcome
        Pools, members, new calls, one result a sample of the day and its history, new orders, findings, new runs.

    Raises
    ------
    SchemaError
        When a table is not what its schema says, with every broken rule.
    ProtocolError
        When the protocol contradicts itself.
    AssertionError
        When samples are not conserved: a defect of poolkit.

    Notes
    -----
    O(rows). No clock is read and nothing is kept: the same tables give the same outcome. The exact rules are
    in ``docs/definitions.md``.

    Examples
    --------
    >>> import poolkit
    >>> simulated = poolkit.simulate_day(500, 0.01, seed=1)
    >>> outcome = poolkit.process(simulated.day)
    >>> outcome.results.num_rows
    500
    """
    prepared = prepare(day, protocol=protocol, at=at, history=history)
    return compute(prepared, prior=prior, progress=progress)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A day that was checked and put behind its history.

    Attributes
    ----------
    protocol
        The rules.
    at : int
        Moment of the computation, microseconds since 1970 UTC.
    union
        History and day together.
    runs, late : pyarrow.Table
        The day's new runs that had ended, and those that had not.
    readings : pyarrow.Table
        The readings of the runs that had ended.
    history
        What was known already.
    made_up
        Whether the runs were made up, as the day has no runs table.
    custody : pyarrow.Table
        Who had tubes and boxes, as the day says.
    """

    protocol: Protocol
    at: int
    union: Union
    runs: pa.Table
    late: pa.Table
    readings: pa.Table
    history: History | None
    made_up: bool
    custody: pa.Table


def prepare(
    day: Day,
    *,
    protocol: Protocol | str | PathLike[str],
    at: datetime | None = None,
    history: History | None = None,
) -> Prepared:
    """Check a day and put it behind its history: the first half of `process`, whose parameters and errors these are."""
    rules = load_protocol(protocol)
    day = _conformed(day)
    now = _moment(day, at, history)
    runs = day.runs if day.runs is not None else _made_up_runs(day.readings, now, history)
    union = unite(day, runs, history)
    accepted, late = _part_runs(union.runs, now)
    return Prepared(
        rules,
        now,
        union,
        accepted,
        late,
        _without(union.readings, late),
        history,
        made_up=day.runs is None,
        custody=day.custody,
    )


def compute(
    prepared: Prepared, *, prior: float | pa.Table | None = None, progress: Callable[[str], None] | None = None
) -> Outcome:
    """Work out where every sample stands: the second half of `process`, whose parameters and errors these are."""
    began = progress or (lambda _: None)
    rules, union, history = prepared.protocol, prepared.union, prepared.history
    began("register")
    registered = register(union.samples, union.pools, union.members, protocol=rules)
    began("call")
    # Each specimen's name is looked at once, here; calls name it by the same dictionary.
    wells = union.wells.set_column(3, "specimen_id", coded(*encode(union.wells["specimen_id"])))
    known_calls = history.calls if history else CALLS.empty()
    known_runs = history.runs if history else RUNS.empty()
    callable_runs = _together(union.open_runs, prepared.runs, RUNS.schema)
    calls, called = call_wells(wells, callable_runs, prepared.readings, protocol=rules)
    all_calls = _together(known_calls, calls, CALLS.schema)
    all_runs = _together(known_runs, prepared.runs, RUNS.schema)
    began("resolve")
    resolved = resolve(
        registered.samples,
        registered.pools,
        registered.members,
        wells,
        all_calls,
        all_runs,
        protocol=rules,
        at=prepared.at,
        orders=history.orders if history else None,
        unusable=registered.unusable,
        doubtful=registered.doubtful,
        prior=prior,
    )
    began("reconcile")
    findings = (
        *union.findings,
        *ending_later(prepared.late),
        *_changed_readings(union, known_calls, known_runs, rules),
        *registered.findings,
        *called,
        *resolved.findings,
        *check_runs(wells, all_calls, all_runs, protocol=rules),
    )
    return Outcome(
        registered.pools,
        registered.members,
        calls,
        resolved.results,
        resolved.orders,
        findings_table(findings),
        _spoken(prepared.runs, calls) if prepared.made_up else prepared.runs,
    )


def _conformed(day: Day) -> Day:
    """Hold every table to its schema; repeated samples and readings are findings, not errors."""
    wells = conform(day.wells, WELLS)
    _check_contents(wells)
    return Day(
        samples=conform(day.samples, SAMPLES, keys=False),
        wells=wells,
        readings=conform(day.readings, READINGS, keys=False),
        runs=None if day.runs is None else conform(day.runs, RUNS),
        pools=conform(day.pools, POOLS),
        members=conform(day.members, MEMBERS),
        custody=conform(day.custody, CUSTODY),
    )


def _check_contents(wells: pa.Table) -> None:
    content, names = encode(wells["content"])
    holds = content == names.index("specimen").as_py()
    nameless = holds & pc.is_null(wells["specimen_id"]).to_numpy()
    if nameless.any():
        rows = tuple(np.flatnonzero(nameless).tolist())
        raise SchemaError(
            "not a 'wells' batch", [Problem("specimen_id", "must not be null where content is specimen", rows)]
        )


def _moment(day: Day, at: datetime | None, history: History | None) -> int:
    """Return the moment of the computation in microseconds since 1970 UTC."""
    if at is not None:
        if at.tzinfo is None:
            raise SchemaError("no moment to compute at", [Problem("at", "needs a time zone, found a naive time")])
        return (at - _EPOCH) // _MICROSECOND
    if day.runs is None and day.readings.num_rows:
        raise SchemaError("no moment to compute at", [Problem("at", "must be given where a day has no runs table")])
    columns = [day.samples["collected_at"]]
    for runs in (day.runs, history.runs if history else None):
        columns += [runs["started_at"], runs["ended_at"]] if runs is not None else []
    if history:
        columns += [history.samples["collected_at"], history.orders["issued_at"]]
    latest = [pc.max(column.cast(pa.int64())).as_py() for column in columns if len(column)]
    if not latest:
        raise SchemaError("no moment to compute at", [Problem("at", "must be given where a day has no time in it")])
    return int(max(latest))


def _made_up_runs(readings: pa.Table, at: int, history: History | None) -> pa.Table:
    """Return one run a plate that history lacks, read at the moment of the computation."""
    _, run_ids = encode(readings["run_id"])
    if history is not None:
        run_ids = run_ids.filter(pa.array(codes_in(run_ids, plain(history.runs["run_id"])) < 0))
    moments = pa.array(np.full(len(run_ids), at)).view(RUNS["ended_at"].type)
    made = {"run_id": run_ids, "plate_id": run_ids, "started_at": moments, "ended_at": moments}
    made["instrument_id"] = pa.array(["unknown"] * len(run_ids), pa.string())
    nothing = pa.nulls(len(run_ids), pa.string())
    return pa.table({name: made.get(name, nothing) for name in RUNS.names}, schema=RUNS.schema)


def _spoken(runs: pa.Table, calls: pa.Table) -> pa.Table:
    """Return the runs that gave a call: a made-up one that said nothing must not lend its time to later readings."""
    return runs.filter(pa.array(codes_in(runs["run_id"], pc.unique(plain(calls["run_id"]))) >= 0))


def _part_runs(runs: pa.Table, at: int) -> tuple[pa.Table, pa.Table]:
    """Return the runs that had ended, and those that had not."""
    ended = numbers(runs["ended_at"]) <= at
    return (runs, runs.slice(0, 0)) if ended.all() else (runs.filter(pa.array(ended)), runs.filter(pa.array(~ended)))


def _without(readings: pa.Table, runs: pa.Table) -> pa.Table:
    """Return the readings that are not of these runs."""
    if runs.num_rows == 0:
        return readings
    run, texts = encode(readings["run_id"])
    return readings.filter(pa.array((codes_in(texts, plain(runs["run_id"])) < 0)[run]))


def _together(first: pa.Table, second: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return one table behind the other; nothing is copied when the first is empty."""
    return second if first.num_rows == 0 else pa.concat_tables([first.cast(schema), second.cast(schema)])


def ending_later(runs: pa.Table) -> list[Finding]:
    """Name the runs that end later than now, which give no calls."""
    return [
        Finding(
            "result_before_run_end",
            "error",
            (row["run_id"],),
            f"run {row['run_id']} ends at {row['ended_at']:%Y-%m-%d %H:%M:%S} UTC, later than now; it gives no calls",
        )
        for row in runs.to_pylist()
    ]


def _changed_readings(union: Union, calls: pa.Table, runs: pa.Table, protocol: Protocol) -> list[Finding]:
    """Compare what a closed run's readings say now with what they said."""
    if union.closed.num_rows == 0:
        return []
    again = runs.filter(pc.is_in(runs["run_id"].cast(pa.string()), pc.unique(union.closed["run_id"].cast(pa.string()))))
    made, _ = call_wells(union.wells, again, union.closed, protocol=protocol)
    changed = []
    for run in again["run_id"].to_pylist():
        said, before = (_said(table, run) for table in (made, calls))
        if said != before:
            message = f"run {run} is known already with other readings; what was known stands"
            changed.append(Finding("changed_run", "error", (run,), message))
    return changed


def _said(calls: pa.Table, run: str) -> list[tuple[object, ...]]:
    of_run = calls.filter(pc.equal(calls["run_id"].cast(pa.string()), run))
    rows = of_run.select(["well", "specimen_id", "call", "reasons"]).to_pylist()
    return sorted(tuple(tuple(value) if isinstance(value, list) else value for value in row.values()) for row in rows)
