"""Which instrument reads which plate, and when."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.simulation.barcodes import barcodes, coded, pseudonyms

MINUTE_US = 60_000_000
# Assumptions: 45 min of extraction and set-up, runs of 90 min (75 to 120 min are usual), 15 min between runs, eight
# runs on each instrument in a day and two in an evening, eight instruments and eight hours to an operator.
PREPARATION_US = 45 * MINUTE_US
RUN_US = 90 * MINUTE_US
TURNOVER_US = 15 * MINUTE_US
RUNS_IN_A_DAY = 8
RUNS_IN_AN_EVENING = 2
INSTRUMENTS_PER_OPERATOR = 8
SHIFT_US = 8 * 60 * MINUTE_US
# Plates from one lot of the extraction and of the amplification kit.
PLATES_PER_LOT = (100, 130)


@dataclass(frozen=True, slots=True)
class Naming:
    """The part of every barcode that tells days and rounds apart: yymmdd, and 0 for the day, 1 … 9 for its evenings."""

    date: str
    part: int

    @property
    def stem(self) -> str:
        """The seven digits."""
        return f"{self.date}{self.part}"


def schedule(
    ready_us: NDArray[np.int64], *, wells: int, wells_per_instrument_hour: float, runs_per_instrument: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the instrument and the start of each plate's run.

    Parameters
    ----------
    ready_us
        When each plate may be prepared at the earliest, microseconds, shape (plates,).
    wells
        Wells of a plate.
    wells_per_instrument_hour
        How much one instrument can do; runs on it start so far apart that this is kept.
    runs_per_instrument
        Runs that one instrument makes; so many instruments are taken.

    Returns
    -------
    instrument : numpy.ndarray
        Counted from 0, shape (plates,).
    started_us : numpy.ndarray
        Microseconds, shape (plates,).

    Notes
    -----
    O(plates). Plates go to the instruments in turn, in their order; no instrument overlaps itself.
    """
    n_plates = ready_us.size
    n_instruments = max(1, ceil(n_plates / runs_per_instrument))
    interval = max(RUN_US + TURNOVER_US, ceil(wells * 60 / wells_per_instrument_hour) * MINUTE_US)
    rounds = -(-n_plates // n_instruments)
    ready = np.full(rounds * n_instruments, np.iinfo(np.int64).min // 2)
    ready[:n_plates] = np.maximum.accumulate(ready_us) + PREPARATION_US
    offset = np.arange(rounds)[:, None] * interval
    started = np.maximum.accumulate(ready.reshape(rounds, n_instruments) - offset, axis=0) + offset
    return (np.arange(n_plates) % n_instruments).astype(np.int32), started.ravel()[:n_plates]


def run_table(
    plate_ids: pa.Array,
    instrument: NDArray[np.int32],
    started_us: NDArray[np.int64],
    *,
    naming: Naming,
    rng: np.random.Generator,
) -> pa.Table:
    """Return the runs table.

    Parameters
    ----------
    plate_ids
        Barcode of each plate.
    instrument, started_us
        As `schedule` gives them.
    naming
        Day and round.
    rng
        The operators' pseudonyms.

    Returns
    -------
    pyarrow.Table
        One row a plate.
    """
    n_runs = started_us.size
    run = np.arange(n_runs)
    n_instruments = _n_values(instrument)
    shift = (started_us - started_us.min(initial=np.iinfo(np.int64).max)) // SHIFT_US
    crews = ceil(n_instruments / INSTRUMENTS_PER_OPERATOR)
    operator = shift * crews + instrument // INSTRUMENTS_PER_OPERATOR
    lots = [run // plates for plates in PLATES_PER_LOT]
    columns = {
        "run_id": barcodes(n_runs, f"R{naming.stem}", (run + 1, 6)),
        "plate_id": plate_ids,
        "instrument_id": coded(instrument, barcodes(n_instruments, "CYCLER-", (np.arange(n_instruments) + 1, 5))),
        "started_at": times(started_us),
        "ended_at": times(started_us + RUN_US),
        "operator_id": coded(operator, pseudonyms(_n_values(operator), rng, "OP-")),
    }
    for name, letters, lot in zip(("extraction_lot", "amplification_lot"), ("EX", "AM"), lots, strict=True):
        n_lots = _n_values(lot)
        columns[name] = coded(lot, barcodes(n_lots, f"{letters}-{naming.stem}-", (np.arange(n_lots) + 1, 4)))
    columns |= {name: pa.nulls(n_runs, pa.string()) for name in ("source_file", "source_sha256")}
    return pa.table(columns)


def times(microseconds: NDArray[np.int64]) -> pa.Array:
    """Return microseconds since 1970 as UTC times."""
    return pa.array(microseconds, pa.timestamp("us", tz="UTC"))


def _n_values(codes: NDArray[np.integer]) -> int:
    return int(codes.max(initial=-1)) + 1
