"""What an evening knows of its day: rows by barcode, loads of specimens, plates still to be read."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.assays import pooled_log10_load
from poolkit.errors import DesignError, Problem
from poolkit.schemas import CONTENTS, MEMBERS, READINGS, RUNS, SAMPLES, WELLS, Day, conform
from poolkit.simulation.layout import WELL_NAMES, PlateWells
from poolkit.simulation.people import TRUTH
from poolkit.simulation.runs import Naming

MOST_EVENINGS = 9


@dataclass(frozen=True, slots=True)
class Known:
    """A day and its truth, held to their tables.

    Attributes
    ----------
    samples, members, wells, runs, truth : pyarrow.Table
        The tables of the same name; without a runs table, one run a plate that has readings.
    """

    samples: pa.Table
    members: pa.Table
    wells: pa.Table
    runs: pa.Table
    truth: pa.Table

    @classmethod
    def of(cls, day: Day, truth: Any) -> Self:
        """Return the day's tables; keys are not checked, a broken day may have an evening too."""
        samples = conform(day.samples, SAMPLES, keys=False)
        if day.runs is not None:
            runs = conform(day.runs, RUNS, keys=False)
        else:
            read = pc.unique(conform(day.readings, READINGS, keys=False)["run_id"]).cast(pa.string())
            last = pc.max(samples["collected_at"])
            columns = {"run_id": read, "plate_id": read, "instrument_id": read}
            columns |= {name: pa.repeat(last, len(read)) for name in ("started_at", "ended_at")}
            runs = conform(pa.table(columns), RUNS, keys=False)
        return cls(
            samples=_plain(samples, "sample_id", "subject_id", "site_id", "tube_id"),
            members=_plain(conform(day.members, MEMBERS, keys=False), "pool_id", "sample_id"),
            wells=_plain(conform(day.wells, WELLS, keys=False), *WELLS.names),
            runs=_plain(runs, "run_id", "plate_id"),
            truth=_plain(conform(truth, TRUTH, keys=False), "subject_id"),
        )

    def rows_of(self, sample_ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the first row of each sample, or name the samples that the day does not have."""
        wanted = sample_ids.cast(pa.string())
        found = np.full(len(wanted), -1, np.int64)
        distinct = pc.unique(wanted)
        rows = np.flatnonzero(pc.is_in(self.samples["sample_id"], distinct).to_numpy())
        at = pc.index_in(wanted, self.samples["sample_id"].take(pa.array(rows)).combine_chunks())
        met = pc.is_valid(at).to_numpy()
        found[met] = rows[pc.drop_null(at).to_numpy()]
        missing = np.flatnonzero(~met)
        if missing.size:
            rows_missing = tuple(int(row) for row in missing)
            raise DesignError("orders cannot be answered", [Problem("sample_id", "not in the day", rows_missing)])
        return found

    def latest_us(self, issued_at: pa.ChunkedArray) -> int:
        """Return the latest time in the day and its orders, rounded up to a second, in microseconds since 1970."""
        ends = [self.samples["collected_at"], self.runs["ended_at"], issued_at]
        latest = max(pc.max(each).cast(pa.int64()).as_py() for each in ends if len(each))
        return int(-(-latest // 1_000_000) * 1_000_000)

    def naming(self) -> Naming:
        """Return the date of the first swab and the first number of an evening that is not taken."""
        date = pc.strftime(pc.min(self.samples["collected_at"]), "%y%m%d").as_py()
        plates = pc.unique(self.wells["plate_id"])
        taken = [plates, self.runs["run_id"]]
        for part in range(1, MOST_EVENINGS + 1):
            naming = Naming(date, part)
            stems = zip(taken, (f"P{naming.stem}", f"R{naming.stem}"), strict=True)
            if not any(pc.any(pc.starts_with(ids, stem)).as_py() for ids, stem in stems):
                return naming
        raise DesignError(f"a day has at most {MOST_EVENINGS} evenings")

    def sample_loads(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the log10 load of the subject of each of these samples; minus infinity when not infected."""
        subjects = self.samples["subject_id"].take(pa.array(rows))
        about = self.truth.filter(pc.is_in(self.truth["subject_id"], pc.unique(subjects)))
        at = pc.index_in(subjects, about["subject_id"].combine_chunks())
        if at.null_count:
            missing = tuple(int(row) for row in np.flatnonzero(pc.is_null(at).to_numpy()))
            raise DesignError("the truth is not of this day", [Problem("subject_id", "not in the truth", missing)])
        loads = pc.fill_null(pc.if_else(about["infected"], about["log10_load"], None), -np.inf).to_numpy()
        return np.asarray(loads[at.to_numpy()], np.float64)

    def specimens_of(self, sample_ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the specimen that each sample was first tested in: its laboratory pool, else its tube."""
        tubes = self.samples["tube_id"].take(pa.array(self.rows_of(sample_ids)))
        if not self.members.num_rows:
            return tubes
        pooled = pc.index_in(sample_ids, self.members["sample_id"].combine_chunks())
        pools = self.members["pool_id"].take(pooled)
        return pc.coalesce(pools, tubes)

    def loads_of(self, specimen_ids: pa.Array) -> NDArray[np.float64]:
        """Return the log10 load of each specimen: a laboratory pool, a tube or a sample alone."""
        n_specimens = len(specimen_ids)
        loads = np.full(n_specimens, -np.inf)
        if not n_specimens:
            return loads
        specimen, row = self._members_of(specimen_ids)
        n_members = np.bincount(specimen, minlength=n_specimens)
        carried = self.sample_loads(row)
        infected = np.isfinite(carried)
        known = n_members > 0
        mixed = pooled_log10_load(carried[infected], specimen[infected], n_members=np.maximum(n_members, 1))
        loads[known] = mixed[known]
        return loads

    def _members_of(self, specimen_ids: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return each (specimen, sample row) pair; a barcode means a laboratory pool, else a tube, else a sample."""
        specimens: list[NDArray[np.int64]] = []
        rows: list[NDArray[np.int64]] = []
        taken = np.zeros(len(specimen_ids), np.bool_)
        if self.members.num_rows:
            pool = pc.index_in(self.members["pool_id"], specimen_ids)
            row = pc.index_in(
                self.members["sample_id"].cast(pa.string()),
                self.samples["sample_id"].combine_chunks(),
            )
            both = pc.and_(pc.is_valid(pool), pc.is_valid(row))
            specimens.append(pool.filter(both).to_numpy().astype(np.int64))
            rows.append(row.filter(both).to_numpy().astype(np.int64))
            taken[specimens[-1]] = True
        for name in ("tube_id", "sample_id"):
            free = np.flatnonzero(~taken)
            at = pc.index_in(self.samples[name], specimen_ids.take(pa.array(free)))
            met = np.flatnonzero(pc.is_valid(at).to_numpy())
            specimens.append(free[at.take(pa.array(met)).to_numpy()])
            rows.append(met)
            taken[specimens[-1]] = True
        return np.concatenate(specimens), np.concatenate(rows)

    def late_plates(self) -> tuple[PlateWells, pa.Array, pa.Array]:
        """Return the wells of the plates without a run, the barcodes of these plates and of their specimens."""
        unread = pc.invert(pc.is_in(self.wells["plate_id"], pc.unique(self.runs["plate_id"])))
        wells = self.wells.filter(unread).combine_chunks()
        plate_ids = pc.unique(wells["plate_id"])
        specimen_ids = pc.unique(pc.drop_null(wells["specimen_id"]))
        plate = _codes(wells["plate_id"], plate_ids)
        order = np.argsort(plate, kind="stable")
        found = PlateWells(
            plate=plate[order],
            well=_codes(wells["well"], pa.array(WELL_NAMES))[order],
            content=_codes(wells["content"], pa.array(CONTENTS))[order].astype(np.int8),
            specimen=_codes(wells["specimen_id"], specimen_ids)[order],
        )
        return found, plate_ids, specimen_ids


def _plain(batch: pa.Table, *names: str) -> pa.Table:
    """Return the batch with these columns as plain text, whichever way they were encoded."""
    for name in names:
        place = batch.column_names.index(name)
        batch = batch.set_column(place, name, batch[name].cast(pa.string()))
    return batch


def _codes(values: pa.ChunkedArray, vocabulary: pa.Array) -> NDArray[np.int32]:
    """Return the place of each value in the vocabulary, -1 for none."""
    at = pc.index_in(values, vocabulary)
    return np.asarray(pc.fill_null(at, -1).to_numpy(), np.int32)
