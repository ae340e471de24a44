"""`simulate_day`: a laboratory's day with known truth."""

from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poolkit.assays import pooled_log10_load
from poolkit.errors import DesignError, Problem
from poolkit.protocols import Protocol, load_protocol
from poolkit.schemas import Day
from poolkit.simulation.barcodes import barcodes, coded, pseudonyms
from poolkit.simulation.failures import Failures
from poolkit.simulation.layout import lay_out, plate_problems
from poolkit.simulation.people import HOUSEHOLD_CORRELATION, TRUTH, People, draw_people
from poolkit.simulation.readings import Conditions, read
from poolkit.simulation.runs import RUNS_IN_A_DAY, Naming, run_table, schedule, times
from poolkit.simulation.streams import streams
from poolkit.simulation.tubes import PEOPLE_PER_SITE, Collection, collect

MOST_SAMPLES = 50_000_000
MOST_SITES = 99_999
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated day and what is so.

    Attributes
    ----------
    day : Day
        What the laboratory would hand in.
    truth : pyarrow.Table
        One row a sample, see `TRUTH`.
    """

    day: Day
    truth: pa.Table


def simulate_day(
    n_samples: int,
    prevalence: float,
    seed: int,
    *,
    protocol: Protocol | str | PathLike[str] = "cn-10in1-2020",
    date: str = "2022-04-01",
    pooling: Literal["collection", "single"] = "collection",
    tube_size: int | None = None,
    n_sites: int | None = None,
    wells: int = 96,
    overdispersion: float = HOUSEHOLD_CORRELATION,
    failures: Failures | None = None,
) -> Simulated:
    """Make up a day of a testing laboratory: people, tubes, plates and readings, and who is infected.

    Parameters
    ----------
    n_samples
        People sampled.
    prevalence
        Mean share of them infected, 0 to 1.
    seed
        The same seed gives the same tables, byte for byte.
    protocol
        Pool size, targets, controls and thresholds: a protocol, its name, or its file.
    date
        The day, ISO 8601, UTC. Sites open at 00:00 UTC (08:00 in China) for ten hours.
    pooling
        ``collection``: people share tubes at the site; ``single``: each has a tube.
    tube_size
        People to a full tube; the protocol's largest when None.
    n_sites
        Collection points; one for each 1,000 samples when None.
    wells
        Wells of a plate, 96 or 384.
    overdispersion
        Intra-class correlation of infection in a household, from 0 to below 1.
    failures
        How often things go wrong; `Failures()` when None.

    Returns
    -------
    Simulated
        ``day`` with samples, wells, runs and readings, and ``truth`` with one row a sample in the same order.

    Raises
    ------
    DesignError
        With every option that is out of its range.
    ProtocolError, FormatError
        When the protocol cannot be loaded.

    Notes
    -----
    O(samples), about 1 s and 0.3 GB for a million. Samples stand in order of collection, so that sites and stations
    interleave; barcodes run by site. A household stands together in one queue. Plates are filled in the order in which
    couriers bring the tubes. 384 wells on a protocol of 96 wells an instrument-hour start so far apart that the
    mean is kept, but one run alone is more than an hour's worth.

    References
    ----------
    Loads: Jones et al. 2021, Science 373, eabi5273. Readings: Verwilt et al. 2020; Chan et al. 2021. Clustering:
    Madewell et al. 2020, JAMA Netw Open 3(12), e2031756. Households: Fujian Statistical Yearbook 2021, table 3-6. What
    has no source is an assumption and is named so beside its value.

    Examples
    --------
    >>> from poolkit.simulation import simulate_day
    >>> made = simulate_day(1000, 0.01, 7)
    >>> made.day.samples.num_rows, made.day.samples["slot"][:3].to_pylist()
    (1000, [1, 2, 3])
    >>> sum(made.truth["infected"].to_pylist())
    8
    """
    rules = load_protocol(protocol)
    size = 1 if pooling == "single" else rules.max_pool_size if tube_size is None else tube_size
    sites = max(1, -(-n_samples // PEOPLE_PER_SITE)) if n_sites is None else n_sites
    problems = [
        *_counts(n_samples, size, sites, rules),
        *_shares(prevalence, overdispersion),
        *_forms(date, pooling, tube_size),
        *plate_problems(wells, rules),
    ]
    if problems:
        raise DesignError("not a day that can be simulated", problems)
    rates = Failures() if failures is None else failures
    rng = streams(seed, 0)
    midnight = datetime.fromisoformat(date).replace(tzinfo=UTC)
    naming = Naming(f"{midnight:%y%m%d}", 0)
    midnight_us = int(midnight.timestamp()) * _SECOND_US

    people = draw_people(n_samples, prevalence, overdispersion, rng)
    swabs = collect(people.household, n_sites=sites, tube_size=size, unfilled_tube=rates.unfilled_tube, rng=rng)
    tube_ids = _tube_ids(swabs, sites, naming, rng.tubes)
    samples, truth = _registrations(people, swabs, tube_ids, sites, midnight_us, naming, rng.names)
    plated = _plated(swabs, rates, rng.tubes)
    infected = people.infected
    load = pooled_log10_load(people.log10_load[infected], swabs.tube[infected], n_members=swabs.n_members)[plated]
    received_us = midnight_us + swabs.received_s[plated] * _SECOND_US
    layout = lay_out(plated.size, wells=wells, protocol=rules, rng=rng.plates)
    plate_ids = barcodes(layout.n_plates, f"P{naming.stem}", (np.arange(layout.n_plates) + 1, 6))
    on_time = rng.runs.random(layout.n_plates) >= rates.late_plate
    ready_us = np.full(layout.n_plates, midnight_us)
    held = layout.specimen >= 0
    np.maximum.at(ready_us, layout.plate[held], received_us[layout.specimen[held]])
    instrument, started_us = schedule(
        ready_us[on_time],
        wells=wells,
        wells_per_instrument_hour=rules.wells_per_instrument_hour,
        runs_per_instrument=RUNS_IN_A_DAY,
    )
    runs = run_table(plate_ids.filter(pa.array(on_time)), instrument, started_us, naming=naming, rng=rng.runs)
    run_ids = runs["run_id"].combine_chunks()
    readings = read(layout.only(on_time), load, run_ids, Conditions(rules, rates, rng.readings))
    mapped = layout.table(plate_ids, tube_ids.take(pa.array(plated)))
    return Simulated(Day(samples=samples, wells=mapped, readings=readings, runs=runs), truth)


def _counts(n_samples: int, tube_size: int, n_sites: int, protocol: Protocol) -> list[Problem]:
    ranges = (
        ("n_samples", n_samples, 0, MOST_SAMPLES),
        ("tube_size", tube_size, 1, protocol.max_pool_size),
        ("n_sites", n_sites, 1, MOST_SITES),
    )
    return [
        Problem(name, f"must be between {low} and {high}, found {found}")
        for name, found, low, high in ranges
        if not low <= found <= high
    ]


def _shares(prevalence: float, overdispersion: float) -> list[Problem]:
    problems = []
    if not 0.0 <= prevalence <= 1.0:
        problems.append(Problem("prevalence", f"must be between 0 and 1, found {prevalence}"))
    if not 0.0 <= overdispersion < 1.0:
        problems.append(Problem("overdispersion", f"must be from 0 to below 1, found {overdispersion}"))
    return problems


def _forms(date: str, pooling: str, tube_size: int | None) -> list[Problem]:
    problems = []
    if not _is_date(date):
        problems.append(Problem("date", f"must be a date like 2022-04-01, found {date!r}"))
    if pooling not in ("collection", "single"):
        problems.append(Problem("pooling", f"must be collection or single, found {pooling!r}"))
    if pooling == "single" and tube_size not in (None, 1):
        problems.append(Problem("pooling, tube_size", f"a single tube holds 1, found {tube_size}"))
    return problems


def _is_date(text: str) -> bool:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d}" == text
    except ValueError:
        return False


def _tube_ids(swabs: Collection, n_sites: int, naming: Naming, rng: np.random.Generator) -> pa.Array:
    """Return barcodes from a roll of labels for each site, in the order in which its tubes are opened."""
    n_tubes = swabs.n_members.size
    order = np.lexsort((swabs.opened_s, swabs.tube_site))
    before = np.searchsorted(swabs.tube_site[order], np.arange(n_sites))
    number = np.empty(n_tubes, np.int64)
    number[order] = np.arange(n_tubes) - before[swabs.tube_site[order]] + 1
    roll = rng.permutation(n_sites)[swabs.tube_site] + 1
    return barcodes(n_tubes, f"T{naming.stem}", (roll, 5), (number, 8))


def _registrations(
    people: People,
    swabs: Collection,
    tube_ids: pa.Array,
    n_sites: int,
    midnight_us: int,
    naming: Naming,
    rng: np.random.Generator,
) -> tuple[pa.Table, pa.Table]:
    """Return samples and truth in the order of collection."""
    n_samples = people.household.size
    # Seconds of a day of ten hours fit 16 bits, for which the stable sort is by digits.
    order = np.argsort(swabs.collected_s.astype(np.uint16), kind="stable")
    site = swabs.site[order]
    by_site = np.argsort(site, kind="stable")
    before = np.searchsorted(site[by_site], np.arange(n_sites))
    number = np.empty(n_samples, np.int64)
    number[by_site] = np.arange(n_samples) - before[site[by_site]] + 1
    site_ids = barcodes(n_sites, "S", (np.arange(n_sites) + 1, 5))
    n_households = int(people.household[-1]) + 1 if n_samples else 0
    sample_ids = barcodes(n_samples, "S", (site.astype(np.int64) + 1, 5), naming.stem, (number, 8))
    subject_ids = pseudonyms(n_samples, rng)
    tubes = coded(swabs.tube[order], tube_ids)
    samples = pa.table(
        {
            "sample_id": sample_ids,
            "subject_id": subject_ids,
            "site_id": coded(site, site_ids),
            "collected_at": times(midnight_us + swabs.collected_s[order] * _SECOND_US),
            "kind": coded(np.zeros(n_samples, np.int32), ["person"]),
            "tube_id": tubes,
            "slot": pa.array(swabs.slot[order]),
            "group_id": pseudonyms(n_households, rng, "H").take(pa.array(people.household[order])),
            "recollect_of": pa.nulls(n_samples, pa.string()),
        }
    )
    infected = people.infected[order]
    truth = pa.table(
        {
            "sample_id": sample_ids,
            "subject_id": subject_ids,
            "infected": pa.array(infected),
            "log10_load": pa.array(people.log10_load[order], mask=~infected),
            "tube_id": tubes,
        }
    )
    assert tuple(truth.column_names) == TRUTH.names
    return samples, truth


def _plated(swabs: Collection, failures: Failures, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the tubes that reach a plate, in the order in which they reach the laboratory."""
    arrived = rng.random(swabs.n_members.size) >= failures.tube_not_received
    order = np.lexsort((swabs.closed_s, swabs.received_s))
    return np.asarray(order[arrived[order]], np.int64)
