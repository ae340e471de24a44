"""Whether instruments and lots are in control: Levey-Jennings charts of the controls' Ct, and Westgard's rules."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, codes_in, encode, filled, frozen, plain
from poolkit.kernels import controls as kernels
from poolkit.quality.answers import CHARTS, GROUPS, OUT, POINTS, TOO_FEW, Counts, rate_rows
from poolkit.quality.positivity import Calendar, _replaced
from poolkit.quality.rules import MonitorRules

CONTROLS = ("positive_control", "weak_positive_control")
# An instrument is held to its own first readings, a lot to those before it: a bad lot shows from its first plate.
_HELD_TO_BEFORE = {"instrument_id": False, "extraction_lot": True, "amplification_lot": True}
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read of the positive controls, in order of time.

    Attributes
    ----------
    run, control, target : numpy.ndarray of int32
        (readings,) row of the runs, place in CONTROLS, place among the targets.
    well : pyarrow.Array
        Its name.
    ct : numpy.ndarray of float64
        Its Ct, 0 where there is none.
    missing : numpy.ndarray of bool
        Where there is none.
    targets : tuple of str
        Their names.
    """

    run: Codes
    control: Codes
    target: Codes
    well: pa.Array
    ct: NDArray[np.float64]
    missing: NDArray[np.bool_]
    targets: tuple[str, ...]


def control_readings(
    wells: pa.Table, runs: pa.Table, readings: pa.Table, *, ended: NDArray[np.int64], targets: tuple[str, ...]
) -> Readings:
    """Return the readings of pathogen targets in positive and weak positive controls.

    Parameters
    ----------
    wells, runs, readings : pyarrow.Table
        As the store has them; wells and readings of anything else may be left out.
    ended
        (runs,) end of each run.
    targets
        The pathogen targets.

    Returns
    -------
    Readings
        Each run, well and target once, the first reading of it.
    """
    contents = codes_in(wells["content"], pa.array(CONTROLS))
    placed = wells.filter(pa.array(contents >= 0))
    contents = contents[contents >= 0]
    plates = TextIndex.of(plain(placed["plate_id"]))
    names = TextIndex.of(plain(placed["well"]))
    on_plate = np.full((len(plates.values) + 1, len(names.values) + 1), -1, np.int32)
    on_plate[plates.codes, names.codes] = contents

    run = codes_in(readings["run_id"], plain(runs["run_id"]))
    target = codes_in(readings["target"], pa.array(targets, pa.string()))
    well = codes_in(readings["well"], names.values)
    plate_of_run = codes_in(runs["plate_id"], plates.values)
    kept = np.flatnonzero((run >= 0) & (target >= 0) & (well >= 0))
    control = on_plate[plate_of_run[run[kept]], well[kept]]
    kept, control = kept[control >= 0], control[control >= 0]
    run, target, well = run[kept], target[kept], well[kept]
    # A reading that came twice counts once, the first.
    place = (run.astype(np.int64) * (len(names.values) + 1) + well) * (len(targets) + 1) + target
    _, once = np.unique(place, return_index=True)
    alphabetical = pc.rank(plain(runs["run_id"]), sort_keys="ascending", tiebreaker="first").to_numpy()
    by_name = pc.rank(names.values, sort_keys="ascending", tiebreaker="first").to_numpy()
    order = once[np.lexsort((by_name[well[once]], alphabetical[run[once]], ended[run[once]]))]
    ct, missing = filled(readings["ct_cycles"].take(pa.array(kept[order])), 0.0)
    return Readings(
        run[order], control[order], target[order], names.values.take(pa.array(well[order])), ct, missing, targets
    )


def chart_controls(
    read: Readings,
    runs: pa.Table,
    calendar: Calendar,
    rules: MonitorRules,
    *,
    ended: NDArray[np.int64],
    baselines: pa.Table | None = None,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return rates, charts and points of the controls of each instrument and each lot.

    Parameters
    ----------
    read
        The readings.
    runs : pyarrow.Table
        Their runs.
    calendar
        The runs' days.
    rules
        Baseline, rules and limits.
    ended
        (runs,) end of each run.
    baselines : pyarrow.Table, optional
        Rows of ``charts`` whose mean and standard deviation are to be used where group, control and target are theirs.

    Returns
    -------
    rates, charts, points : pyarrow.Table
        Of all charts.

    Notes
    -----
    O(readings log readings).
    """
    given = _given(baselines)
    parts: list[tuple[pa.Table, pa.Table, pa.Table]] = []
    for by in GROUPS:
        n_before = sum(part[1].num_rows for part in parts)
        made = _family(by, read, runs, calendar, rules, ended, given, n_before)
        if made is not None:
            parts.append(made)
    if not parts:
        return (
            rate_rows("controls", "day", _nothing(), days=(_NONE, _NONE), confidence=rules.confidence),
            CHARTS.empty(),
            POINTS.empty(),
        )
    rates, charts, points = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    return rates, charts, points


_NONE = np.zeros(0, np.int64)


def _nothing() -> Counts:
    return Counts(_NONE, _NONE, _NONE)


def _given(baselines: pa.Table | None) -> dict[_Key, tuple[float, float, int]]:
    if baselines is None:
        return {}
    return {
        (row["by"], row["group"], row["control"], row["target"]): (
            row["mean_cycles"],
            row["sd_cycles"],
            row["n_baseline"],
        )
        for row in baselines.to_pylist()
        if row["sd_cycles"]
    }


def _family(
    by: str,
    read: Readings,
    runs: pa.Table,
    calendar: Calendar,
    rules: MonitorRules,
    ended: NDArray[np.int64],
    given: dict[_Key, tuple[float, float, int]],
    n_before: int,
) -> tuple[pa.Table, pa.Table, pa.Table] | None:
    """Return the charts of all groups of one kind."""
    code, groups = encode(runs[by])
    group = code[read.run]
    series = read.control * np.int64(len(read.targets)) + read.target
    rows = np.flatnonzero(group >= 0)
    key = series[rows] * max(len(groups), 1) + group[rows]
    rows = rows[np.argsort(key, kind="stable")]
    if not rows.size:
        return None
    key = series[rows] * max(len(groups), 1) + group[rows]
    starts = np.flatnonzero(np.append(True, np.diff(key) > 0))
    offsets = np.append(starts, rows.size)
    ct, missing = read.ct[rows], read.missing[rows]
    z, state = np.zeros(rows.size), np.full(rows.size, kernels.NO_SCALE, np.uint8)
    control, target, name = read.control[rows[starts]], read.target[rows[starts]], group[rows[starts]]
    before = _Before(read, series, rules.baseline_points) if _HELD_TO_BEFORE[by] else None
    charts = []
    for chart, (start, stop) in enumerate(pairwise(offsets.tolist())):
        labels = (by, groups[int(name[chart])].as_py(), CONTROLS[control[chart]], read.targets[target[chart]])
        mean, sd, n, whose = _baseline(
            ct[start:stop][~missing[start:stop]],
            None if before is None else before.readings(int(rows[start]), ended),
            given.get(labels),
            rules.baseline_points,
        )
        if mean is not None and sd is not None:
            z[start:stop] = (ct[start:stop] - mean) / sd
            state[start:stop] = kernels.JUDGED
            if whose == "own":
                seen = np.cumsum(~missing[start:stop])
                state[start:stop][seen - (~missing[start:stop]) < rules.baseline_points] = kernels.BASELINE
        charts.append((n_before + chart, *labels, n, whose, mean, sd))
    state[missing] = kernels.NO_CT
    broken = np.zeros(rows.size, np.uint8)
    kernels.follow(frozen(offsets), frozen(z), frozen(state), rules.same_side, broken)
    pair = read.run[rows].astype(np.int64) * len(read.targets) + read.target[rows]
    beyond = np.zeros(runs.num_rows * len(read.targets), np.uint8)
    kernels.oppose(frozen(pair), frozen(z), frozen(state), beyond, broken)

    of_point = np.repeat(np.arange(starts.size), np.diff(offsets))
    rejected = (broken & rules.reject_bits) != 0
    made = pa.table(
        {column: list(values) for column, values in zip(CHARTS.names, zip(*charts, strict=True), strict=True)},
        schema=CHARTS.schema,
    )
    points = _points(read, rows, runs, n_before + of_point, z, state, broken, rejected, rules)
    return _chart_rates(by, made, of_point, state, rejected, calendar, read.run[rows], rules), made, points


class _Before:
    """The readings of one control and target before a moment, whatever the lot."""

    def __init__(self, read: Readings, series: NDArray[np.int64], n_wanted: int) -> None:
        self._read, self._series, self._n_wanted = read, series, n_wanted
        self._rows = {int(each): np.flatnonzero((series == each) & ~read.missing) for each in np.unique(series)}

    def readings(self, row: int, ended: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the last that ended before a reading's run, no more than are wanted."""
        rows = self._rows[int(self._series[row])]
        stop = int(np.searchsorted(ended[self._read.run[rows]], ended[self._read.run[row]]))
        return self._read.ct[rows[max(stop - self._n_wanted, 0) : stop]]


def _baseline(
    own: NDArray[np.float64],
    before: NDArray[np.float64] | None,
    given: tuple[float, float, int] | None,
    n_wanted: int,
) -> tuple[float | None, float | None, int, str | None]:
    """Return mean, standard deviation, how many readings they rest on and whose; no scatter is no scale."""
    if given is not None:
        return (*given, "given")
    whose, ct = ("before", before) if before is not None and before.size >= n_wanted else ("own", own[:n_wanted])
    sd = float(ct.std(ddof=1)) if ct.size >= n_wanted else 0.0
    # Equal readings differ in their last bits once the mean is taken.
    if sd <= 1e-9:
        return None, None, int(ct.size), None
    return float(ct.mean()), sd, int(ct.size), whose


def _points(
    read: Readings,
    rows: NDArray[np.int64],
    runs: pa.Table,
    chart: NDArray[np.int64],
    z: NDArray[np.float64],
    state: NDArray[np.uint8],
    broken: NDArray[np.uint8],
    rejected: NDArray[np.bool_],
    rules: MonitorRules,
) -> pa.Table:
    bits, which = np.unique(broken, return_inverse=True)
    words = [[name for place, name in enumerate(rules.names) if each >> place & 1] for each in bits.tolist()]
    run = pa.array(read.run[rows])
    return pa.table(
        {
            "chart": chart.astype(np.int32),
            "run_id": plain(runs["run_id"].take(run)),
            "well": read.well.take(pa.array(rows)),
            "at": runs["ended_at"].take(run),
            "ct_cycles": pa.array(read.ct[rows], mask=read.missing[rows]),
            "z": pa.array(z, mask=(state == kernels.NO_CT) | (state == kernels.NO_SCALE)),
            "baseline": state == kernels.BASELINE,
            "rules": pa.array(words, pa.list_(pa.string())).take(pa.array(which)),
            "rejected": rejected,
        },
        schema=POINTS.schema,
    )


def _chart_rates(
    by: str,
    charts: pa.Table,
    of_point: NDArray[np.int64],
    state: NDArray[np.uint8],
    rejected: NDArray[np.bool_],
    calendar: Calendar,
    run: Codes,
    rules: MonitorRules,
) -> pa.Table:
    """Return how many readings of the last window the rules reject, a row a chart that has any."""
    recent = (calendar.of_run[run] > calendar.last - calendar.width) & (state != kernels.BASELINE)
    n = np.bincount(of_point[recent], minlength=charts.num_rows)
    k = np.bincount(of_point[recent & rejected], minlength=charts.num_rows)
    first = max(calendar.last - calendar.width + 1, calendar.first)
    rows = rate_rows(
        "controls",
        by,
        Counts(n, k, np.zeros_like(n)),
        days=(np.full(n.size, first), np.full(n.size, calendar.last)),
        confidence=rules.confidence,
        group=charts["group"].combine_chunks(),
        control=charts["control"].combine_chunks(),
        target=charts["target"].combine_chunks(),
        limit=rules.rejection_limit,
        beyond=OUT,
    )
    # Without a scale only a missing Ct is seen, and that none is missing says little.
    unscaled = pc.and_(pc.is_null(charts["baseline"]), pc.invert(rows["sure"]))
    words = pc.if_else(unscaled, TOO_FEW, rows["verdict"])
    rows = _replaced(rows, verdict=words.combine_chunks())
    return rows.filter(pc.greater(rows["n"], 0))
