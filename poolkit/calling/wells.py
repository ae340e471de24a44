"""Readings to calls: plate acceptance first, then one call for each specimen well that was read."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, as_codes, coded, codes_in, encode, filled, frozen, plain
from poolkit.kernels import calling as kernels
from poolkit.protocols import Protocol
from poolkit.schemas import CALLS, CALLS_MADE, CONTENTS, Finding

REASONS = ("single_target", "grey", "target_missing", "internal_control", "conflicting_readings", "plate_controls")

_MUST = {
    "specimen": kernels.SPECIMEN,
    "negative_control": kernels.MUST_BE_ABSENT,
    "blank": kernels.MUST_BE_ABSENT,
    "positive_control": kernels.MUST_BE_DETECTED,
    "weak_positive_control": kernels.MUST_BE_DETECTED,
    "empty": kernels.EMPTY,
}


@dataclass(frozen=True, slots=True)
class _Plates:
    """The wells sorted by plate, as codes."""

    names: TextIndex  # plate barcodes
    wells: TextIndex  # well names
    first: NDArray[np.int64]  # (plates + 1,) first sorted well of each plate
    rows: Codes  # (wells,) row of the wells table
    well: Codes  # (wells,) well name
    content: NDArray[np.uint8]  # (wells,) place in CONTENTS
    place: NDArray[np.int32]  # (plates, well names) place on the plate, -1 where nothing stands


def call_wells(
    wells: pa.Table, runs: pa.Table, readings: pa.Table, *, protocol: Protocol
) -> tuple[pa.Table, tuple[Finding, ...]]:
    """Call every specimen well of every run that was read.

    Parameters
    ----------
    wells, runs, readings : pyarrow.Table
        Plate maps, the runs to be called and what they read, each as its schema says.
    protocol
        Targets, limits and controls.

    Returns
    -------
    calls : pyarrow.Table
        One row a specimen well with at least one reading, in the order of `runs` and, in a run, of `wells`.
    findings : tuple of Finding
        What does not add up.

    Notes
    -----
    O(wells of all runs + readings). See sections 2 and 3 of the definitions.
    """
    plates = _plates(wells)
    run_names = TextIndex.of(plain(runs["run_id"]))
    plate_of_run = plates.names.find(plain(runs["plate_id"]))
    sizes = np.append(np.diff(plates.first), 0)[plate_of_run]  # a plate without a map finds the spare zero
    first_of_run = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    run_of = np.repeat(np.arange(runs.num_rows, dtype=np.int32), sizes)
    sorted_well = np.arange(first_of_run[-1]) - np.repeat(first_of_run[:-1], sizes)
    sorted_well += np.repeat(plates.first[plate_of_run], sizes)
    content = plates.content[sorted_well]

    read = _Read(readings, run_names, plates, protocol)
    where = kernels.PlateMap(frozen(plate_of_run), frozen(first_of_run), frozen(plates.place))
    row_of = np.full((int(first_of_run[-1]), read.n_targets), -1, np.int32)
    trouble = np.zeros(readings.num_rows, np.uint8)
    kernels.place_readings(read.run, read.well, read.target, read.ct, where, row_of, trouble)

    limits = _limits(protocol)
    role = _roles()[content]
    low, high = _windows(protocol)
    bad = np.zeros(role.size, np.uint8)
    kernels.judge_controls(frozen(role), frozen(row_of), read.ct, limits, frozen(low), frozen(high), bad)
    lacking = _lacking(content, run_of, runs.num_rows, protocol)
    failed = (np.bincount(run_of, bad, runs.num_rows) > 0) | lacking.any(axis=1)
    called = np.empty(role.size, np.int8)
    reasons = np.zeros(role.size, np.uint8)
    kernels.call(
        frozen(role), frozen(row_of), read.ct, frozen(failed[run_of].astype(np.uint8)), limits, called, reasons
    )

    made = np.flatnonzero(called != kernels.UNREAD)
    calls = _calls_table(wells, runs, plates, run_of[made], sorted_well[made], called[made], reasons[made])
    was_read = np.bincount(run_of, (row_of != -1).any(axis=1), runs.num_rows) > 0
    findings = (
        *_not_mapped(readings, np.flatnonzero(read.run < 0), "its run is not in the runs table"),
        *_reading_findings(readings, trouble, protocol),
        *_plate_findings(runs, plates, failed & was_read, run_of, sorted_well, bad, lacking, protocol),
    )
    return calls, findings


def _plates(wells: pa.Table) -> _Plates:
    plate_codes, plate_names = encode(wells["plate_id"])
    well_codes, well_names = encode(wells["well"])
    content_codes, contents = encode(wells["content"])
    known = np.array([CONTENTS.index(name) if name in CONTENTS else 0 for name in contents.to_pylist()], np.uint8)
    n_plates, n_names = len(plate_names), len(well_names)
    order = np.argsort(plate_codes, kind="stable").astype(np.int32)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(plate_codes, minlength=n_plates))))
    place = np.full((n_plates, max(n_names, 1)), -1, np.int32)
    content = known[content_codes[order]] if len(order) else np.zeros(0, np.uint8)
    on_plate = (np.arange(order.size) - first[plate_codes[order]]).astype(np.int32)
    stands = content != CONTENTS.index("empty")
    place[plate_codes[order][stands], well_codes[order][stands]] = on_plate[stands]
    return _Plates(TextIndex.of(plate_names), TextIndex.of(well_names), first, order, well_codes[order], content, place)


class _Read:
    """The readings as codes of runs, wells and targets; -1 where one is unknown."""

    def __init__(self, readings: pa.Table, runs: TextIndex, plates: _Plates, protocol: Protocol) -> None:
        names = list(protocol.targets) + ([protocol.internal_control] if protocol.internal_control else [])
        self.n_targets = len(names)
        self.run = codes_in(readings["run_id"], runs.values, runs)
        self.well = codes_in(readings["well"], plates.wells.values, plates.wells)
        self.target = codes_in(readings["target"], pa.array(names, pa.string()))
        self.ct, _ = filled(readings["ct_cycles"], np.inf)


def _not_mapped(readings: pa.Table, rows: NDArray[np.int64], why: str) -> list[Finding]:
    if rows.size == 0:
        return []
    some = readings.take(pa.array(rows))
    pairs = dict.fromkeys(zip(some["run_id"].to_pylist(), some["well"].to_pylist(), strict=True))
    return [
        Finding("well_not_mapped", "error", (run, well), f"well {well} of run {run} was read, but {why}")
        for run, well in pairs
    ]


def _reading_findings(readings: pa.Table, trouble: NDArray[np.uint8], protocol: Protocol) -> list[Finding]:
    if not trouble.any():
        return []
    findings = _not_mapped(
        readings, np.flatnonzero(trouble == kernels.NOT_MAPPED), "no plate map says that something stands there"
    )
    unknown = readings["target"].filter(pa.array(trouble == kernels.UNKNOWN_TARGET)).cast(pa.string())
    expected = ", ".join([*protocol.targets, *filter(None, [protocol.internal_control])])
    for count in pc.value_counts(unknown).to_pylist():
        message = f"{count['counts']} readings of {count['values']} not used; expected {expected}"
        findings.append(Finding("unknown_target", "warning", (count["values"],), message))
    # A target of a well is one finding; when any repetition differs it is the conflict that counts.
    for code, severity in ((kernels.SAME_AGAIN, "warning"), (kernels.CONFLICT, "error")):
        for row in readings.take(pa.array(np.flatnonzero(trouble == code))).to_pylist():
            ids = (row["run_id"], row["well"], row["target"])
            said = (
                "with the same Ct; one is used" if severity == "warning" else "with different Ct; the well is invalid"
            )
            findings.append(
                Finding("duplicate_reading", severity, ids, f"{' '.join(ids)} was read more than once {said}")
            )
    return findings


def _limits(protocol: Protocol) -> kernels.Limits:
    internal = float(protocol.ct_internal) if protocol.ct_internal is not None else -np.inf
    return kernels.Limits(
        float(protocol.ct_positive),
        float(protocol.ct_limit),
        internal,
        len(protocol.targets),
        int(protocol.targets_for_positive),
    )


def _roles() -> NDArray[np.uint8]:
    """Return what each content must be, with the content itself in the upper four bits."""
    return np.array([_MUST[name] | (code << 4) for code, name in enumerate(CONTENTS)], np.uint8)


def _windows(protocol: Protocol) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.full((len(CONTENTS), len(protocol.targets)), -np.inf)
    high = np.full_like(low, np.inf)
    for content, rule in protocol.controls.items():
        for target, (least, most) in rule.windows.items():
            at = CONTENTS.index(content), protocol.targets.index(target)
            low[at], high[at] = least, most
    return low, high


def _lacking(content: NDArray[np.uint8], run_of: Codes, n_runs: int, protocol: Protocol) -> NDArray[np.bool_]:
    """Return for each run and content whether the plate has fewer such wells than the protocol asks."""
    counts = np.bincount(run_of.astype(np.int64) * len(CONTENTS) + content, minlength=n_runs * len(CONTENTS))
    asked = [protocol.minimum(name) for name in CONTENTS]
    lacking: NDArray[np.bool_] = counts.reshape(n_runs, len(CONTENTS)) < np.array(asked)
    return lacking


def _plate_findings(
    runs: pa.Table,
    plates: _Plates,
    failed: NDArray[np.bool_],
    run_of: Codes,
    sorted_well: NDArray[np.int64],
    bad: NDArray[np.uint8],
    lacking: NDArray[np.bool_],
    protocol: Protocol,
) -> list[Finding]:
    names = plates.wells.values
    findings = []
    for run in np.flatnonzero(failed):
        name = runs["run_id"][int(run)].as_py()
        wrong = np.flatnonzero((run_of == run) & (bad != 0))
        parts = [
            f"{CONTENTS[plates.content[k]]} in {names[int(plates.well[k])].as_py()} does not show what it must"
            for k in sorted_well[wrong]
        ]
        parts += [
            f"fewer than {protocol.minimum(CONTENTS[code])} {CONTENTS[code]}" for code in np.flatnonzero(lacking[run])
        ]
        message = f"run {name} failed its controls: {'; '.join(parts)}; all its wells are invalid"
        findings.append(Finding("plate_controls", "warning", (name,), message))
    return findings


def _reason_lists(reasons: NDArray[np.uint8]) -> pa.Array:
    bits = (reasons[:, None] >> np.arange(len(REASONS), dtype=np.uint8)) & 1
    offsets = np.concatenate((np.zeros(1, np.int32), np.cumsum(bits.sum(axis=1), dtype=np.int32)))
    names = pa.array(REASONS).take(pa.array(np.nonzero(bits)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets), names)


def _calls_table(
    wells: pa.Table,
    runs: pa.Table,
    plates: _Plates,
    run_of: Codes,
    sorted_well: NDArray[np.int64],
    called: NDArray[np.int8],
    reasons: NDArray[np.uint8],
) -> pa.Table:
    rows = plates.rows[sorted_well]
    plate_of = np.searchsorted(plates.first, sorted_well, side="right") - 1
    specimen_codes, specimens = as_codes(wells["specimen_id"])
    columns = [
        coded(run_of, plain(runs["run_id"])),
        coded(plates.well[sorted_well], plates.wells.values),
        coded(plate_of.astype(np.int32), plates.names.values),
        coded(specimen_codes[rows], specimens),
        coded(called.astype(np.int32), pa.array(CALLS_MADE)),
        _reason_lists(reasons),
    ]
    fields = [field.with_type(column.type) for field, column in zip(CALLS.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))
