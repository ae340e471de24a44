"""`simulate_custody`: who had the tubes of a day between swab and plate."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.arrays import Codes, TextIndex, codes_in, encode, first_seen, numbers
from poolkit.schemas import CUSTODY, Day
from poolkit.simulation.barcodes import barcodes
from poolkit.simulation.streams import streams

TUBES_A_BOX = 50
# The streams of a day are parts 0 and 1; custody has one of its own.
_PART = 2
_NEVER = np.iinfo(np.int64).max
_LABORATORY = "LABORATORY"
# Share of the time between the last tube of a box and its first run that passes before courier, door and plate.
_SHARES = {"courier": (0.1, 0.3), "received": (0.4, 0.6), "plated": (0.8, 0.95)}


def simulate_custody(day: Day, seed: int) -> pa.Table:
    """Make up who had which tube of a day when: boxes by site and plate, a courier, and the door of the laboratory.

    Parameters
    ----------
    day
        A day with runs, e.g. of `simulate_day`; it is not changed.
    seed
        The same seed gives the same table.

    Returns
    -------
    pyarrow.Table
        `custody`: collected and boxed for each tube that was read, courier, received and plated for each box; a tube
        that no run read was collected and never boxed.

    Raises
    ------
    DesignError
        When the seed is negative.

    Notes
    -----
    O(tubes log tubes). All of it lies between the tube's last swab and the start of its run.

    Examples
    --------
    >>> import poolkit
    >>> day = poolkit.simulate_day(100, 0.02, seed=1).day
    >>> sorted(set(poolkit.simulate_custody(day, 1)["event"].to_pylist()))
    ['boxed', 'collected', 'courier', 'plated', 'received']
    """
    rng = streams(seed, _PART).tubes
    tube, tubes = first_seen(*encode(day.samples["tube_id"]))
    collected = numbers(day.samples["collected_at"])
    first, last = np.full(len(tubes), _NEVER, np.int64), np.zeros(len(tubes), np.int64)
    np.minimum.at(first, tube, collected)
    np.maximum.at(last, tube, collected)
    site_of, sites = encode(day.samples["site_id"])
    site = np.zeros(len(tubes), np.int64)
    site[tube] = site_of
    started, plate = _first_runs(day, tubes)
    read = np.flatnonzero((started < _NEVER) & (started > last))
    order = read[np.lexsort((last[read], started[read], plate[read], site[read]))]
    box, starts = _boxes(site[order], plate[order])
    closed = np.maximum.reduceat(last[order], starts) if starts.size else starts
    room = (np.minimum.reduceat(started[order], starts) if starts.size else starts) - closed
    boxes = barcodes(starts.size, "BOX", (np.arange(starts.size), 7))
    of_box = sites.take(pa.array(site[order][starts]))
    staff = barcodes(len(sites), "SITE-STAFF-", (np.arange(len(sites)), 5))
    at_site = staff.take(pa.array(site))
    parts = [_rows("collected", tubes, at_site, first, place=sites.take(pa.array(site)))]
    boxed = closed[box] + (0.05 * room)[box].astype(np.int64)
    parts.append(
        _rows(
            "boxed",
            tubes.take(pa.array(order)),
            at_site.take(pa.array(order)),
            boxed,
            box_id=boxes.take(pa.array(box)),
            place=sites.take(pa.array(site[order])),
        )
    )
    courier = barcodes(starts.size, "COURIER-", (rng.integers(0, 20, starts.size), 2))
    clerk = barcodes(starts.size, "CLERK-", (rng.integers(0, 8, starts.size), 2))
    door = pa.array([_LABORATORY] * starts.size, pa.string())
    signed = {
        "courier": (courier, staff.take(pa.array(site[order][starts])), of_box),
        "received": (clerk, courier, door),
        "plated": (clerk, None, door),
    }
    for event, (actor, witness, place) in signed.items():
        share = rng.uniform(*_SHARES[event], starts.size)
        moment = closed + (share * room).astype(np.int64)
        warmth = None if event == "plated" else pa.array(rng.normal(5.0, 1.0, starts.size).clip(2.0, 8.0).round(1))
        parts.append(_rows(event, boxes, actor, moment, witness=witness, place=place, temperature_c=warmth))
    return pa.concat_tables(parts)


def _first_runs(day: Day, tubes: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the first run of each tube began, and on which plate it stands."""
    started = np.full(len(tubes), _NEVER, np.int64)
    plate_of = np.full(len(tubes), -1, np.int64)
    if day.runs is None or day.runs.num_rows == 0:
        return started, plate_of
    plate, plates = encode(day.wells["plate_id"])
    run_plate = codes_in(day.runs["plate_id"], plates)
    begins = np.full(len(plates), _NEVER, np.int64)
    known = run_plate >= 0
    np.minimum.at(begins, run_plate[known], numbers(day.runs["started_at"])[known])
    own = TextIndex.of(tubes)
    standing = codes_in(day.wells["specimen_id"], tubes, own)
    # A single may stand in its well under its sample's own id.
    by_sample = codes_in(day.wells["specimen_id"], TextIndex.of(encode(day.samples["sample_id"])[1]).values)
    tube_of: Codes = own.find(encode(day.samples["tube_id"])[1])[encode(day.samples["tube_id"])[0]]
    first = TextIndex.of(day.samples["sample_id"].cast(pa.string()).combine_chunks()).firsts
    standing = np.where((standing < 0) & (by_sample >= 0), tube_of[first][by_sample], standing)
    there = np.flatnonzero(standing >= 0)
    np.minimum.at(started, standing[there], begins[plate[there]])
    plate_of[standing[there[::-1]]] = plate[there[::-1]]
    return started, plate_of


def _boxes(site: NDArray[np.int64], plate: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the box of each tube, given in order of site and plate, and the first tube of each box."""
    n_tubes = site.size
    new = np.ones(n_tubes, np.bool_)
    new[1:] = (site[1:] != site[:-1]) | (plate[1:] != plate[:-1])
    group = np.cumsum(new) - 1
    within = np.arange(n_tubes) - np.flatnonzero(new)[group] if n_tubes else group
    new |= within % TUBES_A_BOX == 0
    return np.cumsum(new) - 1, np.flatnonzero(new)


def _rows(event: str, items: pa.Array, actors: pa.Array, at: NDArray[np.int64], **others: pa.Array | None) -> pa.Table:
    n_rows = len(items)
    columns = {
        "event": pa.array([event] * n_rows, pa.string()),
        "item_id": items,
        "actor": actors,
        "at": pa.array(at, pa.int64()).view(CUSTODY["at"].type),
    }
    columns |= {name: values for name, values in others.items() if values is not None}
    arrays = [columns.get(each.name, pa.nulls(n_rows, each.type)) for each in CUSTODY.columns]
    return pa.Table.from_arrays(arrays, schema=CUSTODY.schema)
