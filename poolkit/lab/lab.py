"""`Lab`: a store that takes in days, and answers for every sample in it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from poolkit.errors import FormatError, SchemaError
from poolkit.formats import content_key, read_day
from poolkit.lab.acts import Acts
from poolkit.lab.door import pseudonymised, refuse_inside
from poolkit.lab.large import compute_large, scan
from poolkit.lab.summary import Stopwatch, counts, summarise
from poolkit.lab.upcoming import Upcoming, upcoming
from poolkit.lab.writing import changed_results, without_reruns_of_recalled, write_inputs, write_outcome
from poolkit.pipeline import Prepared, compute, prepare
from poolkit.pooling.designs import Design
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import SAMPLES, Day, History
from poolkit.trace.files import Place
from poolkit.trace.history import history_of
from poolkit.trace.keys import KeyRing
from poolkit.trace.record import Commit, Segment
from poolkit.trace.store import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lab(Acts):
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

    def __init__(self, store: Store, ring: KeyRing | None = None) -> None:
        super().__init__(store, ring=ring)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        data: Place | None = None,
        create: bool = True,
        read_only: bool = False,
        keys: KeyRing | str | PathLike[str] | None = None,
    ) -> "Lab":
        """Open a store, or make one.

        Parameters
        ----------
        path
            The store's folder; where several hosts write, a database as ``postgresql://lab@bench/days``.
        data
            Where the segments stand, if not in the store's folder: a folder, a URL as ``s3://bucket/lab``, or a file
            system of pyarrow or fsspec and a folder in it.
        create
            Whether to make it when it is not there.
        read_only
            Whether to read the journal beside the data, up to the last commit that is whole, as of a copy.
        keys
            The laboratory's keys, or their file outside the store: commits are signed, and subjects become pseudonyms.

        Returns
        -------
        Lab
            At its last commit.

        Raises
        ------
        TraceError
            When there is no store, it cannot be reached, another poolkit wrote it, or the data is another store's.

        Examples
        --------
        >>> import tempfile, poolkit
        >>> with tempfile.TemporaryDirectory() as folder, poolkit.Lab.open(folder) as lab:
        ...     lab.commits()
        []
        """
        ring = keys if keys is None or isinstance(keys, KeyRing) else KeyRing.load(keys)
        for place in (path, data):
            if ring is not None and isinstance(place, str | PathLike) and "://" not in str(place):
                refuse_inside(ring, Path(place))
        sign = None if ring is None else ring.sign
        return cls(Store(path, data=data, create=create, read_only=read_only, sign=sign), ring)

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

        Notes
        -----
        O(folder + store). A first day of some millions of samples is taken in batch by batch; its results then stand in
        the order in which tubes are complete.
        """
        watch = Stopwatch(progress)
        rules = load_protocol(protocol)
        with self._store.writing(wait_seconds=wait_seconds), ThreadPoolExecutor(1) as beside:
            watch("read")
            hashing = beside.submit(content_key, folder, rules.canonical())
            if not self._store.ledger.last().commit_id:
                commit = self._run_large(folder, hashing, rules, at=at, zone=zone, prior=prior, watch=watch)
                if commit is not None:
                    return commit
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
            day = replace(day, samples=pseudonymised(day.samples, self._ring, before))
            history = history_of(before, day)
            if moment is None and _timeless(day, history):
                moment = self._now()
            watch("check")
            prepared = prepare(day, protocol=rules, at=moment, history=history)
            with self._store.segments(key) as writer:
                # What came in is written while it is being worked out.
                write_inputs(writer, prepared, before)
                outcome = without_reruns_of_recalled(compute(prepared, prior=prior, progress=watch), prepared)
                watch("write")
                write_outcome(writer, outcome, prepared, changed_results(outcome.results, prepared, before))
                summary = summarise(
                    n_samples=day.samples.num_rows,
                    n_pools=outcome.pools.num_rows,
                    n_wells=day.wells.num_rows,
                    results=counts(outcome.results["status"]),
                    calls=outcome.calls,
                    orders=outcome.orders,
                    findings=outcome.findings,
                )
                segments = writer.finish()
                watch("commit")
                return self._commit(segments, key, prepared, folder, summary | {"seconds": watch.seconds()})

    def next_pools(
        self,
        *,
        designs: tuple[Design, ...] = (),
        adaptive: bool = False,
        prior: float | None = None,
        protocol: Protocol | str | PathLike[str] | None = None,
    ) -> Upcoming:
        """Return what the next plates have to hold, so that every open retest and rerun is answered.

        Parameters
        ----------
        designs
            Designs of pools in the store that `poolkit.design` does not find by their name.
        adaptive
            Whether the next pools are chosen by what is known of each sample, in place of the design's next stage.
        prior
            Probability that a sample is infected before anything was read, for `adaptive`; the protocol's by default.
        protocol
            The rules; those of the last commit by default.

        Returns
        -------
        Upcoming
            Pools of the next stage of each block, tubes alone, and specimens to be run again.

        Raises
        ------
        DesignError
            When a block is not what its design lays out.

        Notes
        -----
        Nothing is written: the folder in which the pools stand, with their plates, is run like any other.
        """
        known = self._store.snapshot()
        history = history_of(known, Day(samples=SAMPLES.empty())) or History()
        rules = self.rules(protocol)
        return upcoming(history, self.orders(), protocol=rules, designs=designs, adaptive=adaptive, prior=prior)

    def _run_large(
        self,
        folder: str | PathLike[str],
        hashing: Future[str],
        rules: Protocol,
        *,
        at: datetime | None,
        zone: str | None,
        prior: float | pa.Table | None,
        watch: Stopwatch,
    ) -> Commit | None:
        """Take in a large first day batch by batch, or return None where it has to be taken in one piece."""
        # Whatever is wrong with a folder, read in one piece it says in which rows.
        try:
            scanned = scan(folder, zone=zone, door=lambda samples: pseudonymised(samples, self._ring))
        except (FormatError, SchemaError, pa.ArrowException, OSError, ValueError):
            return None
        if scanned is None:
            return None
        try:
            key = hashing.result()
            moment = at or min(scanned.latest, datetime.now(UTC))
            with self._store.segments(key) as writer:
                prepared, summary = compute_large(
                    scanned, writer, protocol=rules, at=moment, prior=prior, progress=watch
                )
                segments = writer.finish()
                watch("commit")
                return self._commit(segments, key, prepared, folder, summary | {"seconds": watch.seconds()})
        except (FormatError, SchemaError):
            return None

    def _commit(
        self,
        segments: list[Segment],
        key: str,
        prepared: Prepared,
        folder: str | PathLike[str],
        summary: dict[str, Any],
    ) -> Commit:
        return self._store.commit(
            segments,
            content_key=key,
            computed_at=_EPOCH + timedelta(microseconds=prepared.at),
            protocol=prepared.protocol.label,
            protocol_values=prepared.protocol.canonical(),
            source=Path(folder).resolve().name,
            summary=summary,
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
