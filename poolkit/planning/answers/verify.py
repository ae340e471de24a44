"""`verify_required`: the least resources put to the simulator, and raised until the deadline really holds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, get_args

import numpy as np
import pandas as pd

from poolkit.errors import DesignError, Problem
from poolkit.kernels import line_people
from poolkit.planning.answers.required import Required, lab_stages
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Sites, simulate_line
from poolkit.planning.line.defaults import STAGES
from poolkit.protocols import Protocol

# So many times the least machines are tried before the time is said to be too short.
_MOST = 16.0
Whom = Literal["everybody", "first pass"]


@dataclass(frozen=True, slots=True)
class Verified:
    """Resources with which the deadline holds in the simulator.

    Attributes
    ----------
    resources : pandas.DataFrame
        ``resource``, ``stage``, ``least`` by physical capacity, ``needed`` for the deadline, ``more``.
    last_hour : float
        Hour since the first swab at which the last of those whom it was asked for has a result, the latest of all runs.
    least_last_hour : float
        The same with the least resources.
    sampling_until_hour : float
        Hour at which sites close.
    line : Line
        The line that holds, for `simulate_line`.
    n_runs : int
        Runs of the simulator.
    assumptions : pandas.DataFrame
        Those of `required`, and of the line.
    """

    resources: pd.DataFrame
    last_hour: float
    least_last_hour: float
    sampling_until_hour: float
    line: Line
    n_runs: int
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give when the last result comes, and how many are needed for it."""
        counts = [
            f"{row['resource']} {row['needed']:,}" + (f" (+{row['more']:,})" if row["more"] else "")
            for row in self.resources.to_dict("records")
        ]
        least = f"{self.least_last_hour:.1f} h" if np.isfinite(self.least_last_hour) else "never"
        came = f"last result at {self.last_hour:.1f} h, with the least {least}"
        return f"Verified({came}; sampling until {self.sampling_until_hour:.1f} h)\n  {', '.join(counts)}"

    @property
    def needed(self) -> dict[str, int]:
        """How many of each machine, and of the tables."""
        return {str(name): int(n) for name, n in zip(self.resources["resource"], self.resources["needed"], strict=True)}


def line_of(
    answer: Required,
    counts: Mapping[str, int] | None = None,
    *,
    sampling_until_hour: float,
    protocol: Protocol | str = "cn-10in1-2020",
) -> Line:
    """Return the line of least resources, or of other counts, as `simulate_line` takes it.

    Parameters
    ----------
    answer
        What `required` returned.
    counts
        Counts in place of the least ones, by resource.
    sampling_until_hour
        People come evenly from hour 0 to this one, on each day while sites are open.
    protocol
        What a reactive pool asks for.

    Returns
    -------
    Line
        One laboratory with all machines; tables spread over the sites, rounded up.

    Raises
    ------
    DesignError
        When the protocol does not allow the pool size.

    Examples
    --------
    >>> from poolkit.planning.answers import required
    >>> line = line_of(required(10_000), sampling_until_hour=12)
    >>> line.sites.count, line.sites.tables, line.labs[0].stages[3].servers
    (4, 4, 2)
    """
    value = dict(zip(answer.assumptions["name"], answer.assumptions["value"], strict=True))
    there = answer.least | dict(counts or {})
    open_hours = min(value["sampling_hours"], 24.0)
    profile: list[tuple[float, float]] = []
    day = 0.0
    while day < sampling_until_hour:
        closed = min(day + open_hours, sampling_until_hour)
        # Sites that never close have one rate.
        profile = profile[:-1] if profile and profile[-1][0] == day else profile
        profile += [(day, 1.0), (closed, 0.0)]
        day += 24.0
    stages = []
    of_stage = {each.stage: each for each in lab_stages(value)}
    for stage in STAGES:
        each = of_stage.get(stage.name)
        if each is None:
            stages.append(replace(stage, servers=max(stage.servers, ceil(there["cyclers"] / 4))))
        elif each.places > 1.0:
            slots = round(each.places) + stage.controls
            stages.append(replace(stage, servers=there[each.resource], minutes=each.minutes, slots=slots))
        else:
            stages.append(replace(stage, servers=there[each.resource], minutes_each=each.minutes))
    return Line(
        Arrivals(round(answer.people), tuple(profile)),
        Sites(there["sites"], ceil(there["tables"] / there["sites"]), value["sampling_seconds"] / 60.0),
        Courier(value["headway_minutes"], travel_minutes=value["round_trip_minutes"] / 2.0),
        labs=(Laboratory(stages=tuple(stages)),),
        pool_size=answer.pool_size,
        protocol=protocol,
        prevalence=answer.prevalence,
        horizon_hours=4.0 * answer.hours + 48.0,
    )


def verify_required(
    answer: Required,
    *,
    seed: int,
    whom: Whom = "everybody",
    sampling_until_hour: float | None = None,
    protocol: Protocol | str = "cn-10in1-2020",
    replications: int = 1,
) -> Verified:
    """Return how many machines are needed so that everybody really has a result within the time, by simulation.

    Parameters
    ----------
    answer
        What `required` returned.
    seed
        Seed of the first run; each further replication takes the next.
    whom
        Whose result must come in time: everybody's, or those of the first pass, which leaves the members of reactive
        pools to be tested alone later.
    sampling_until_hour
        Hour at which the last people come; where not given as late as leaves time for their results, and at most
        ``sampling_hours`` of the last day.
    protocol
        What a reactive pool asks for: new swabs take longer than kept ones.
    replications
        The deadline must hold in so many runs.

    Returns
    -------
    Verified
        The counts, when the last person has a result, and the line.

    Raises
    ------
    DesignError
        When a number is out of range, or the time is too short for any number of machines.

    Notes
    -----
    First all machines and tables are multiplied by one factor, the smallest found by bisection with which the deadline
    holds; then each in turn is lowered by bisection as far as it still holds, not below the least. There is no proof
    that no other mix does with fewer in all. About 40 runs, each 0.1 to 0.3 s for a million people. Machines work
    without the rest that ``use`` grants them: it is the room that is left for the unforeseen.

    References
    ----------
    Law 2015, *Simulation Modeling and Analysis*, 5th edition, section 11.2: common random numbers.

    Examples
    --------
    >>> from poolkit.planning.answers import required
    >>> answer = required(2_000, within="12h", pool_size=10, prevalence=0.001)
    >>> found = verify_required(answer, seed=1, whom="first pass")
    >>> found.last_hour <= 12.0 < found.least_last_hour
    True
    >>> answer.least["cyclers"], found.needed["cyclers"]
    (1, 2)
    """
    _refuse(answer, seed, whom, sampling_until_hour, replications)
    until = _until(answer, protocol, whom) if sampling_until_hour is None else sampling_until_hour
    trial = _Trial(answer, until, protocol, seed, whom, replications)
    needed = trial.least
    if not trial.holds(needed):
        most = trial.scaled(_MOST)
        if not trial.holds(most):
            told = "never comes" if np.isinf(trial.last(most)) else f"comes at {trial.last(most):.1f} h"
            what = f"{answer.hours:g} h are too short: with {_MOST:g} times the machines the last result {told}"
            raise DesignError("no such plan", [Problem("within, sampling_until_hour", what)])
        low, high = 1.0, _MOST
        while high - low > 0.02 * low:
            middle = (low * high) ** 0.5
            low, high = (low, middle) if trial.holds(trial.scaled(middle)) else (middle, high)
        needed = trial.scaled(high)
        for name in needed:
            needed = needed | {name: trial.fewest(needed, name)}
    least, counts = trial.counts(trial.least), trial.counts(needed)
    table = answer.resources.loc[answer.resources["resource"].isin(counts), ["resource", "stage"]]
    table = table.reset_index(drop=True)
    table["least"], table["needed"] = (table["resource"].map(each).astype(np.int64) for each in (least, counts))
    table["more"] = table["needed"] - table["least"]
    line = line_of(answer, counts, sampling_until_hour=until, protocol=protocol)
    runs = len(trial.tried) * replications
    times = trial.last(needed), trial.last(trial.least)
    closed = line.arrivals.profile[-1][0]
    return Verified(table, *times, closed, line, runs, _assumptions(answer, line))


def _refuse(answer: Required, seed: int, whom: str, until: float | None, replications: int) -> None:
    problems = []
    if whom not in get_args(Whom):
        problems.append(Problem("whom", f"must be one of {', '.join(get_args(Whom))}, found {whom}"))
    if replications < 1:
        problems.append(Problem("replications", f"must be at least 1, found {replications}"))
    if seed < 0:
        problems.append(Problem("seed", f"must not be negative, found {seed}"))
    if until is not None and not 0.0 < until < answer.hours:
        what = f"must be above 0 and below {answer.hours:g}, found {until:g}"
        problems.append(Problem("sampling_until_hour", what))
    if problems:
        raise DesignError("not verified", problems)


class _Trial:
    """Runs of the line with other counts, each once; tables are counted by site, as the line has them."""

    def __init__(
        self, answer: Required, until: float, protocol: Protocol | str, seed: int, whom: Whom, replications: int
    ) -> None:
        self.answer, self.until, self.protocol = answer, until, protocol
        self.seed, self.whom, self.replications = seed, whom, replications
        table = answer.resources
        machines = [str(name) for name in table.loc[table["kind"] == "machine", "resource"]]
        self.least = {"tables": ceil(answer.least["tables"] / answer.least["sites"])}
        self.least |= {name: answer.least[name] for name in machines}
        self.tried: dict[tuple[int, ...], float] = {}

    def scaled(self, factor: float) -> dict[str, int]:
        """Return so many times the least counts."""
        return {name: ceil(round(factor * count, 6)) for name, count in self.least.items()}

    def counts(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Return counts with the tables of all sites."""
        return {**counts, "tables": counts["tables"] * self.answer.least["sites"]}

    def last(self, counts: Mapping[str, int]) -> float:
        """Return the latest hour of all runs."""
        key = tuple(counts.values())
        if key not in self.tried:
            line = line_of(self.answer, self.counts(counts), sampling_until_hour=self.until, protocol=self.protocol)
            self.tried[key] = max(_last_hour(line, self.seed + k, self.whom) for k in range(self.replications))
        return self.tried[key]

    def holds(self, counts: Mapping[str, int]) -> bool:
        """Say whether the deadline holds with these counts."""
        return self.last(counts) <= self.answer.hours

    def fewest(self, counts: Mapping[str, int], name: str) -> int:
        """Return the smallest count of one resource, found by bisection, with which the deadline holds."""
        low, high = self.least[name], counts[name]
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.holds({**counts, name: middle}) else (middle + 1, high)
        return high


def _last_hour(line: Line, seed: int, whom: Whom) -> float:
    run = simulate_line(line, seed=seed)
    if run.n_unfinished:
        return float("inf")
    chosen = run.resulted if whom == "everybody" else run.resulted[run.way == line_people.FIRST_PASS]
    return float(chosen.max(initial=0.0)) / 60.0


def _until(answer: Required, protocol: Protocol | str, whom: Whom) -> float:
    """Return when sampling has to end so that the last tube, and its members where it reacts, can be read in time."""
    line = line_of(answer, sampling_until_hour=1.0, protocol=protocol)
    value = dict(zip(answer.assumptions["name"], answer.assumptions["value"], strict=True))
    # A batch lingers before it starts, and at the end it is rarely full.
    stages = line.labs[0].stages
    bench = sum(stage.batch_minutes + stage.linger_minutes for stage in stages)
    road = line.courier.headway_minutes + line.courier.travel_minutes + line.sites.minutes
    again = 0.0
    if whom == "everybody" and answer.demand.reactive > 0.0:
        again = bench + (line.retest_minutes if line.rules.positive_pool == "retest" else line.recollect_minutes)
    last_day = 24.0 * ceil(answer.hours / 24.0 - 1.0)
    left = answer.hours - (road + bench + again) / 60.0
    # Half an hour of room, and at least an hour of sampling.
    until = min(left - 0.5, last_day + value["sampling_hours"])
    if until < 1.0:
        what = (
            f"{answer.hours:g} h are too short: {(road + bench + again) / 60.0:.1f} h pass from swab to the last result"
        )
        raise DesignError("no such plan", [Problem("within", what)])
    return float(until)


def _assumptions(answer: Required, line: Line) -> pd.DataFrame:
    stages = line.labs[0].stages
    rows = [
        ("sampling_until_hour", line.arrivals.profile[-1][0], "hour", "people come evenly until then", False),
        ("retest_minutes", line.retest_minutes, "minute", "fetching kept swabs", False),
        ("recollect_minutes", line.recollect_minutes, "minute", "call, visit at home, courier", False),
        *(
            (f"{each.name}: linger", each.linger_minutes, "minute", "a batch that is not full waits", False)
            for each in stages
        ),
        ("retests", float(line.rules.positive_pool == "retest"), "1 kept swab, 0 new swab", line.rules.label, True),
    ]
    return pd.concat([answer.assumptions, pd.DataFrame(rows, columns=answer.assumptions.columns)], ignore_index=True)
