"""A large first day, batch by batch: in memory are the names of all samples and one batch of whole tubes.

The outcome is that of the day in one piece, except for the order of rows: a sample's result stands where its tube is
complete.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, as_codes, coded, compacted, digests, encode, first_seen, frozen, plain
from poolkit.calling import call_wells, check_runs
from poolkit.deconvolution import resolve
from poolkit.errors import FormatError, Problem, discreet
from poolkit.formats import day_files, open_parquet, read_rest
from poolkit.lab.summary import counts, summarise
from poolkit.pipeline import Prepared, ending_later, prepare
from poolkit.pooling.registration import register
from poolkit.protocols import Protocol
from poolkit.schemas import SAMPLES, Day, Finding, conform, findings_table
from poolkit.trace.segments import SegmentWriter

# Below this many samples a day is as quick in one piece.
LARGE = 2_000_000
Door = Callable[[pa.Table], pa.Table]
_SCANNED = ["sample_id", "tube_id", "recollect_of", "collected_at"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What has to be known of all samples before the first batch.

    Attributes
    ----------
    file
        The samples.
    day
        Every other table of the folder.
    tube : numpy.ndarray of int32
        (samples,) the tube of each.
    last_batch : numpy.ndarray of int16
        (tubes,) the row group that completes it.
    batch_of_specimen : numpy.ndarray of int16
        (distinct specimens of the wells,) the batch that holds it; the last one where nobody registered it.
    latest
        The latest time of a swab or run.
    door
        What every row group goes through before anything else sees it.
    """

    file: pq.ParquetFile
    day: Day
    tube: Codes
    last_batch: NDArray[np.int16]
    batch_of_specimen: NDArray[np.int16]
    latest: datetime
    door: Door


def scan(folder: str | PathLike[str], *, door: Door, zone: str | None = None) -> Scan | None:
    """Look through a day folder, or return None where it has to be computed in one piece.

    That is: a small one; one with mixtures or no runs; with a sample registered twice or taken again for another, as
    these reach across tubes.
    """
    files = {path.name for path in day_files(folder)}
    if "samples.parquet" not in files or {Path(name).stem for name in files} & {"pools", "members"}:
        return None
    file = open_parquet(Path(folder) / "samples.parquet", SAMPLES)
    schema = file.schema_arrow
    if file.metadata.num_rows < LARGE or file.num_row_groups < 2 or not set(_SCANNED) <= set(schema.names):
        return None
    collected = schema.field("collected_at").type
    if not pa.types.is_timestamp(collected) or collected.tz is None:
        return None
    day = read_rest(folder, zone=zone)
    runs = day.runs
    if runs is None:
        return None
    names = _Names(file)
    if names.reach_across or names.repeat:
        return None
    codes, specimens = encode(day.wells["specimen_id"])
    in_tube = TextIndex.of(names.tubes).find(specimens)
    lacking = np.flatnonzero(in_tube < 0)
    if lacking.size:
        in_tube[lacking] = names.tubes_of_samples(specimens.take(pa.array(lacking)))
    last_batch = np.zeros(len(names.tubes), np.int16)
    for number, (start, stop) in enumerate(pairwise(names.starts)):
        last_batch[names.tube[start:stop]] = number
    batch_of_specimen = np.where(in_tube >= 0, last_batch[in_tube], np.int16(file.num_row_groups - 1))
    # From here on wells and calls name their specimens by one dictionary.
    named = day.wells.schema.get_field_index("specimen_id")
    day = replace(day, wells=day.wells.set_column(named, "specimen_id", coded(codes, specimens)))
    moments = [pc.max(runs[name]).as_py() for name in ("started_at", "ended_at") if runs.num_rows]
    return Scan(file, day, names.tube, last_batch, batch_of_specimen, max(names.latest, *moments), door)


class _Names:
    """The names of all samples and tubes, read a row group at a time so that little is in memory.

    Attributes
    ----------
    repeat : bool
        Whether a ``sample_id`` may stand there twice: hashes are compared, the day in one piece looks at the texts.
    reach_across : bool
        Whether a sample was taken again for another, or it or its tube has no name; nothing else is known then.
    tube : numpy.ndarray of int32
        (samples,) the tube of each.
    tubes : pyarrow.StringArray
        Their names.
    starts : list of int
        The first row of each row group, and the number of rows.
    latest
        The latest time that a swab was taken.
    """

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        self.starts = [0, *np.cumsum(sizes).tolist()]
        self.reach_across = self.repeat = False
        hashes = np.empty(self.starts[-1], np.uint64)
        tube = np.empty(self.starts[-1], np.int32)
        texts, latest = [], []
        n_texts = 0
        for number, (start, stop) in enumerate(pairwise(self.starts)):
            group = file.read_row_group(number, columns=_SCANNED)
            nameless = group["sample_id"].null_count + group["tube_id"].null_count
            if nameless or group["recollect_of"].null_count < stop - start:
                self.reach_across = True
                return
            hashes[start:stop] = digests(group["sample_id"])
            codes, distinct = first_seen(*encode(group["tube_id"]))
            tube[start:stop] = codes + n_texts
            n_texts += len(distinct)
            texts.append(distinct)
            latest.append(pc.max(group["collected_at"]).as_py())
        index = TextIndex.of(pa.concat_arrays(texts))
        self.tube, self.tubes = frozen(index.codes[tube]), index.values
        self.latest = max(latest)
        hashes.sort()
        self.repeat = bool((hashes[1:] == hashes[:-1]).any())

    def tubes_of_samples(self, sample_ids: pa.Array) -> Codes:
        """Return the tube of each sample, -1 where there is no such sample."""
        index = TextIndex.of(sample_ids)
        tubes = np.full(len(sample_ids), -1, np.int32)
        for number, start in enumerate(self.starts[:-1]):
            found = index.find(plain(self._file.read_row_group(number, columns=["sample_id"])["sample_id"]))
            rows = np.flatnonzero(found >= 0)
            tubes[found[rows]] = self.tube[start + rows]
        return tubes


def _row_groups(file: pq.ParquetFile, door: Door) -> Iterator[pa.Table]:
    """Give the row groups one after the other, each read while the one before it is worked on."""

    def read(number: int) -> pa.Table:
        try:
            group = file.read_row_group(number, use_threads=False)
            group.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as reason:
            problem = Problem(f"row group {number}", discreet(reason))
            raise FormatError("the samples cannot be read", [problem]) from None
        return conform(door(group), SAMPLES, keys=False)

    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(read, 0)
        for number in range(1, file.num_row_groups + 1):
            group = coming.result()
            if number < file.num_row_groups:
                coming = beside.submit(read, number)
            yield group


def _batches(scanned: Scan, writer: SegmentWriter) -> Iterator[pa.Table]:
    """Give the samples of whole tubes, row group after row group; those of unfinished tubes wait."""
    carried, carried_tubes = SAMPLES.empty(), scanned.tube[:0]
    stop = 0
    for number, group in enumerate(_row_groups(scanned.file, scanned.door)):
        writer.write("samples", group)
        tubes = scanned.tube[stop : stop + group.num_rows]
        stop += group.num_rows
        complete = scanned.last_batch[tubes] == number
        # Nearly all tubes are whole: up to the first that is not, nothing has to be copied.
        cut = group.num_rows if complete.all() else int(np.argmin(complete))
        waiting = pa.concat_tables([carried.cast(group.schema), compacted(group.slice(cut))])
        waiting_tubes = np.append(carried_tubes, tubes[cut:])
        done = scanned.last_batch[waiting_tubes] == number
        yield pa.concat_tables([group.slice(0, cut), waiting.filter(pa.array(done))])
        carried, carried_tubes = waiting.filter(pa.array(~done)).cast(SAMPLES.schema), waiting_tubes[~done]


class _Parts:
    """Cuts wells and calls by the batch that holds their specimen, each batch with a dictionary of its own."""

    def __init__(self, batch: NDArray[np.int16], specimens: pa.Array) -> None:
        self._batch = np.append(batch, np.int16(-1))  # of a well without a specimen
        self._specimens = specimens
        self._place = np.empty(batch.size + 1, np.int32)

    def of(self, number: int, *tables: pa.Table) -> list[pa.Table]:
        """Return the rows of each table that belong to a batch; their specimens share one dictionary."""
        inside = np.flatnonzero(self._batch == number)
        self._place[inside] = np.arange(inside.size, dtype=np.int32)
        texts = self._specimens.take(pa.array(inside))
        parts = []
        for table in tables:
            codes = as_codes(table["specimen_id"])[0]
            rows = np.flatnonzero(self._batch[codes] == number)
            place = table.column_names.index("specimen_id")
            part = table.take(pa.array(rows))
            parts.append(part.set_column(place, part.schema.field(place), coded(self._place[codes[rows]], texts)))
        return parts


def compute_large(
    scanned: Scan,
    writer: SegmentWriter,
    *,
    protocol: Protocol,
    at: datetime,
    prior: float | pa.Table | None,
    progress: Callable[[str], None],
) -> tuple[Prepared, dict[str, Any]]:
    """Compute and write a large day; returns what was prepared and the counts of the run."""
    day = scanned.day
    prepared = prepare(day, protocol=protocol, at=at)
    progress("call")
    wells = prepared.union.wells  # its specimens are a dictionary already, and the calls name them by it
    calls, called = call_wells(wells, prepared.runs, prepared.readings, protocol=protocol)
    parts = _Parts(scanned.batch_of_specimen, as_codes(wells["specimen_id"])[1])
    findings: list[Finding] = [*ending_later(prepared.late), *called]
    totals: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    orders = []
    progress("resolve")
    for number, samples in enumerate(_batches(scanned, writer)):
        some_wells, some_calls = parts.of(number, wells, calls)
        registered = register(samples, day.pools, day.members, protocol=protocol, distinct=True)
        resolved = resolve(
            registered.samples,
            registered.pools,
            registered.members,
            some_wells,
            some_calls,
            prepared.runs,
            protocol=protocol,
            at=prepared.at,
            unusable=registered.unusable,
            doubtful=registered.doubtful,
            prior=prior,
        )
        writer.write("results", resolved.results)
        orders.append(resolved.orders)
        findings += [*registered.findings, *resolved.findings]
        totals.update(samples=samples.num_rows, pools=registered.pools.num_rows)
        statuses.update(counts(resolved.results["status"]))
    if totals["samples"] != scanned.tube.size:
        raise AssertionError(f"samples are not conserved: {scanned.tube.size} came in, {totals['samples']} came out")
    progress("write")
    issued = pa.concat_tables([part.cast(orders[0].schema) for part in orders])
    noted = findings_table([*findings, *check_runs(wells, calls, prepared.runs, protocol=protocol)])
    written = {"wells": wells, "readings": prepared.readings, "runs": prepared.runs, "calls": calls}
    for name, rows in (written | {"custody": prepared.custody, "orders": issued, "findings": noted}).items():
        writer.write(name, rows)
    summary = summarise(
        n_samples=totals["samples"],
        n_pools=totals["pools"],
        n_wells=day.wells.num_rows,
        results=statuses,
        calls=calls,
        orders=issued,
        findings=noted,
    )
    return prepared, summary
