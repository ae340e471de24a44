"""Collection: who stands in which queue, when each is swabbed, into which tube, and when the tube reaches the lab."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from poolkit.simulation.streams import Streams

# Assumptions of an ordinary site: open ten hours, stations of one swab a minute, a courier every hour, 20 to 60 min
# on the road. Together with the wait for the courier a tube is at the laboratory within 2 h (protocols allow 4 h).
PEOPLE_PER_SITE = 1000
PEOPLE_PER_STATION = 600
OPEN_SECONDS = 10 * 3600
COURIER_EVERY_SECONDS = 3600
TRAVEL_SECONDS = (20 * 60, 60 * 60)
# Members of one household follow each other without the gap of a new registration.
NEXT_OF_HOUSEHOLD_SECONDS = (15, 30)


@dataclass(frozen=True, slots=True)
class Collection:
    """The swabs of a day in the order of their stations, and the tubes they went into.

    Attributes
    ----------
    site, collected_s, tube, slot : numpy.ndarray
        Of each swab: its site, whole seconds since opening (not decreasing in a tube), its tube and its order in
        that tube from 1, shape (swabs,).
    tube_site, tube_station, opened_s, closed_s, received_s, n_members : numpy.ndarray
        Of each tube: its site and station, the seconds of its first swab, of its last swab and of its arrival at
        the laboratory, and its swabs, shape (tubes,).
    """

    site: NDArray[np.int32]
    collected_s: NDArray[np.int64]
    tube: NDArray[np.int32]
    slot: NDArray[np.int16]
    tube_site: NDArray[np.int32]
    tube_station: NDArray[np.int32]
    opened_s: NDArray[np.int64]
    closed_s: NDArray[np.int64]
    received_s: NDArray[np.int64]
    n_members: NDArray[np.int64]


def collect(
    household: NDArray[np.int32], *, n_sites: int, tube_size: int, unfilled_tube: float, rng: Streams
) -> Collection:
    """Return when and into which tube each person is swabbed.

    Parameters
    ----------
    household
        Household of each person, not decreasing, shape (people,).
    n_sites
        Collection points.
    tube_size
        Swabs in a full tube.
    unfilled_tube
        Probability that a tube is closed before it is full.
    rng
        The streams ``arrivals`` and ``tubes``.

    Returns
    -------
    Collection
        People in the order given: stations one after the other, each in the order of its queue.

    Notes
    -----
    O(people). Households choose a station at random; all are alike, so the choices are sorted, not the households.
    """
    n_people = household.size
    n_households = int(household[-1]) + 1 if n_people else 0
    stations_per_site = max(1, ceil(n_people / (n_sites * PEOPLE_PER_STATION)))
    n_stations = n_sites * stations_per_site
    station_of_household = np.sort(rng.arrivals.integers(0, n_stations, n_households, dtype=np.int32))
    station = station_of_household[household]
    people = np.bincount(station, minlength=n_stations)
    households = np.bincount(station_of_household, minlength=n_stations)
    collected_s = _times(household, station, people, households, rng.arrivals)
    tube_station, n_members = _fill(people, tube_size, unfilled_tube, rng.tubes)
    first = np.cumsum(n_members) - n_members
    tube = np.repeat(np.arange(n_members.size, dtype=np.int32), n_members)
    tube_site = tube_station // np.int32(stations_per_site)
    closed_s = collected_s[first + n_members - 1]
    return Collection(
        site=station // np.int32(stations_per_site),
        collected_s=collected_s,
        tube=tube,
        slot=(np.arange(n_people) - first[tube] + 1).astype(np.int16),
        tube_site=tube_site,
        tube_station=tube_station,
        opened_s=collected_s[first],
        closed_s=closed_s,
        received_s=_courier(closed_s, tube_site, n_sites, rng.arrivals),
        n_members=n_members,
    )


def _times(
    household: NDArray[np.int32],
    station: NDArray[np.int32],
    people: NDArray[np.int64],
    households: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Swab each queue in order within the opening hours: random gaps between households, short ones inside."""
    n_people = household.size
    if not n_people:
        return np.empty(0, np.int64)
    low, high = NEXT_OF_HOUSEHOLD_SECONDS
    inside = (people - households) * (low + high) / 2
    between = np.maximum(OPEN_SECONDS - inside, low * households) / (households + 1)
    gap = rng.integers(low, high + 1, n_people).astype(np.float64)
    newcomer = np.diff(household, prepend=-1) != 0
    gap[newcomer] = rng.exponential(size=int(newcomer.sum())) * between[station[newcomer]]
    elapsed = np.cumsum(gap)
    last = np.cumsum(people)
    before = np.where(last > people, elapsed[last - people - 1], 0.0)
    total = np.where(people > 0, elapsed[last - 1], 0.0) - before
    pace = np.minimum(1.0, OPEN_SECONDS / np.maximum(total, 1.0))
    return np.asarray(((elapsed - before[station]) * pace[station]).astype(np.int64), np.int64)


def _fill(
    people: NDArray[np.int64], tube_size: int, unfilled_tube: float, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the station and the swabs of each tube, station by station."""
    if tube_size == 1:
        station = np.repeat(np.arange(people.size, dtype=np.int32), people)
        return station, np.ones(station.size, np.int64)
    sizes = np.empty((people.size, 0), np.int64)
    most = int(people.max(initial=0))
    while sizes.sum(axis=1).min(initial=most) < most:
        shape = (people.size, max(8, most // (4 * tube_size)))
        short = rng.random(shape) < unfilled_tube
        sizes = np.hstack([sizes, np.where(short, rng.integers(1, tube_size, shape), tube_size)])
    closed = np.minimum(np.cumsum(sizes, axis=1), people[:, None])
    held = np.diff(closed, axis=1, prepend=0)
    used = held > 0
    return np.nonzero(used)[0].astype(np.int32), held[used]


def _courier(
    closed_s: NDArray[np.int64], tube_site: NDArray[np.int32], n_sites: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return when each tube reaches the laboratory: the next hourly courier of its site, then the road."""
    first_round = rng.integers(0, COURIER_EVERY_SECONDS, n_sites)[tube_site]
    travel = rng.integers(TRAVEL_SECONDS[0], TRAVEL_SECONDS[1] + 1, n_sites)[tube_site]
    rounds = -((first_round - closed_s) // COURIER_EVERY_SECONDS)
    return np.asarray(first_round + rounds * COURIER_EVERY_SECONDS + travel, np.int64)
