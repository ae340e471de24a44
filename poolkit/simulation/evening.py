"""`simulate_evening`: what comes back to the orders of a day."""

from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poolkit.errors import DesignError
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import ORDERS, RUNS, SAMPLES, Day, conform
from poolkit.simulation.barcodes import barcodes, coded
from poolkit.simulation.failures import Failures
from poolkit.simulation.known import Known
from poolkit.simulation.layout import lay_out, plate_problems
from poolkit.simulation.readings import Conditions, read
from poolkit.simulation.runs import MINUTE_US, RUNS_IN_AN_EVENING, Naming, run_table, schedule, times
from poolkit.simulation.streams import Streams, streams

# Assumptions: people are called back 30 min to 3 h after the day's last result, two swabs of one person are a minute
# apart, and a courier needs an hour; retained tubes are at the bench after 10 min.
CALLED_BACK_MINUTES = (30, 180)
BETWEEN_SWABS_US = MINUTE_US
COURIER_US = 60 * MINUTE_US
RETAINED_US = 10 * MINUTE_US


class _Specimens(NamedTuple):
    """What has to be tested in the evening: barcode, log10 load and the time at the bench, in that time's order."""

    ids: pa.Array
    log10_load: NDArray[np.float64]
    ready_us: NDArray[np.int64]


def simulate_evening(
    day: Day,
    truth: Any,
    orders: Any,
    seed: int,
    *,
    protocol: Protocol | str | PathLike[str] = "cn-10in1-2020",
    wells: int = 96,
    failures: Failures | None = None,
) -> Day:
    """Make up what comes back to the orders of a day: new swabs, retained tubes, second runs and late runs.

    Parameters
    ----------
    day
        The day so far; after an earlier evening, the rows of both.
    truth
        A `TRUTH` batch that knows every subject of the day.
    orders
        An orders batch: those to be answered.
    seed
        The same seed gives the same tables, byte for byte.
    protocol
        As for the day.
    wells
        Wells of a plate, 96 or 384.
    failures
        How often things go wrong again; `Failures()` when None. A plate late for the day is never late twice.

    Returns
    -------
    Day
        Only what is new: recollected samples, wells of new plates, runs and readings, all later than the day's. Plates
        that the day mapped but did not run have their runs and readings here, and no wells again.

    Raises
    ------
    SchemaError
        When a batch is not what its table says.
    DesignError
        When orders name samples that the day does not have, subjects are missing from the truth, or an option is
        out of its range.
    ProtocolError, FormatError
        When the protocol cannot be loaded.

    Notes
    -----
    O(samples of the day). Each (sample, action) is answered once: ``recollect`` by the protocol's swabs, each alone
    in a tube; ``retest`` by the sample's retained tube; ``rerun`` by its specimen, once for all its members: its
    laboratory pool, else its tube, or, for the reason ``invalid_single``, the sample alone. A subject's load stays
    that of the day; a new swab is read by the same model without dilution.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from poolkit.simulation import Failures, simulate_day, simulate_evening
    >>> made = simulate_day(200, 0.01, 1, failures=Failures.none())
    >>> first = made.day.samples["sample_id"][0].as_py()
    >>> last = made.day.runs["ended_at"][-1]
    >>> order = {"order_id": [first + "/recollect/1"], "sample_id": [first], "action": ["recollect"]}
    >>> order |= {"reason": ["positive_pool"], "issued_at": [last], "due_at": [last]}
    >>> evening = simulate_evening(made.day, made.truth, pa.table(order), 2, failures=Failures.none())
    >>> evening.samples["recollect_of"].to_pylist() == [first], evening.readings.num_rows
    (True, 15)
    """
    rules = load_protocol(protocol)
    problems = plate_problems(wells, rules)
    if problems:
        raise DesignError("not an evening that can be simulated", problems)
    rates = Failures() if failures is None else failures
    rng = streams(seed, 1)
    asked = conform(orders, ORDERS)
    known = Known.of(day, truth)
    if not known.samples.num_rows and not asked.num_rows:
        return Day(samples=SAMPLES.empty(), runs=RUNS.empty())
    parents = known.rows_of(asked["sample_id"])
    base_us = known.latest_us(asked["issued_at"])
    naming = known.naming()

    samples, fresh = _recollected(known, asked, parents, base_us, rules, naming, rng)
    retained = _retained(known, asked, base_us)
    new = _in_order(_received(fresh, rates, rng), retained)

    late, late_ids, late_specimens = known.late_plates()
    layout = lay_out(len(new.ids), wells=wells, protocol=rules, rng=rng.plates)
    plate_ids = barcodes(layout.n_plates, f"P{naming.stem}", (np.arange(layout.n_plates) + 1, 6))
    on_time = rng.runs.random(layout.n_plates) >= rates.late_plate
    ready_us = np.full(layout.n_plates, base_us)
    held = layout.specimen >= 0
    np.maximum.at(ready_us, layout.plate[held], new.ready_us[layout.specimen[held]])

    to_read = late.then(layout.only(on_time), len(late_specimens))
    read_ids = pa.concat_arrays([late_ids, plate_ids.filter(pa.array(on_time))])
    ready_us = np.concatenate([np.full(late.n_plates, base_us), ready_us[on_time]])
    instrument, started_us = schedule(
        ready_us,
        wells=wells,
        wells_per_instrument_hour=rules.wells_per_instrument_hour,
        runs_per_instrument=RUNS_IN_AN_EVENING,
    )
    runs = run_table(read_ids, instrument, started_us, naming=naming, rng=rng.runs)
    load = np.concatenate([known.loads_of(late_specimens), new.log10_load])
    run_ids = runs["run_id"].combine_chunks()
    readings = read(to_read, load, run_ids, Conditions(rules, rates, rng.readings))
    return Day(samples=samples, wells=layout.table(plate_ids, new.ids), readings=readings, runs=runs)


def _recollected(
    known: Known,
    orders: pa.Table,
    parents: NDArray[np.int64],
    base_us: int,
    protocol: Protocol,
    naming: Naming,
    rng: Streams,
) -> tuple[pa.Table, _Specimens]:
    """Return the new swabs, in order of collection, and the single tubes that they went into."""
    called = np.unique(parents[_action(orders, "recollect")])
    swabs = protocol.swabs_per_recollect
    low, high = (minutes * 60 for minutes in CALLED_BACK_MINUTES)
    first_us = base_us + rng.arrivals.integers(low, high + 1, called.size) * 1_000_000
    collected_us = (first_us[:, None] + np.arange(swabs) * BETWEEN_SWABS_US).ravel()
    order = np.argsort(collected_us, kind="stable")
    collected_us, parent = collected_us[order], np.repeat(called, swabs)[order]
    rows = known.samples.take(pa.array(parent))
    n_samples = parent.size
    number = np.arange(n_samples) + 1
    sites = rows["site_id"].combine_chunks()
    sample_ids = pc.binary_join_element_wise(sites, barcodes(n_samples, naming.stem, (number, 8)), "")
    tube_ids = barcodes(n_samples, f"T{naming.stem}", (rng.tubes.permutation(n_samples) + 1, 13))
    samples = pa.table(
        {
            "sample_id": sample_ids,
            "subject_id": rows["subject_id"],
            "site_id": rows["site_id"].dictionary_encode(),
            "collected_at": times(collected_us),
            "kind": rows["kind"].dictionary_encode(),
            "tube_id": coded(np.arange(n_samples), tube_ids),
            "slot": pa.array(np.ones(n_samples, np.int16)),
            "group_id": rows["group_id"],
            "recollect_of": rows["sample_id"],
        }
    )
    return samples, _Specimens(tube_ids, known.sample_loads(parent), collected_us + COURIER_US)


def _retained(known: Known, orders: pa.Table, base_us: int) -> _Specimens:
    """Return the tubes of the day that are tested again, each once."""
    alone = pc.and_(pc.equal(orders["action"], "rerun"), pc.equal(orders["reason"], "invalid_single"))
    single = pc.or_(pc.equal(orders["action"], "retest"), alone)
    shared = pc.and_(pc.equal(orders["action"], "rerun"), pc.invert(alone))
    named = orders.filter(single)["sample_id"].cast(pa.string())
    held = known.specimens_of(orders.filter(shared)["sample_id"].cast(pa.string()))
    ids = pc.unique(pa.concat_arrays([*named.chunks, *held.chunks, pa.array([], pa.string())]))
    return _Specimens(ids, known.loads_of(ids), np.full(len(ids), base_us + RETAINED_US))


def _received(fresh: _Specimens, failures: Failures, rng: Streams) -> _Specimens:
    """Lose some of the new tubes on the way."""
    arrived = rng.tubes.random(len(fresh.ids)) >= failures.tube_not_received
    return _Specimens(fresh.ids.filter(pa.array(arrived)), fresh.log10_load[arrived], fresh.ready_us[arrived])


def _in_order(fresh: _Specimens, retained: _Specimens) -> _Specimens:
    ready_us = np.concatenate([fresh.ready_us, retained.ready_us])
    order = np.argsort(ready_us, kind="stable")
    ids = pa.concat_arrays([fresh.ids, retained.ids]).take(pa.array(order))
    return _Specimens(ids, np.concatenate([fresh.log10_load, retained.log10_load])[order], ready_us[order])


def _action(orders: pa.Table, action: str) -> NDArray[np.bool_]:
    return np.asarray(pc.equal(orders["action"], action).to_numpy(), np.bool_)
