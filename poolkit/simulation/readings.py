"""What the instruments read in each well, given how much virus is in it."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.assays import amplification_probability, expected_ct_cycles
from poolkit.protocols import Protocol
from poolkit.schemas import CONTENTS
from poolkit.simulation.barcodes import coded
from poolkit.simulation.failures import Failures
from poolkit.simulation.layout import EMPTY, SPECIMEN, WELL_NAMES, PlateWells

# Instrument exports in the reference data run 40 to 50 cycles.
LAST_CYCLE = 45.0
# Two targets of one assay, 25.9 and 24.7 in the median of 3,091 positives (Chan et al. 2021), about their middle;
# further targets are read at the middle.
TARGET_OFFSETS_CYCLES = (0.6, -0.6)
# Assumptions: extraction moves all targets of a well together, the reaction each by itself.
EXTRACTION_SD_CYCLES = 0.5
REACTION_SD_CYCLES = 0.3
# Assumptions: what a kit's own controls read.
INTERNAL_MEAN_CYCLES, INTERNAL_SD_CYCLES = 26.0, 1.0
CONTROL_CYCLES = {"positive_control": 25.0, "weak_positive_control": 33.0}
CONTAMINATION_CYCLES = 31.0
# How far a reading that must be valid stays from the protocol's threshold.
MARGIN_CYCLES = 0.5
FALSE_SIGNAL_SPAN_CYCLES = 3.0

_NEGATIVES = tuple(CONTENTS.index(content) for content in ("negative_control", "blank"))
_POSITIVES = tuple(CONTENTS.index(content) for content in CONTROL_CYCLES)


class Conditions(NamedTuple):
    """Under what the wells are read."""

    protocol: Protocol
    failures: Failures
    rng: np.random.Generator


def read(wells: PlateWells, log10_load: NDArray[np.float64], run_ids: pa.Array, conditions: Conditions) -> pa.Table:
    """Return the readings of these plates, one run each.

    Parameters
    ----------
    wells
        The wells of the plates that are read.
    log10_load
        log10 copies of each specimen after pooling; minus infinity for none, shape (specimens,).
    run_ids
        The run of each plate.
    conditions
        Protocol, failures and random numbers.

    Returns
    -------
    pyarrow.Table
        readings: for each well that is not empty, the protocol's pathogen targets and its internal control.

    Notes
    -----
    O(wells). A specimen is read at the standard curve's cycle for its load plus an offset of the target, a deviation of
    its extraction and one of each reaction; null when no molecule came into the reaction or after 45 cycles. So what
    dilution hides from a pool is missed here as it is in a laboratory. Each rate of `Failures` is an independent
    draw for each well or run.

    References
    ----------
    Chan et al. 2021 (two targets); Jones et al. 2021 and Verwilt et al. 2020 (the curve, see `poolkit.assays`).
    """
    protocol, failures, rng = conditions
    rows = np.flatnonzero(wells.content != EMPTY)
    plate, content = wells.plate[rows], wells.content[rows]
    held = content == SPECIMEN
    load = np.full(rows.size, -np.inf)
    load[held] = log10_load[wells.specimen[rows][held]]

    pathogen = _pathogen(load, len(protocol.targets), rng)
    _false_signals(pathogen, held, conditions)
    internal = _internal(pathogen, content, conditions)
    _controls(pathogen, plate, content, conditions)
    ct = pathogen if internal is None else np.column_stack([pathogen, internal])
    targets = [*protocol.targets, *([protocol.internal_control] if internal is not None else [])]

    on_file = ~(held & (rng.random(rows.size) < failures.dropped_reading))
    n_wells, n_targets = int(on_file.sum()), len(targets)
    return pa.table(
        {
            "run_id": coded(np.repeat(plate[on_file], n_targets), run_ids),
            "well": coded(np.repeat(wells.well[rows][on_file], n_targets), WELL_NAMES),
            "target": coded(np.tile(np.arange(n_targets), n_wells), targets),
            "ct_cycles": pa.array(np.round(ct[on_file].ravel(), 2), pa.float64(), from_pandas=True),
        }
    )


def _pathogen(load: NDArray[np.float64], n_targets: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return each pathogen target's Ct, NaN for none, shape (wells, targets)."""
    ct = np.full((load.size, n_targets), np.nan)
    carriers = np.flatnonzero(np.isfinite(load))
    shape = (carriers.size, n_targets)
    offsets = np.zeros(n_targets)
    if n_targets > 1:
        offsets[:2] = TARGET_OFFSETS_CYCLES
    extracted = expected_ct_cycles(load[carriers]) + rng.normal(0.0, EXTRACTION_SD_CYCLES, carriers.size)
    amplified = rng.random(shape) < amplification_probability(extracted)[:, None]
    seen = extracted[:, None] + offsets + rng.normal(0.0, REACTION_SD_CYCLES, shape)
    # However much virus there is, some cycles pass before a curve leaves its baseline.
    ct[carriers] = np.where(amplified & (seen <= LAST_CYCLE), np.maximum(seen, 3.0), np.nan)
    return ct


def _false_signals(pathogen: NDArray[np.float64], held: NDArray[np.bool_], conditions: Conditions) -> None:
    """Let a few wells without a signal show one target late."""
    protocol, failures, rng = conditions
    silent = held & np.isnan(pathogen).all(axis=1)
    wrong = np.flatnonzero(silent & (rng.random(held.size) < failures.false_signal))
    target = rng.integers(0, pathogen.shape[1], wrong.size)
    late = rng.uniform(protocol.ct_limit - FALSE_SIGNAL_SPAN_CYCLES, protocol.ct_limit, wrong.size)
    pathogen[wrong, target] = late


def _internal(
    pathogen: NDArray[np.float64], content: NDArray[np.int8], conditions: Conditions
) -> NDArray[np.float64] | None:
    """Return the internal control's Ct, NaN for none; a failed extraction loses the pathogen too."""
    protocol, failures, rng = conditions
    if protocol.internal_control is None or protocol.ct_internal is None:
        return None
    highest = protocol.ct_internal
    ct = np.minimum(rng.normal(INTERNAL_MEAN_CYCLES, INTERNAL_SD_CYCLES, content.size), highest - MARGIN_CYCLES)
    # It is the donor's own gene: kit controls without human material and water have none of it.
    ct[np.isin(content, _NEGATIVES)] = np.nan
    failed = (content == SPECIMEN) & (rng.random(content.size) < failures.failed_internal_control)
    late = rng.uniform(highest + MARGIN_CYCLES, max(LAST_CYCLE, highest + 2 * MARGIN_CYCLES), content.size)
    gone = (rng.random(content.size) < 0.5) | (late > LAST_CYCLE)
    ct[failed] = np.where(gone, np.nan, late)[failed]
    pathogen[failed] = np.nan
    return ct


def _controls(
    pathogen: NDArray[np.float64], plate: NDArray[np.int32], content: NDArray[np.int8], conditions: Conditions
) -> None:
    """Read the plate controls: as they should be, except for one control of each failed run."""
    protocol, failures, rng = conditions
    valid = protocol.ct_positive - MARGIN_CYCLES
    for name, mean in CONTROL_CYCLES.items():
        rows = np.flatnonzero(content == CONTENTS.index(name))
        windows = next((rule.windows for kind, rule in protocol.controls.items() if kind == name), {})
        for place, target in enumerate(protocol.targets):
            low, high = windows.get(target, (0.0, valid))
            middle = mean if low <= mean <= high else (low + high) / 2
            seen = rng.normal(middle, EXTRACTION_SD_CYCLES, rows.size)
            pathogen[rows, place] = np.clip(seen, np.ceil(low * 100) / 100, np.floor(high * 100) / 100)
    n_plates = int(plate[-1]) + 1 if plate.size else 0
    negative, positive = np.isin(content, _NEGATIVES), np.isin(content, _POSITIVES)
    has_negative, has_positive = (np.bincount(plate[kind], minlength=n_plates) > 0 for kind in (negative, positive))
    failed = rng.random(n_plates) < failures.failed_plate
    contaminated = has_negative & ((rng.random(n_plates) < 0.5) | ~has_positive)
    at_fault = np.flatnonzero(failed[plate] & np.where(contaminated[plate], negative, positive))
    lots = rng.random(at_fault.size)
    order = np.lexsort((lots, plate[at_fault]))
    first = np.diff(plate[at_fault][order], prepend=-1) != 0
    chosen = at_fault[order][first]
    seen = np.minimum(rng.normal(CONTAMINATION_CYCLES, 1.0, (chosen.size, pathogen.shape[1])), valid)
    pathogen[chosen] = np.where(contaminated[plate[chosen]][:, None], seen, np.nan)
