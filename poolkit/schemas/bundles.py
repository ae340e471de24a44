"""The tables that travel together: a day's files, what the store knows already, and what a day came to."""

from dataclasses import dataclass, field, fields

import pyarrow as pa

from poolkit.schemas.tables import CALLS, CUSTODY, MEMBERS, ORDERS, POOLS, READINGS, RUNS, SAMPLES, WELLS


@dataclass(frozen=True, slots=True)
class Day:
    """What a laboratory hands in: one day, one shift or one plate.

    Attributes
    ----------
    samples, wells, readings : pyarrow.Table
        Registrations, plate maps and instrument readings.
    runs : pyarrow.Table or None
        One row a run; None when the instruments' run times are not known.
    pools, members : pyarrow.Table
        Mixtures made in the laboratory and the samples in them; empty when all pooling was at collection.
    custody : pyarrow.Table
        Who had tubes and boxes; empty where nobody wrote it down.
    """

    samples: pa.Table
    wells: pa.Table = field(default_factory=WELLS.empty)
    readings: pa.Table = field(default_factory=READINGS.empty)
    runs: pa.Table | None = None
    pools: pa.Table = field(default_factory=POOLS.empty)
    members: pa.Table = field(default_factory=MEMBERS.empty)
    custody: pa.Table = field(default_factory=CUSTODY.empty)


@dataclass(frozen=True, slots=True)
class History:
    """What is known already of the specimens that a day touches; see ``docs/definitions.md`` section 1.

    Attributes
    ----------
    samples, pools, members, wells, runs, calls, orders : pyarrow.Table
        What the tables of these names say of them.
    """

    samples: pa.Table = field(default_factory=SAMPLES.empty)
    pools: pa.Table = field(default_factory=POOLS.empty)
    members: pa.Table = field(default_factory=MEMBERS.empty)
    wells: pa.Table = field(default_factory=WELLS.empty)
    runs: pa.Table = field(default_factory=RUNS.empty)
    calls: pa.Table = field(default_factory=CALLS.empty)
    orders: pa.Table = field(default_factory=ORDERS.empty)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a day came to: one result a sample, the orders that follow, and what does not add up.

    Attributes
    ----------
    pools, members : pyarrow.Table
        Every tube and mixture, and the samples in them.
    calls : pyarrow.Table
        One row a specimen well read in this day (calls of history are not repeated).
    results : pyarrow.Table
        One row a sample of the day and of its history.
    orders : pyarrow.Table
        The orders issued now.
    findings : pyarrow.Table
        What does not add up.
    runs : pyarrow.Table
        The runs of this day, made up from the plates where the day has no runs table.
    """

    pools: pa.Table
    members: pa.Table
    calls: pa.Table
    results: pa.Table
    orders: pa.Table
    findings: pa.Table
    runs: pa.Table

    def __repr__(self) -> str:
        """Give the row count of each table."""
        counts = ", ".join(f"{each.name}={getattr(self, each.name).num_rows}" for each in fields(self))
        return f"Outcome({counts})"
