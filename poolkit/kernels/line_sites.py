"""The line before the laboratories: people come to sites, are sampled into tubes, and couriers take the tubes away."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import kernel
from poolkit.kernels.line_chance import GAPS, INFECTED, REACTS, SWABS, chance, noise, stream
from poolkit.kernels.line_heap import sift_down, sift_up

# Two steps of the plane's most even sequence (Roberts 2018, R2): which laboratory a vehicle goes to.
_BY_SITE, _BY_DEPARTURE = 0.7548776662466927, 0.5698402909980532


class Rules(NamedTuple):
    """What holds for all sites: minutes, probabilities and counts."""

    seed: int
    n_sites: int
    even: int
    minutes: float
    spread: int
    sigma: float
    pool_size: int
    linger: float
    headway: float
    travel: float
    capacity: int
    prevalence: float
    specificity: float
    horizon: float
    width: float


class Times(NamedTuple):
    """Steps of time: the arrivals' profile, bursts, tables at work, and what pools and laboratories are like.

    profile (steps + 1,) minutes and part (steps + 1,) of the people come by then, from 0 to 1; bursts (bursts,) minutes
    in order; edges (edges,) minutes from 0 and tables (edges,) from then on; supplied (lots,) minutes from 0, and the
    swabs and the tubes (lots,) that each site has got by then, infinite where they are not counted; sensitive
    (pool_size + 1,) by members; opens and share (laboratories,).
    """

    profile: NDArray[np.float64]
    part: NDArray[np.float64]
    bursts: NDArray[np.float64]
    edges: NDArray[np.float64]
    tables: NDArray[np.int64]
    supplied: NDArray[np.float64]
    swabs: NDArray[np.float64]
    tubes: NDArray[np.float64]
    sensitive: NDArray[np.float64]
    opens: NDArray[np.float64]
    share: NDArray[np.float64]


class People(NamedTuple):
    """The people, site by site in the order in which they come: minutes, infinite for what does not happen.

    first (sites + 1,) is read, n_burst (sites, bursts) too; arrived, began and sampled (people,) are written, began
    only where it has room.
    """

    first: NDArray[np.int64]
    n_burst: NDArray[np.int64]
    arrived: NDArray[np.float64]
    began: NDArray[np.float64]
    sampled: NDArray[np.float64]


class Tubes(NamedTuple):
    """The tubes of site s from first[s] on (people,), n_filled (sites,) of them: all written."""

    n_filled: NDArray[np.int64]
    members: NDArray[np.int32]
    closed: NDArray[np.float64]
    left: NDArray[np.float64]
    arrives: NDArray[np.float64]
    lab: NDArray[np.int32]
    reacts: NDArray[np.int8]


class Counts(NamedTuple):
    """What happens in each bin of time, added up.

    people (3, bins) that come, start and end; tubes (3, bins) closed, left and brought; opened (1, bins) tubes;
    delivered (bins,) people; busy (bins,) minutes of tables from each start, less those from each end, to the end of
    its bin.
    """

    people: NDArray[np.int64]
    tubes: NDArray[np.int64]
    opened: NDArray[np.int64]
    delivered: NDArray[np.int64]
    busy: NDArray[np.float64]


@kernel
def collect(first: NDArray[np.int64], tubes: Tubes, kept: Tubes) -> None:
    """Write the tubes of all sites one after the other.

    first (sites + 1,) is where those of each site stand in tubes, which is read; kept has just as many places as tubes
    were filled, n_filled excepted, which both share.
    """
    to = 0
    for site in range(tubes.n_filled.size):
        for k in range(first[site], first[site] + tubes.n_filled[site]):
            kept.members[to], kept.closed[to], kept.left[to] = tubes.members[k], tubes.closed[k], tubes.left[k]
            kept.arrives[to], kept.lab[to], kept.reacts[to] = tubes.arrives[k], tubes.lab[k], tubes.reacts[k]
            to += 1


@kernel
def come(site: int, rules: Rules, times: Times, people: People) -> None:
    """Write when the people of a site come: by the profile and in bursts, in order of time."""
    first, last = people.first[site], people.first[site + 1]
    n_burst = 0
    for b in range(times.bursts.size):
        n_burst += people.n_burst[site, b]
    n = last - first - n_burst
    arrived = people.arrived
    # Ordered uniform numbers are partial sums of exponential ones over their total; they stand behind the bursts.
    key = stream(rules.seed, GAPS, site)
    total = 0.0
    if rules.even == 0:
        for k in range(n):
            total -= np.log(chance(key, k))
            arrived[first + n_burst + k] = total
        total -= np.log(chance(key, n))
    step, to, burst, left = 0, first, 0, 0
    if times.bursts.size > 0:
        left = people.n_burst[site, 0]
    for k in range(n):
        part = arrived[first + n_burst + k] / total if rules.even == 0 else (k + (site + 0.5) / rules.n_sites) / n
        while step + 2 < times.part.size and part >= times.part[step + 1]:
            step += 1
        span = (part - times.part[step]) / (times.part[step + 1] - times.part[step])
        t = times.profile[step] + span * (times.profile[step + 1] - times.profile[step])
        while burst < times.bursts.size and times.bursts[burst] <= t:
            for _ in range(left):
                arrived[to] = times.bursts[burst]
                to += 1
            burst += 1
            if burst < times.bursts.size:
                left = people.n_burst[site, burst]
        arrived[to] = t
        to += 1
    while burst < times.bursts.size:
        for _ in range(people.n_burst[site, burst]):
            arrived[to] = times.bursts[burst]
            to += 1
        burst += 1


@kernel
def lab_of(site: int, departure: int, arrives: float, times: Times) -> int:
    """Return the laboratory that a vehicle goes to: one that is open when it comes, or else the first to open."""
    total, soonest = 0.0, 0
    for k in range(times.opens.size):
        if times.opens[k] <= arrives:
            total += times.share[k]
        if times.opens[k] < times.opens[soonest]:
            soonest = k
    if total == 0.0:
        return soonest
    place = 0.5 + site * _BY_SITE + departure * _BY_DEPARTURE
    place = (place - np.floor(place)) * total
    chosen = soonest
    for k in range(times.opens.size):
        if times.opens[k] <= arrives:
            chosen = k
            if place < times.share[k]:
                break
            place -= times.share[k]
    return chosen


@kernel
def tally(t: float, row: int, counts: NDArray[np.int64], width: float) -> None:
    """Count something at minute t in its bin, or nothing where t lies beyond the bins."""
    if t < counts.shape[1] * width:
        counts[row, min(int(t / width), counts.shape[1] - 1)] += 1


@kernel
def engage(t: float, sign: float, busy: NDArray[np.float64], width: float) -> None:
    """Add the minutes from t to the end of its bin, for a server that starts (sign 1) or ends (-1) then."""
    if t < busy.size * width:
        k = min(int(t / width), busy.size - 1)
        busy[k] += sign * ((k + 1) * width - t)


@kernel
def sample(start: int, end: int, rules: Rules, times: Times, people: People, tubes: Tubes, counts: Counts) -> None:
    """Take the sites from start to end through arrival, sampling, tubes and couriers.

    People are taken in the order in which they come, by the first table that is free and worked, while there is a swab
    for each, and a tube for who opens one; else all wait for the next delivery that has some. The tube that is open
    takes the next person who starts within the linger time of its first, and is closed when its last swab is done; the
    tubes of a site leave in the order in which they were opened.
    """
    heap = np.empty(max(1, times.tables.max()))
    for site in range(start, end):
        come(site, rules, times, people)
        swabs, sick = stream(rules.seed, SWABS, site), stream(rules.seed, INFECTED, site)
        reacting = stream(rules.seed, REACTS, site)
        n_busy, edge, lot, t = 0, 0, 0, 0.0
        phase = rules.headway * (site + 0.5) / rules.n_sites
        departure, n_left = 0, 0
        members, infected, opened, done = 0, False, 0.0, 0.0
        first, last, n_tubes = people.first[site], people.first[site + 1], 0
        stopped = False
        for person in range(first, last + 1):
            if person < last:
                arrived = people.arrived[person]
                tally(arrived, 0, counts.people, rules.width)
                t = max(t, arrived)
                while not stopped:
                    while edge + 1 < times.edges.size and times.edges[edge + 1] <= t:
                        edge += 1
                    while lot + 1 < times.supplied.size and times.supplied[lot + 1] <= t:
                        lot += 1
                    tables = times.tables[edge]
                    while n_busy >= tables and n_busy > 0 and heap[0] <= t:
                        n_busy -= 1
                        heap[0] = heap[n_busy]
                        sift_down(heap, n_busy)
                    # A tube that is full or too old is still to be closed: who comes now opens the next one.
                    joins = 0 < members < rules.pool_size and t <= opened + rules.linger
                    n_opened = n_tubes + (1 if members > 0 else 0)
                    enough = person - first + 1 <= times.swabs[lot] and (joins or n_opened + 1 <= times.tubes[lot])
                    if n_busy < tables and enough:
                        break
                    later = np.inf
                    if n_busy >= tables:
                        later = np.inf if n_busy == 0 else heap[0]
                        if edge + 1 < times.edges.size:
                            later = min(later, times.edges[edge + 1])
                    elif lot + 1 < times.supplied.size:
                        later = times.supplied[lot + 1]
                    t = later
                    stopped = t > rules.horizon
                stopped = stopped or t > rules.horizon
                ends = np.inf
                if not stopped:
                    ends = t + rules.minutes * noise(rules.spread, rules.sigma, swabs, person - first)
                    heap[n_busy] = ends
                    n_busy += 1
                    sift_up(heap, n_busy)
                    tally(t, 1, counts.people, rules.width)
                    tally(ends, 2, counts.people, rules.width)
                    engage(t, 1.0, counts.busy, rules.width)
                    engage(ends, -1.0, counts.busy, rules.width)
                people.sampled[person] = ends
                if people.began.size > 0:
                    people.began[person] = np.inf if stopped else t
                if stopped:
                    continue
            # A tube is closed by its last member, or by its age once the next person is too late for it.
            full = members == rules.pool_size
            if members > 0 and (full or person == last or t > opened + rules.linger):
                closed = done if full else max(done, opened + rules.linger)
                wanted = int(max(0.0, np.ceil((closed - phase) / rules.headway)))
                # The division may be off by its rounding, either way.
                while wanted > 0 and phase + (wanted - 1) * rules.headway >= closed:
                    wanted -= 1
                while phase + wanted * rules.headway < closed:
                    wanted += 1
                if wanted > departure:
                    departure, n_left = wanted, 0
                elif rules.capacity > 0 and n_left == rules.capacity:
                    departure, n_left = departure + 1, 0
                n_left += 1
                left = phase + departure * rules.headway
                tube = first + n_tubes
                tubes.members[tube] = members
                tubes.closed[tube], tubes.left[tube] = closed, left
                tubes.arrives[tube] = left + rules.travel
                tubes.lab[tube] = lab_of(site, departure, left + rules.travel, times)
                likely = times.sensitive[members] if infected else 1.0 - rules.specificity
                # A tube of one is not tested again: what it reads is that person's result.
                tubes.reacts[tube] = 1 if members > 1 and chance(reacting, n_tubes) < likely else 0
                tally(closed, 0, counts.tubes, rules.width)
                tally(left, 1, counts.tubes, rules.width)
                tally(left + rules.travel, 2, counts.tubes, rules.width)
                if left + rules.travel < counts.delivered.size * rules.width:
                    counts.delivered[min(int((left + rules.travel) / rules.width), counts.delivered.size - 1)] += (
                        members
                    )
                n_tubes += 1
                members, infected, done = 0, False, 0.0
            if person < last:
                if members == 0:
                    opened = t
                    tally(t, 0, counts.opened, rules.width)
                members += 1
                done = max(done, people.sampled[person])
                infected = infected or chance(sick, person - first) < rules.prevalence
        tubes.n_filled[site] = n_tubes
