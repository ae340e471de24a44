"""Readings to calls: every reading finds its well, every well its call."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel

NEGATIVE, POSITIVE, SUSPECT, INVALID, UNREAD = 0, 1, 2, 3, -1
SINGLE_TARGET, GREY, TARGET_MISSING, INTERNAL_CONTROL, CONFLICTING, PLATE_CONTROLS = 1, 2, 4, 8, 16, 32
NOT_MAPPED, SAME_AGAIN, CONFLICT, UNKNOWN_TARGET = 1, 2, 3, 4
_MISSING, _CONFLICTING, _ABSENT, _GREY, _DETECTED = 0, 1, 2, 3, 4
OTHER, SPECIMEN, MUST_BE_ABSENT, MUST_BE_DETECTED, EMPTY = 0, 1, 2, 3, 4


class PlateMap(NamedTuple):
    """Where a reading belongs: the place of its run and well among the calls to be made."""

    plate_of_run: NDArray[np.int32]  # (runs,)
    first_of_run: NDArray[np.int64]  # (runs + 1,) first place of each run
    place: NDArray[np.int32]  # (plates, well names) place of a well on its plate, -1 where there is none


class Limits(NamedTuple):
    """The protocol's limits in cycles."""

    ct_positive: float
    ct_limit: float
    ct_internal: float  # -inf when the protocol has no internal control
    n_targets: int  # pathogen targets come first, the internal control last
    for_positive: int


@kernel
def place_readings(
    run: NDArray[np.int32],
    well: NDArray[np.int32],
    target: NDArray[np.int32],
    ct: NDArray[np.float64],
    where: PlateMap,
    row_of: NDArray[np.int32],
    trouble: NDArray[np.uint8],
) -> None:
    """Write for each place and target the row of its reading, and for each reading what is wrong with it.

    run, well, target (codes, -1 where unknown) and ct (null is +inf) are (readings,); row_of (places, targets)
    starts at -1; trouble (readings,) is written. A target read twice with two values gets ``-2 - row`` of the first.
    """
    for row in range(run.size):
        if run[row] < 0:
            continue
        place = np.int32(-1)
        if well[row] >= 0 and where.plate_of_run[run[row]] >= 0:
            place = where.place[where.plate_of_run[run[row]], well[row]]
        if place < 0:
            trouble[row] = NOT_MAPPED
            continue
        if target[row] < 0:
            trouble[row] = UNKNOWN_TARGET
            continue
        cell = where.first_of_run[run[row]] + place
        known = row_of[cell, target[row]]
        if known == -1:
            row_of[cell, target[row]] = row
            continue
        first = known if known >= 0 else -2 - known
        if ct[first] == ct[row]:
            trouble[row] = SAME_AGAIN
        else:
            trouble[row] = CONFLICT
            row_of[cell, target[row]] = -2 - first


@kernel
def _state(row: int, ct: NDArray[np.float64], limits: Limits) -> int:
    """Name what one target of one well shows."""
    if row == -1:
        return _MISSING
    if row < -1:
        return _CONFLICTING
    if ct[row] < limits.ct_positive:
        return _DETECTED
    if ct[row] <= limits.ct_limit:
        return _GREY
    return _ABSENT


@kernel
def judge_controls(
    role: NDArray[np.uint8],
    row_of: NDArray[np.int32],
    ct: NDArray[np.float64],
    limits: Limits,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    bad: NDArray[np.uint8],
) -> None:
    """Set ``bad`` where a control well does not show what it must.

    role (places,), row_of (places, targets) and ct (readings,) are read; low and high (places' control windows by
    content, targets) are indexed by ``role >> 4``; bad (places,) is written. The role's lower four bits say what a
    control must be.
    """
    for place in range(role.size):
        must = role[place] & 15
        if must != MUST_BE_ABSENT and must != MUST_BE_DETECTED:
            continue
        content = role[place] >> 4
        for target in range(limits.n_targets):
            row = row_of[place, target]
            state = _state(row, ct, limits)
            if must == MUST_BE_ABSENT:
                if state != _ABSENT:
                    bad[place] = 1
            elif state != _DETECTED or ct[row] < low[content, target] or ct[row] > high[content, target]:
                bad[place] = 1


@kernel
def call(
    role: NDArray[np.uint8],
    row_of: NDArray[np.int32],
    ct: NDArray[np.float64],
    failed: NDArray[np.uint8],
    limits: Limits,
    calls: NDArray[np.int8],
    reasons: NDArray[np.uint8],
) -> None:
    """Call every specimen well that was read.

    role (places,), row_of (places, targets), ct (readings,) and failed (places,: of a failed run) are read; calls and
    reasons (places,) are written, UNREAD where nothing was read.
    """
    n_all = row_of.shape[1]
    internal = limits.n_targets < n_all
    for place in range(role.size):
        calls[place] = UNREAD
        if role[place] & 15 != SPECIMEN:
            continue
        n_read = 0
        n_detected = 0
        n_grey = 0
        n_missing = 0
        conflicting = False
        for target in range(n_all):
            row = row_of[place, target]
            if row != -1:
                n_read += 1
            if row < -1:
                conflicting = True
            if target < limits.n_targets:
                state = _state(row, ct, limits)
                if state == _DETECTED:
                    n_detected += 1
                elif state == _GREY:
                    n_grey += 1
                elif state == _MISSING:
                    n_missing += 1
        if n_read == 0:
            continue
        if failed[place]:
            calls[place] = INVALID
            reasons[place] = PLATE_CONTROLS
        elif conflicting:
            calls[place] = INVALID
            reasons[place] = CONFLICTING
        elif n_detected >= limits.for_positive:
            calls[place] = POSITIVE
        elif n_detected + n_grey > 0:
            calls[place] = SUSPECT
            reasons[place] = (SINGLE_TARGET if n_detected > 0 else 0) | (GREY if n_grey > 0 else 0)
        elif n_missing > 0:
            calls[place] = INVALID
            reasons[place] = TARGET_MISSING
        elif internal and (row_of[place, n_all - 1] < 0 or ct[row_of[place, n_all - 1]] > limits.ct_internal):
            calls[place] = INVALID
            reasons[place] = INTERNAL_CONTROL
        else:
            calls[place] = NEGATIVE
