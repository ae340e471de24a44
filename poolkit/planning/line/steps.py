"""A line as arrays for the kernels: how many servers work when, and every rule as a number."""

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poolkit.kernels import line_chance as chance
from poolkit.kernels import line_lab, line_sites
from poolkit.planning.line.description import Laboratory, Line, Sites
from poolkit.planning.line.stages import SPREADS, Shift, Stage, Team

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Steps(NamedTuple):
    """Servers at work from each minute on.

    Attributes
    ----------
    edges : numpy.ndarray of float64
        Minutes, from 0.
    servers : numpy.ndarray of int64
        At work from then until the next.
    """

    edges: Floats
    servers: Counts

    def hours(self, minutes: Floats) -> Floats:
        """Return the server hours worked until each minute."""
        worked = np.concatenate([[0.0], np.cumsum(np.diff(self.edges) * self.servers[:-1])])
        last = np.searchsorted(self.edges, minutes, side="right") - 1
        return np.asarray((worked[last] + (minutes - self.edges[last]) * self.servers[last]) / 60.0)

    def until(self, minute: float) -> float:
        """Return the server hours worked until one minute, without arrays of its own."""
        last = bisect_right(self.edges, minute) - 1
        worked = float(np.diff(self.edges[: last + 1]) @ self.servers[:last])
        return (worked + (minute - float(self.edges[last])) * float(self.servers[last])) / 60.0


@lru_cache(maxsize=1024)
def at_work(
    servers: int, shifts: tuple[Shift, ...], teams: tuple[Team, ...], *, opens_hour: float, horizon_hours: float
) -> Steps:
    """Return how many servers are at work when, from the start to the horizon.

    Parameters
    ----------
    servers
        Servers that are always there.
    shifts
        Hours of the day in which they are worked; round the clock where empty.
    teams
        Support with servers of its own.
    opens_hour
        Nothing works before.
    horizon_hours
        Shifts are laid out until then.

    Returns
    -------
    Steps
        Minutes and servers, read-only: scenarios that differ elsewhere share them. Two neighbours differ.
    """
    days = range(-1, int(horizon_hours // 24.0) + 2) if shifts else range(0)
    edges = {0.0, opens_hour * 60.0}
    edges |= {hour * 60.0 for team in teams for hour in (team.from_hour, team.to_hour)}
    turns = [
        (shift, (24.0 * day + shift.from_hour) * 60.0, (24.0 * day + shift.to_hour) * 60.0)
        for day in days
        for shift in shifts
    ]
    edges |= {edge for _, start, end in turns for edge in (start, end)}
    times = np.array(sorted(edge for edge in edges if 0.0 <= edge < np.inf))
    staffed = np.full(times.size, servers, np.int64)
    if shifts:
        staffed[:] = 0
        for shift, start, end in turns:
            staffed[(times >= start) & (times < end)] += servers if shift.servers is None else shift.servers
        staffed = np.minimum(staffed, servers)
    for team in teams:
        staffed[(times >= team.from_hour * 60.0) & (times < team.to_hour * 60.0)] += team.servers
    staffed[times < opens_hour * 60.0] = 0
    changes = np.concatenate([[True], np.diff(staffed) != 0])
    steps = Steps(times[changes], staffed[changes])
    for each in steps:
        each.flags.writeable = False
    return steps


def sampling_steps(line: Line) -> Steps:
    """Return the tables at work at each site."""
    sites = line.sites
    return at_work(
        sites.tables, tuple(sites.shifts), tuple(sites.teams), opens_hour=0.0, horizon_hours=line.horizon_hours
    )


def stage_steps(line: Line, lab: Laboratory, stage: Stage) -> Steps:
    """Return the servers at work at a stage of a laboratory."""
    shifts, teams = tuple(stage.shifts), tuple(stage.teams)
    return at_work(stage.servers, shifts, teams, opens_hour=lab.opens_hour, horizon_hours=line.horizon_hours)


def sigma_of(variation: float) -> float:
    """Return the standard deviation of the logarithm of a lognormal number with this standard deviation by mean."""
    return float(np.sqrt(np.log1p(variation * variation)))


def bins_of(line: Line) -> int:
    """Return the number of bins of time up to the horizon."""
    return int(np.ceil(line.horizon_hours * 60.0 / line.grid_minutes - 1e-9))


def spread_over(n: int, sites: int) -> Counts:
    """Return how many of n people come to each site, as evenly as can be."""
    return np.diff(n * np.arange(sites + 1, dtype=np.int64) // sites)


def swabs_of(line: Line) -> int:
    """Return the specimens of each member of a reactive pool."""
    rules = line.rules
    return rules.swabs_per_recollect if rules.positive_pool == "recollect" else 1


def site_rules(line: Line, seed: int) -> line_sites.Rules:
    """Return what holds for all sites."""
    sites = line.sites
    return line_sites.Rules(
        seed=seed,
        n_sites=sites.count,
        even=0 if line.arrivals.random else 1,
        minutes=float(sites.minutes),
        spread=SPREADS.index(sites.spread),
        sigma=sigma_of(sites.variation),
        pool_size=line.pool_size,
        linger=float(sites.tube_linger_minutes),
        headway=float(line.courier.headway(sites.count)),
        travel=float(line.courier.travel_minutes),
        capacity=line.courier.capacity or 0,
        prevalence=float(line.prevalence),
        specificity=float(line.rules.specificity),
        horizon=line.horizon_hours * 60.0,
        width=float(line.grid_minutes),
    )


def site_times(line: Line) -> line_sites.Times:
    """Return when people come and tables work, and when laboratories take tubes."""
    profile = np.array([hour * 60.0 for hour, _ in line.arrivals.profile])
    rates = np.array([rate for _, rate in line.arrivals.profile[:-1]])
    people = np.concatenate([[0.0], np.cumsum(rates * np.diff(profile))])
    part = people / people[-1]
    steps = sampling_steps(line)
    supplied, swabs, tubes = supplies_of(line.sites)
    sensitive = [line.rules.sensitivity_at(max(1, size)) for size in range(line.pool_size + 1)]
    return line_sites.Times(
        profile=profile,
        part=part,
        bursts=np.array([hour * 60.0 for hour, _ in sorted(line.arrivals.bursts)], np.float64),
        # Kernels are compiled for one kind of array, those that can be written.
        edges=steps.edges.copy(),
        tables=steps.servers.copy(),
        supplied=supplied,
        swabs=swabs,
        tubes=tubes,
        sensitive=np.array(sensitive),
        opens=np.array([lab.opens_hour * 60.0 for lab in line.labs]),
        share=np.array([lab.share for lab in line.labs], np.float64),
    )


def supplies_of(sites: Sites) -> tuple[Floats, Floats, Floats]:
    """Return minutes from 0, and the swabs and the tubes that each site has got by then."""
    kinds = (sites.swabs, sites.tubes)
    minutes = sorted({0.0} | {hour * 60.0 for stock in kinds if stock for hour, _ in stock.deliveries})
    got = np.full((2, len(minutes)), np.inf)
    for row, stock in zip(got, kinds, strict=True):
        if stock is not None:
            row[:] = [
                sum((units for hour, units in stock.deliveries if hour * 60.0 <= t), stock.quantity) for t in minutes
            ]
    return np.array(minutes), got[0], got[1]


def bench_of(lab: Laboratory, number: int, seed: int) -> line_lab.Bench:
    """Return the stages of a laboratory."""
    stages, names = lab.stages, [stage.name for stage in lab.stages]
    items = [stock.item for stock in lab.stocks]

    def floats(field: str) -> Floats:
        return np.array([getattr(stage, field) for stage in stages], np.float64)

    kinds = (chance.SERVICE, chance.FAILS, chance.BREAKS, chance.REPAIRS)
    keys = [[chance.stream(seed, kind, 1_000 * number + k) for kind in kinds] for k in range(len(stages))]
    return line_lab.Bench(
        minutes=floats("minutes"),
        each=floats("minutes_each"),
        spread=np.array([SPREADS.index(stage.spread) for stage in stages]),
        sigma=np.array([sigma_of(stage.variation) for stage in stages]),
        usable=np.array([stage.usable for stage in stages]),
        linger=floats("linger_minutes"),
        lanes=np.array([int(stage.retests_first) for stage in stages]),
        fails=floats("fails"),
        rerun_at=np.array([names.index(stage.rerun_at or stage.name) for stage in stages]),
        between=np.array([stage.breakdown_minutes or np.inf for stage in stages], np.float64),
        repair=floats("repair_minutes"),
        item=np.array([-1 if stage.item is None else items.index(stage.item) for stage in stages]),
        a_batch=floats("units_a_batch"),
        a_specimen=floats("units_a_specimen"),
        keys=np.array(keys, np.uint64),
    )


def asked_of(line: Line, number: int, seed: int) -> line_lab.Asked:
    """Return what a laboratory, by its place, does with reactive pools and invalid readings."""
    lab = line.labs[number]
    names = [stage.name for stage in lab.stages]
    kept = line.rules.positive_pool == "retest"
    return line_lab.Asked(
        reads=[stage.reads for stage in lab.stages].index(True),
        retest_at=names.index(lab.retest_at) if kept and lab.retest_at else 0,
        delay=float(line.retest_minutes if kept else line.recollect_minutes),
        swabs=swabs_of(line),
        invalid=float(lab.invalid),
        invalid_at=names.index(lab.invalid_at or names[0]),
        reruns=line.rules.invalid_reruns,
        key=np.uint64(chance.stream(seed, chance.INVALID, number)),
        horizon=line.horizon_hours * 60.0,
        width=float(line.grid_minutes),
    )


def calendar_of(line: Line, lab: Laboratory) -> line_lab.Calendar:
    """Return the shifts and deliveries of a laboratory in order of time."""
    rows = []
    for k, stage in enumerate(lab.stages):
        steps = stage_steps(line, lab, stage)
        rows += [(t, line_lab.WORKED, k, float(n)) for t, n in zip(steps.edges, steps.servers, strict=True)]
    for k, stock in enumerate(lab.stocks):
        rows += [(hour * 60.0, line_lab.DELIVERED, k, float(units)) for hour, units in stock.deliveries]
    rows.sort(key=lambda row: row[:3])
    return line_lab.Calendar(
        time=np.array([row[0] for row in rows], np.float64),
        kind=np.array([row[1] for row in rows], np.int64),
        which=np.array([row[2] for row in rows], np.int64),
        value=np.array([row[3] for row in rows], np.float64),
    )
