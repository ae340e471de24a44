"""A day put behind its history: what is new, what only repeats, and what contradicts what is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import TextIndex, codes_in, encode, plain
from poolkit.schemas import MEMBERS, POOLS, RUNS, SAMPLES, WELLS, Day, Finding, History, Table


@dataclass(frozen=True, slots=True)
class Union:
    """History and day together.

    Attributes
    ----------
    samples, pools, members, wells : pyarrow.Table
        History's rows, then the day's that are new.
    runs : pyarrow.Table
        The day's runs that history does not have.
    open_runs : pyarrow.Table
        Runs of history without any call yet, which a day's readings may still belong to.
    readings : pyarrow.Table
        The readings of new and open runs.
    closed : pyarrow.Table
        The readings of history's runs that have calls: only to be compared.
    findings : tuple of Finding
        What the day says differently.
    """

    samples: pa.Table
    pools: pa.Table
    members: pa.Table
    wells: pa.Table
    runs: pa.Table
    open_runs: pa.Table
    readings: pa.Table
    closed: pa.Table
    findings: tuple[Finding, ...]


def unite(day: Day, runs: pa.Table, history: History | None) -> Union:
    """Put a day behind its history.

    Parameters
    ----------
    day
        What the laboratory hands in.
    runs : pyarrow.Table
        The day's runs.
    history
        What is known already; none for a first day, which is passed on as it is.

    Returns
    -------
    Union
        All of history, what the day adds, and a finding for each well, run and pool that it changes.

    Notes
    -----
    O(day + history). See sections 1, 2 and 9 of the definitions.
    """
    if history is None:
        none = RUNS.empty()
        return Union(
            day.samples, day.pools, day.members, day.wells, runs, none, day.readings, day.readings.slice(0, 0), ()
        )
    samples, _ = _added(day.samples, history.samples, SAMPLES, ("sample_id", "subject_id", "tube_id"))
    wells, changed_wells = _added(day.wells, history.wells, WELLS, WELLS.key)
    pools, changed_pools = _added(day.pools, history.pools, POOLS, POOLS.key)
    members, foreign = _added_members(day.members, history)
    new_runs, changed_runs = _added(runs, history.runs, RUNS, RUNS.key)
    readings, closed, open_runs = _readings(day.readings, changed_runs, history)
    findings = [
        *_changed("changed_well", changed_wells, WELLS.key),
        *_changed("changed_run", changed_runs, RUNS.key),
        *_changed(
            "changed_pool",
            pa.concat_tables([pa.table({"pool_id": plain(changed_pools["pool_id"])}), foreign]),
            POOLS.key,
        ),
    ]
    return Union(
        _behind(history.samples, samples, SAMPLES),
        _behind(history.pools, pools, POOLS),
        _behind(history.members, members, MEMBERS),
        _behind(history.wells, wells, WELLS),
        new_runs,
        open_runs,
        readings,
        closed,
        tuple(findings),
    )


def _behind(known: pa.Table, added: pa.Table, table: Table) -> pa.Table:
    return pa.concat_tables([known.cast(table.schema), added.cast(table.schema)])


def _keys(rows: pa.Table, key: tuple[str, ...]) -> pa.Array:
    # The unit separator stands in no barcode, so that joined keys stay apart.
    parts = [plain(rows[name]) for name in key]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "\x1f")


def _added(rows: pa.Table, known: pa.Table, table: Table, key: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    """Return the rows that history lacks, and those whose key it has with other values.

    Samples are the exception that `key` makes: all that a changed sample says is kept beside what history says.
    """
    if known.num_rows == 0 or rows.num_rows == 0:
        return rows, rows.slice(0, 0)
    index = TextIndex.of(_keys(known, key))
    places = index.find(_keys(rows, key))
    found = np.flatnonzero(places >= 0)
    if not found.size:
        return rows, rows.slice(0, 0)
    same = equal_rows(rows.take(pa.array(found)), known.take(pa.array(index.firsts[places[found]])), table)
    added = places < 0
    if table is SAMPLES:
        added[found[~same]] = True
    return rows.filter(pa.array(added)), rows.take(pa.array(found[~same]))


def equal_rows(rows: pa.Table, others: pa.Table, table: Table, names: Sequence[str] | None = None) -> NDArray[np.bool_]:
    """Return whether each row has the values of the other one, null like null; in all columns or only some."""
    same = np.ones(rows.num_rows, np.bool_)
    for name in names or table.names:
        one, other = rows[name].cast(table[name].type), others[name].cast(table[name].type)
        equal = pc.fill_null(pc.equal(one, other), False)
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        same &= pc.or_(equal, both_null).to_numpy()
    return same


def _added_members(members: pa.Table, history: History) -> tuple[pa.Table, pa.Table]:
    """Return the new members of new pools, and the pools of history that the day would add a member to."""
    added, changed = _added(members, history.members, MEMBERS, MEMBERS.key)
    if history.pools.num_rows == 0:
        return added, pa.table({"pool_id": plain(changed["pool_id"])})
    of_known = pc.is_in(plain(added["pool_id"]), plain(history.pools["pool_id"]))
    foreign = pa.concat_arrays([plain(table["pool_id"]) for table in (changed, added.filter(of_known))])
    return added.filter(pc.invert(of_known)), pa.table({"pool_id": foreign})


def _readings(readings: pa.Table, changed_runs: pa.Table, history: History) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Part the readings into those of new and open runs, and those of closed ones; a changed run's are dropped."""
    run_codes, texts = encode(readings["run_id"])
    called = pc.is_in(plain(history.runs["run_id"]), pc.unique(plain(history.calls["run_id"])))
    closed_runs, open_runs = history.runs.filter(called), history.runs.filter(pc.invert(called))
    is_closed = codes_in(texts, plain(closed_runs["run_id"])) >= 0
    is_changed = codes_in(texts, plain(changed_runs["run_id"])) >= 0
    used = ~is_closed & ~is_changed
    if used.all():
        return readings, readings.slice(0, 0), open_runs
    return (
        readings.filter(pa.array(used[run_codes])),
        readings.filter(pa.array((is_closed & ~is_changed)[run_codes])),
        open_runs,
    )


def _changed(kind: str, rows: pa.Table, key: tuple[str, ...]) -> list[Finding]:
    noun = kind.removeprefix("changed_")
    findings = []
    for row in rows.select(list(key)).to_pylist():
        ids = tuple(row.values())
        message = f"{noun} {'/'.join(ids)} is known already with other contents; what was known stands"
        findings.append(Finding(kind, "error", ids, message))
    return findings
