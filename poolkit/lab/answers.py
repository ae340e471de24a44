"""What a laboratory's store answers, now or as of an earlier moment."""

from datetime import UTC, datetime
from os import PathLike
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from poolkit.deconvolution import open_orders
from poolkit.errors import Problem, TraceError
from poolkit.lab.amend import pending_amendments
from poolkit.lab.door import names_of
from poolkit.lab.monitor import monitor_store
from poolkit.lab.proofs import prove_result
from poolkit.lab.reconcile import reconcile
from poolkit.lab.turnaround import turnaround
from poolkit.protocols import Protocol, load_protocol, recorded_protocol
from poolkit.quality import Monitoring, MonitorRules
from poolkit.schemas import FINDINGS
from poolkit.trace.journey import journey
from poolkit.trace.keys import KeyRing
from poolkit.trace.lineage import lineage
from poolkit.trace.picture import picture
from poolkit.trace.recall import recall
from poolkit.trace.record import Commit
from poolkit.trace.snapshot import Snapshot
from poolkit.trace.sql import ask, connect
from poolkit.trace.store import Store

if TYPE_CHECKING:
    import duckdb

# Of a store without a commit.
_PROTOCOL = "cn-10in1-2020"
_TIME = pa.timestamp("us", tz="UTC")


class Answers:
    """The questions that a store answers; every answer comes from one snapshot of it.

    Parameters
    ----------
    store
        The store.
    upto
        The last commit that is looked at; the newest there is by default.
    ring
        The laboratory's keys: with them an identity number can be asked for.
    """

    def __init__(self, store: Store, *, upto: int | None = None, ring: KeyRing | None = None) -> None:
        self._store = store
        self._ring = ring
        self._upto = upto

    def _known(self) -> Snapshot:
        now = self._store.snapshot()
        if self._upto is None:
            return now
        return Snapshot(now.opened, [each for each in now.segments if each[0] <= self._upto])

    def rules(self, protocol: Protocol | str | PathLike[str] | None) -> Protocol:
        """Return the rules that were named, or those of the last commit."""
        commits = [] if protocol is not None else self.commits()
        return recorded_protocol(commits[-1].protocol_values) if commits else load_protocol(protocol or _PROTOCOL)

    def at(self, *, commit: int | None = None, time: datetime | None = None) -> "Answers":
        """Return the same questions as of an earlier moment: what was known then.

        Parameters
        ----------
        commit
            The last commit that counts.
        time
            A moment with a time zone; commits made later do not count.

        Returns
        -------
        Answers
            It can be asked, but takes nothing in.

        Raises
        ------
        TraceError
            When neither or both are given, there is no such commit, or the moment has no time zone.
        """
        known = self.commits()
        if (commit is None) == (time is None):
            raise TraceError("no such moment", [Problem("at", "expected a commit or a time, one of the two")])
        if time is not None:
            if time.tzinfo is None:
                raise TraceError("no such moment", [Problem("time", "needs a time zone, found a naive time")])
            commit = max((each.commit_id for each in known if each.committed_at <= time), default=0)
        elif commit not in {0, *(each.commit_id for each in known)}:
            raise TraceError("no such moment", [Problem("commit", f"expected one up to {len(known)}, found {commit}")])
        return Answers(self._store, upto=commit, ring=self._ring)

    def commits(self) -> list[Commit]:
        """Return all commits, oldest first.

        Returns
        -------
        list of Commit
            Each with its moment, rules, source, counts and head.
        """
        every = self._store.commits()
        return every if self._upto is None else [commit for commit in every if commit.commit_id <= self._upto]

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
        return self._known().table(name)

    def results(self) -> pa.Table:
        """Return the current result of every sample.

        Returns
        -------
        pyarrow.Table
            `results`, one row a sample.
        """
        return self._known().results()

    def orders(self) -> pa.Table:
        """Return the orders that are open.

        Returns
        -------
        pyarrow.Table
            `orders`, at most one a sample.
        """
        now = self._known()
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
        rows = self._known().table("findings", commit_id=commit_id)
        unique = {(row["kind"], tuple(row["ids"])): row for row in reversed(rows.to_pylist())}
        return pa.Table.from_pylist(list(reversed(unique.values())), schema=FINDINGS.schema)

    def trace(self, any_id: str) -> pa.Table:
        """Return everything up- and downstream of a sample, subject, pool, tube, plate, run or well, in order of time.

        Parameters
        ----------
        any_id
            Whatever stands on a barcode; a well as ``PLATE/WELL``.

        Returns
        -------
        pyarrow.Table
            Columns at, step, sample_id, subject_id, specimen_id, plate_id, well, run_id and detail.

        Raises
        ------
        TraceError
            When nothing in the store has this id.
        """
        return pa.concat_tables(self._traces(any_id).values())

    def _traces(self, any_id: str) -> dict[str, pa.Table]:
        """Return a trace for each name that the store knows of what was asked for, by name.

        With keys an identity number stands for its pseudonyms; it is in no answer and in no error.
        """
        known, found = self._known(), {}
        names = names_of(self._ring, any_id)
        for name in names:
            try:
                found[name] = lineage(known, name)
            except TraceError:
                # What was not found is named by its pseudonym.
                if name == names[-1] and not found:
                    raise
        return found

    def trace_picture(self, any_id: str) -> str:
        """Return the trace of a barcode as a picture, an SVG without scripts that is read from left to right."""
        traces = self._traces(any_id)
        return picture(pa.concat_tables(traces.values()), next(iter(traces)))

    def monitor(self, *, rules: MonitorRules | None = None, zone: str = "UTC", **options: Any) -> Monitoring:
        """Return whether the pooling is still sound, and instruments and lots are still in control.

        Parameters
        ----------
        rules
            Windows and limits; those of the documents by default.
        zone
            IANA time zone in which a day begins at midnight.
        **options
            `protocol`, whose targets are charted in place of the last commit's; `baselines` of control charts.

        Returns
        -------
        Monitoring
            Tables ``rates``, ``charts`` and ``points``.
        """
        return monitor_store(self._known(), self.commits(), rules=rules, zone=zone, **options)

    def recall(
        self,
        *,
        lot: str | None = None,
        instrument: str | None = None,
        operator: str | None = None,
        plate: str | None = None,
        run: str | None = None,
        window: tuple[datetime, datetime] | None = None,
    ) -> pa.Table:
        """Return every sample and subject whose current result rests on what is named, those released first.

        Parameters
        ----------
        lot
            Of extraction or amplification.
        instrument, operator, plate, run
            Their ids; several criteria have to hold together.
        window
            Two moments with time zones: runs that were under way between them.

        Returns
        -------
        pyarrow.Table
            Columns sample_id, subject_id, status, released_at, specimen_id, plate_id, well, run_id, instrument_id and
            to_do.

        Raises
        ------
        TraceError
            When nothing is named, or no run of the store is meant.
        """
        named = {"lot": lot, "instrument": instrument, "operator": operator, "plate": plate, "run": run}
        committed_at = {commit.commit_id: commit.committed_at for commit in self.commits()}
        return recall(self._known(), **named, window=window, committed_at=committed_at)

    def journey(self, any_id: str, *, protocol: Protocol | str | PathLike[str] | None = None) -> pa.Table:
        """Return what happened to a tube from its collection to its report, and who had it.

        Parameters
        ----------
        any_id
            A tube, or a sample, whose first tube is meant.
        protocol
            Its `transport_hours` and `report_hours` say what is late; those of the last commit by default.

        Returns
        -------
        pyarrow.Table
            Columns event, at, minutes, actor, witness, place, temperature_c, source and remark.

        Raises
        ------
        TraceError
            When no sample of the store was in such a tube.
        """
        rules = self.rules(protocol)
        limits = {"received": rules.transport_hours, "reported": rules.report_hours}
        return journey(self._known(), self.commits(), any_id, limits=limits)

    def turnaround(self, *, by: str = "leg", protocol: Protocol | str | PathLike[str] | None = None) -> pa.Table:
        """Return percentiles of the minutes that samples took from leg to leg.

        Parameters
        ----------
        by
            ``leg`` for all samples together, or ``site``, ``lab`` or ``hour`` of collection.
        protocol
            Its `transport_hours` and `report_hours` say what is late; those of the last commit by default.

        Returns
        -------
        pyarrow.Table
            Columns leg, of, n, p50, p90, p95, p99, longest and n_late.
        """
        return turnaround(self._known(), self.commits(), by=by, protocol=self.rules(protocol))

    def reconcile(
        self,
        *others: "Answers",
        at: datetime | None = None,
        protocol: Protocol | str | PathLike[str] | None = None,
    ) -> pa.Table:
        """Return what does not add up over all days, and over this and other stores.

        Parameters
        ----------
        *others
            Further stores.
        at
            Orders due before this moment are past due; by default the last moment that a commit speaks of.
        protocol
            Limits of hours, and of wells that an instrument can read; those of the last commit by default.

        Returns
        -------
        pyarrow.Table
            The columns of `findings`, and ``store``.
        """
        every = [self, *others]
        moments = [commit.computed_at for each in every for commit in each.commits()]
        moment = at or max(moments, default=datetime.now(UTC))
        named = [(each._store.files.where(""), each._known()) for each in every]
        return reconcile(named, at=moment, protocol=self.rules(protocol))

    def amendments(self) -> pa.Table:
        """Return the corrections that wait for somebody's approval.

        Returns
        -------
        pyarrow.Table
            `amendments`.
        """
        return pending_amendments(self._known())

    def prove(self, sample_id: str) -> dict[str, Any]:
        """Return the proof that a sample's current result was committed; `poolkit.check_proof` needs no store.

        Parameters
        ----------
        sample_id
            The sample.

        Returns
        -------
        dict
            To be written as JSON.

        Raises
        ------
        TraceError
            When the store does not have the sample.
        """
        return prove_result(self._store, self._known(), sample_id)

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a DuckDB connection with the store's tables and questions as views; see `poolkit.trace.sql`."""
        known = self._known()
        paths = [(commit, each.table, self._store.files.where(each.path)) for commit, each in known.segments]
        commits = self.commits()
        told = pa.table(
            {
                "commit_id": pa.array([commit.commit_id for commit in commits], pa.int64()),
                "committed_at": pa.array([commit.committed_at for commit in commits], _TIME),
                "kind": pa.array([commit.kind for commit in commits], pa.string()),
                "actor": pa.array([commit.actor for commit in commits], pa.string()),
                "head": pa.array([commit.head for commit in commits], pa.string()),
            }
        )
        return connect(paths, told)

    def sql(self, query: str) -> pa.Table:
        """Ask the store in SQL.

        Parameters
        ----------
        query
            In DuckDB's SQL, over the tables of the schemas and the views of `poolkit.trace.sql`.

        Returns
        -------
        pyarrow.Table
            What was asked for.

        Raises
        ------
        TraceError
            When DuckDB is not installed, or does not understand the query.
        """
        with self.connect() as connection:
            return ask(connection, query)
