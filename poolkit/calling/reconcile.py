"""Wells against runs: what was never read, and what was read faster than an instrument can."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from poolkit.arrays import TextIndex, encode, numbers
from poolkit.protocols import Protocol
from poolkit.schemas import Finding

_HOUR_US = 3_600_000_000
UNKNOWN_INSTRUMENT = "unknown"


def check_runs(wells: pa.Table, calls: pa.Table, runs: pa.Table, *, protocol: Protocol) -> tuple[Finding, ...]:
    """Hold the plate maps against every call and run; section 10 of the definitions.

    Parameters
    ----------
    wells, calls, runs : pyarrow.Table
        Plate maps, every call made on them, and the accepted runs.
    protocol
        How many wells an instrument reads in an hour.

    Returns
    -------
    tuple of Finding
        `well_not_read` and `instrument_overload`.
    """
    unread = [
        Finding(
            "well_not_read",
            "warning",
            (row["plate_id"], row["well"], row["specimen_id"]),
            f"{row['specimen_id']} stands in {row['plate_id']}/{row['well']}, but no run read it",
        )
        for row in not_read(wells, calls).to_pylist()
    ]
    return (*unread, *_overloads(wells, runs, protocol))


def _overloads(wells: pa.Table, runs: pa.Table, protocol: Protocol) -> list[Finding]:
    if runs.num_rows == 0:
        return []
    plate, plates = encode(wells["plate_id"])
    content, contents = encode(wells["content"])
    full = np.bincount(plate[content != contents.index("empty").as_py()], minlength=len(plates) + 1)
    run_plate, run_plates = encode(runs["plate_id"])
    n_wells = full[TextIndex.of(plates).find(run_plates)][run_plate]  # a plate without a map finds the spare zero
    instrument, instruments = encode(runs["instrument_id"])
    order = np.lexsort((numbers(runs["ended_at"]), instrument))
    ended, instrument, n_wells = numbers(runs["ended_at"])[order], instrument[order], n_wells[order]
    total = np.concatenate((np.zeros(1, np.int64), np.cumsum(n_wells)))
    findings = []
    for code, name in enumerate(instruments.to_pylist()):
        start, stop = np.searchsorted(instrument, [code, code + 1])
        # The hour up to each run's end: from the first run that ended within it to the last that ended then.
        first = start + np.searchsorted(ended[start:stop], ended[start:stop] - _HOUR_US, side="right")
        last = start + np.searchsorted(ended[start:stop], ended[start:stop], side="right")
        most = int((total[last] - total[first]).max(initial=0))
        if name != UNKNOWN_INSTRUMENT and most > protocol.wells_per_instrument_hour:
            message = f"{name} read {most} wells within an hour; it can read {protocol.wells_per_instrument_hour:g}"
            findings.append(Finding("instrument_overload", "warning", (name,), message))
    return findings


def not_read(wells: pa.Table, calls: pa.Table) -> pa.Table:
    """Return the specimen wells of a plate map that no call answers, whatever run read the plate.

    Parameters
    ----------
    wells, calls : pyarrow.Table
        Plate maps, and every call made on them.

    Returns
    -------
    pyarrow.Table
        The rows of `wells` with content ``specimen`` and no call.
    """
    specimens = wells.filter(pc.equal(wells["content"].cast(pa.string()), "specimen"))
    plate_codes, plate_names = encode(specimens["plate_id"])
    well_codes, well_names = encode(specimens["well"])
    on_plate, on_well = encode(calls["plate_id"]), encode(calls["well"])
    plate = TextIndex.of(plate_names).find(on_plate[1])[on_plate[0]]
    well = TextIndex.of(well_names).find(on_well[1])[on_well[0]]
    both = (plate >= 0) & (well >= 0)
    answered = np.zeros((len(plate_names), max(len(well_names), 1)), np.bool_)
    answered[plate[both], well[both]] = True
    return specimens.filter(pa.array(~answered[plate_codes, well_codes]))
