"""`Lab`: a store that takes in days, and answers for every sample in it."""

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import TextIndex, codes_in, plain
from poolkit.deconvolution import open_orders
from poolkit.formats import content_key, read_day
from poolkit.pipeline import Prepared, compute, prepare
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import FINDINGS, RESULTS, Day, History, Outcome
from poolkit.trace.history import history_of
from poolkit.trace.ledger import Commit
from poolkit.trace.lineage import lineage
from poolkit.trace.segments import SegmentWriter
from poolkit.trace.snapshot import Snapshot
from poolkit.trace.store import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lab:
    """A laboratory's store: days go in, each as one commit, and every sample can be asked for.

    Use `Lab.open`; a lab is a context manager that closes its ledger.

    Examples
    --------
    >>> import tempfile, poolkit
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     poolkit.write_day(poolkit.simulate_day(200, 0.01, seed=1).day, f"{folder}/day")
    ...     with poolkit.Lab.open(f"{folder}/store") as lab:
    ...         commit = lab.run(f"{folder}/day")
    ...         commit.commit_id, lab.results().num_rows
    (1, 200)
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def open(cls, path: str | PathLike[str], *, create: bool = True) -> "Lab":
        """Open a store, or make one.

        Parameters
        ----------
        path
            The store's folder.
        create
            Whether to make it when it is not there.

        Returns
        -------
        Lab
            At its last commit.

        Raises
        ------
        TraceError
            When there is no store, or a newer poolkit wrote it.

        Examples
        --------
        >>> import tempfile, poolkit
        >>> with tempfile.TemporaryDirectory() as folder, poolkit.Lab.open(folder) as lab:
        ...     lab.commits()
        []
        """
        return cls(Store(path, create=create))

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger."""
        self._store.close()

    def run(
        self,
        folder: str | PathLike[str],
        *,
        protocol: Protocol | str | PathLike[str] = "cn-10in1-2020",
        at: datetime | None = None,
        zone: str | None = None,
        prior: float | None = None,
        wait_seconds: float = 600.0,
        progress: Callable[[str], None] | None = None,
    ) -> Commit:
        """Take in a day folder: read it, work it out on what is known, and keep it as one commit.

        Parameters
        ----------
        folder
            The day folder; see `poolkit.read_day`.
        protocol
            The rules: a preset's name, a TOML file or a loaded protocol.
        at
            The moment of the computation; by default the latest time in the folder and its history, but never later
            than now, and now for a folder without run times.
        zone
            IANA time zone of times that give none.
        prior
            Probability that a sample is infected before anything was read; the protocol's by default.
        wait_seconds
            How long to wait for another process that is writing to the store.
        progress
            Called with the name of each stage as it begins.

        Returns
        -------
        Commit
            What was written; `repeated` is true and nothing was written when the folder was known already.

        Raises
        ------
        FormatError, SchemaError, ProtocolError
            When the folder or the protocol cannot be used; the store is unchanged.
        TraceError
            When the store is held by another process, broken, or cannot be written; it stays at its last commit.
        """
        watch = _Stopwatch(progress)
        rules = load_protocol(protocol)
        with self._store.writing(wait_seconds=wait_seconds), ThreadPoolExecutor(1) as beside:
            watch("read")
            hashing = beside.submit(content_key, folder, rules.canonical())
            day = read_day(folder, zone=zone)
            key = hashing.result()
            moment = self._moment(day, at)
            known = self._store.find(key)
            while known is not None:
                if not _ended_since(day, known, moment):
                    return replace(known, repeated=True)
                # A run that had not ended then has ended now: the same folder says more.
                key = hashlib.sha256(f"{key} after {known.computed_at.isoformat()}".encode()).hexdigest()
                known = self._store.find(key)
            watch("history")
            before = self._store.snapshot()
            history = history_of(before, day)
            if moment is None and _timeless(day, history):
                moment = self._now()
            watch("check")
            prepared = prepare(day, protocol=rules, at=moment, history=history)
            with self._store.segments(key) as writer:
                # What came in is written while it is being worked out.
                _write_inputs(writer, prepared)
                outcome = compute(prepared, prior=prior, progress=watch)
                watch("write")
                _write_outcome(writer, outcome, prepared, _changed(outcome.results, prepared, before))
                summary = _summary(day, outcome)
                segments = writer.finish()
                watch("commit")
                return self._store.commit(
                    segments,
                    content_key=key,
                    computed_at=_EPOCH + timedelta(microseconds=prepared.at),
                    protocol=rules.label,
                    protocol_values=rules.canonical(),
                    source=Path(folder).resolve().name,
                    summary=summary | {"seconds": watch.seconds()},
                )

    def _moment(self, day: Day, at: datetime | None) -> datetime | None:
        """Return when a day is computed: what is known may not reach beyond the clock."""
        if at is not None:
            return at
        if day.runs is None:
            return self._now()
        now = datetime.now(UTC)
        moments = [day.samples["collected_at"], day.runs["started_at"], day.runs["ended_at"]]
        latest = [pc.max(column).as_py() for column in moments if len(column)]
        return now if any(moment > now for moment in latest) else None

    def _now(self) -> datetime:
        """Return the clock's time, which may have been set back but must not put a day before the last one."""
        last = max((commit.computed_at for commit in self._store.commits()), default=_EPOCH)
        return max(datetime.now(UTC), last + timedelta(microseconds=1))

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first.

        Returns
        -------
        list of Commit
            Each with its moment, rules, source and counts.
        """
        return self._store.commits()

    def table(self, name: str) -> pa.Table:
        """Return one table as all commits together give it, oldest first.

        Parameters
        ----------
        name
            A table of the schemas; of `results` and `orders` every version is there.

        Returns
        -------
        pyarrow.Table
            Its rows.
        """
        return self._store.snapshot().table(name)

    def results(self) -> pa.Table:
        """Return the current result of every sample.

        Returns
        -------
        pyarrow.Table
            `results`, one row a sample.
        """
        return self._store.snapshot().results()

    def orders(self) -> pa.Table:
        """Return the orders that are open.

        Returns
        -------
        pyarrow.Table
            `orders`, at most one a sample.
        """
        now = self._store.snapshot()
        return open_orders(now.table("orders"), now.results(columns=["sample_id", "status"]))

    def findings(self, *, commit_id: int | None = None) -> pa.Table:
        """Return what did not add up, each finding once.

        Parameters
        ----------
        commit_id
            Only what this commit found; all commits by default.

        Returns
        -------
        pyarrow.Table
            `findings`, oldest first.
        """
        rows = self._store.snapshot().table("findings", commit_id=commit_id)
        unique = {(row["kind"], tuple(row["ids"])): row for row in reversed(rows.to_pylist())}
        return pa.Table.from_pylist(list(reversed(unique.values())), schema=FINDINGS.schema)

    def trace(self, any_id: str) -> pa.Table:
        """Return everything up- and downstream of a sample, subject, pool, tube, plate or run, in order of time.

        Parameters
        ----------
        any_id
            Whatever stands on a barcode.

        Returns
        -------
        pyarrow.Table
            Columns at, step, sample_id, subject_id, specimen_id, plate_id, well, run_id and detail.

        Raises
        ------
        TraceError
            When nothing in the store has this id.
        """
        return lineage(self._store.snapshot(), any_id)


def _ended_since(day: Day, known: Commit, moment: datetime | None) -> bool:
    """Whether a run of a folder that is known already had not ended when it was computed, and has ended now."""
    if day.runs is None or (moment is not None and moment.tzinfo is None):
        return False
    ends = day.runs["ended_at"].to_pylist()
    return any(known.computed_at < end and (moment is None or end <= moment) for end in ends)


def _timeless(day: Day, history: History | None) -> bool:
    """Whether neither a day nor its history says any time, as on a day without a row."""
    tables = [day.samples, day.runs]
    tables += [history.samples, history.runs, history.orders] if history else []
    return not any(table.num_rows for table in tables if table is not None)


class _Stopwatch:
    """Times the stages of a run, and passes their names on."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self._progress = progress
        self._marks: list[tuple[str, float]] = []

    def __call__(self, stage: str) -> None:
        self._marks.append((stage, time.perf_counter()))
        if self._progress:
            self._progress(stage)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage, up to now."""
        ends = [start for _, start in self._marks[1:]] + [time.perf_counter()]
        return {stage: round(end - start, 4) for (stage, start), end in zip(self._marks, ends, strict=True)}


def _changed(results: pa.Table, prepared: Prepared, store: Snapshot) -> pa.Table:
    """Return the results that are new or say something else than the store's."""
    if prepared.history is None:
        return results
    compared = ["status", "evidence", "probability"]
    before = store.results(columns=["sample_id", *compared])
    places = TextIndex.of(plain(before["sample_id"])).find(plain(results["sample_id"]))
    known = np.flatnonzero(places >= 0)
    old, new = before.take(pa.array(places[known])), results.take(pa.array(known))
    same = np.ones(known.size, np.bool_)
    for name in compared:
        kind = RESULTS[name].type
        one, other = old[name].cast(kind), new[name].cast(kind)
        both_null = pc.and_(pc.is_null(one), pc.is_null(other))
        same &= pc.or_(pc.fill_null(pc.equal(one, other), False), both_null).to_numpy()
    keep = np.ones(results.num_rows, np.bool_)
    keep[known[same]] = False
    return results.filter(pa.array(keep))


def _write_inputs(writer: SegmentWriter, prepared: Prepared) -> None:
    """Begin to write what the day added to what was known."""
    union, history = prepared.union, prepared.history
    for name in ("samples", "wells", "pools", "members"):
        rows = getattr(union, name)
        added = rows if history is None else rows.slice(getattr(history, name).num_rows)
        writer.write(name, added)
    # Of runs made up for want of a table only those count that gave a call, and that is not known yet.
    if not prepared.made_up:
        writer.write("readings", prepared.readings)


def _write_outcome(writer: SegmentWriter, outcome: Outcome, prepared: Prepared, results: pa.Table) -> None:
    """Begin to write what the day came to."""
    writer.write("results", results)
    if prepared.made_up:
        spoken = codes_in(prepared.readings["run_id"], plain(outcome.runs["run_id"])) >= 0
        writer.write("readings", prepared.readings.filter(pa.array(spoken)))
    for name in ("runs", "calls", "orders", "findings"):
        writer.write(name, getattr(outcome, name))


def _summary(day: Day, outcome: Outcome) -> dict[str, Any]:
    """Return the counts that `poolkit run` prints."""
    return {
        "samples": day.samples.num_rows,
        "pools": outcome.pools.num_rows,
        "wells": day.wells.num_rows,
        "calls": counts(outcome.calls["call"]),
        "results": counts(outcome.results["status"]),
        "orders": counts(outcome.orders["action"]),
        "findings": counts(outcome.findings["kind"]),
        "errors": counts(outcome.findings["severity"]).get("error", 0),
    }


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each text stands in a column, in order of the texts."""
    found = pc.value_counts(column.cast(pa.string())).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(found, key=lambda entry: entry["values"])}
