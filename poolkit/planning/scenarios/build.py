"""`line_from`: the line of a scenario whose values are complete, with what comes in its course."""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

from poolkit.errors import DesignError, Problem
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, Shift, Sites, Stage, Stock, Team
from poolkit.planning.line.defaults import STAGES
from poolkit.planning.scenarios.coming import STOCKED, WHAT, Coming, read_coming
from poolkit.planning.scenarios.complete import machines_for
from poolkit.planning.scenarios.records import Value
from poolkit.planning.scenarios.tables import lab_kind

# The default stages are sized for so many tubes a day; those without a machine of the scenario grow with its tubes.
_TUBES_A_DAY = 100_000.0
_MOST_LABS = 200
_MOST_PEOPLE = 50_000_000
# A line is counted in bins of ten minutes, or wider where these would be too many.
_GRID_MINUTES, _MOST_BINS = 10.0, 200_000
MACHINES = {"extraction": ("extractors", "extraction_minutes"), "amplification": ("cyclers", "pcr_minutes")}


class _Room(NamedTuple):
    """One laboratory: its machines, the support that it gets, and when it works."""

    name: str
    machines: Mapping[str, int]
    sources: Mapping[str, str]
    teams: Mapping[str, tuple[Team, ...]]
    hours: float
    opens_hour: float = 0.0

    @property
    def cyclers(self) -> int:
        """Cyclers of its own and of its support, all that ever work there."""
        return self.machines["cyclers"] + sum(team.servers for team in self.teams.get("cyclers", ()))


def line_from(values: Mapping[str, Value]) -> Line:
    """Return the line of complete values.

    Parameters
    ----------
    values
        Of `complete`.

    Returns
    -------
    Line
        The laboratories that are there from the first swab, then those that come.

    Raises
    ------
    DesignError
        When the values make no line; all that is wrong is named.
    """

    def number(name: str) -> float:
        return float(values[name].value)

    coming = {name: read_coming(name, str(values[name].value))[0] if name in values else [] for name in WHAT}
    n_sites, n_labs = int(number("sites")), int(number("labs"))
    _refuse(values, coming)
    rooms = _fixed(values, coming["support"], n_labs) + _mobile(values, coming["mobile_labs"])
    labs = tuple(_lab(values, room) for room in rooms)
    labs = _stocked(labs, coming["stock"])
    pool_size = int(number("pool_size"))
    days = number("sampling_days")
    tubes_a_day = sum(stage.an_hour for lab in labs for stage in lab.stages if stage.name == "amplification") * 24.0
    tubes_a_day = max(tubes_a_day, 1e-9)
    days_of_tests = number("people") / pool_size / tubes_a_day * (1.0 + pool_size * number("prevalence"))
    late = max((each.from_hour for several in coming.values() for each in several), default=0.0)
    horizon = float(ceil(late + 24.0 * (days + 3.0 * days_of_tests + 7.0)))
    tables = tuple(
        Team(round(each.number / n_sites), each.from_hour, each.to_hour)
        for each in coming["support"]
        if each.what == "tables"
    )
    return Line(
        arrivals=Arrivals(int(number("people")), _profile(days, number("hours_open"))),
        sites=Sites(
            n_sites, max(1, round(number("tables") / n_sites)), number("sampling_seconds") / 60.0, teams=tables
        ),
        courier=Courier(number("courier_minutes"), number("transport_minutes")),
        labs=labs,
        pool_size=pool_size,
        protocol="cn-10in1-2020" if pool_size <= 10 else "cn-20in1-2022",
        prevalence=number("prevalence"),
        horizon_hours=horizon,
        grid_minutes=_GRID_MINUTES * ceil(60.0 * horizon / _GRID_MINUTES / _MOST_BINS),
    )


def _refuse(values: Mapping[str, Value], coming: Mapping[str, list[Coming]]) -> None:
    problems = []
    n_labs = int(values["labs"].value) + sum(each.number for each in coming["mobile_labs"])
    if n_labs > _MOST_LABS:
        problems.append(Problem("labs", f"at most {_MOST_LABS} are run one by one, found {n_labs}; give tubes_a_day"))
    if int(values["pool_size"].value) > 20:
        what = f"no protocol allows more than 20 swabs a tube, found {values['pool_size'].value}"
        problems.append(Problem("pool_size", what))
    if float(values["people"].value) > _MOST_PEOPLE:
        people = f"{float(values['people'].value):,.0f}"
        what = f"at most {_MOST_PEOPLE:,} are run one by one, found {people}; plan a part of them"
        problems.append(Problem("people", what))
    for each in coming["mobile_labs"]:
        try:
            lab_kind(each.what)
        except DesignError as reason:
            problems += [Problem("mobile_labs", f"{each.what} is {problem.what}") for problem in reason.problems]
    sites = int(values["sites"].value)
    problems += [
        Problem("support", f"{each.number} tables are not one for each of {sites} sites")
        for each in coming["support"]
        if each.what == "tables" and round(each.number / sites) < 1
    ]
    if problems:
        raise DesignError("not a line", problems)


def _profile(days: float, hours_open: float) -> tuple[tuple[float, float], ...]:
    """Return the hours in which persons come: evenly while the sites are open, hour 0 is the first swab."""
    profile: list[tuple[float, float]] = []
    for day in range(ceil(days)):
        last = 24.0 * day + hours_open * min(1.0, days - day)
        if hours_open < 24.0 or day == 0:
            profile += [(24.0 * day, 1.0), (last, 0.0)]
        else:
            profile[-1] = (last, 0.0)
    return tuple(profile)


def _fixed(values: Mapping[str, Value], support: list[Coming], n_labs: int) -> list[_Room]:
    """Return the laboratories that are there, each with its part of all machines and of the support."""
    machines = ("extractors", "cyclers")
    return [
        _Room(
            "laboratory" if n_labs == 1 else f"laboratory {place + 1}",
            {name: _part(int(values[name].value), place, n_labs) for name in machines},
            {name: values[name].source for name in machines},
            {
                name: tuple(
                    Team(part, each.from_hour, each.to_hour)
                    for each in support
                    if each.what == name and (part := _part(each.number, place, n_labs))
                )
                for name in machines
            },
            float(values["lab_hours"].value),
        )
        for place in range(n_labs)
    ]


def _mobile(values: Mapping[str, Value], coming: list[Coming]) -> list[_Room]:
    """Return the laboratories that come, with the machines of their kinds."""
    rooms: list[_Room] = []
    for each in coming:
        kind = lab_kind(each.what)
        hours, tubes = float(kind["hours_a_day"]), float(kind["quoted_tubes_a_day"])
        counts, sources = {}, {}
        for name, minutes in MACHINES.values():
            told = kind.get(name)
            counts[name] = int(told or machines_for(tubes, values, minutes, hours_a_day=hours))
            how = "quoted for" if told else "computed from the tubes a day quoted for"
            sources[name] = f"{how} a laboratory of kind {each.what}"
        rooms += [
            _Room(f"{each.what} {len(rooms) + n + 1}", counts, sources, {}, hours, each.from_hour)
            for n in range(each.number)
        ]
    return rooms


def _lab(values: Mapping[str, Value], room: _Room) -> Laboratory:
    linger, plate = float(values["linger_minutes"].value), int(values["tubes_a_plate"].value)
    shifts = () if room.hours >= 24.0 else (Shift(0.0, room.hours),)
    per_minute = room.cyclers * plate / float(values["pcr_minutes"].value)
    size = max(per_minute * 1440.0 / _TUBES_A_DAY, 1e-9)
    stages = []
    for stage in STAGES:
        if stage.name in MACHINES:
            machine, minutes = MACHINES[stage.name]
            own: dict[str, Any] = {
                "servers": room.machines[machine],
                "minutes": float(values[minutes].value),
                "controls": 96 - plate,
                "linger_minutes": linger,
                "source": room.sources[machine],
                "teams": room.teams.get(machine, ()),
            }
        else:
            # A fifth more than keeps up, since it must not bind.
            own = {"servers": max(1, ceil(1.2 * stage.servers * size))}
            if stage.name == "inactivation":
                own["minutes"] = float(values["inactivation_minutes"].value)
        stages.append(replace(stage, shifts=shifts, **own))
    return Laboratory(room.name, tuple(stages), opens_hour=room.opens_hour, share=max(float(room.cyclers), 1e-9))


def _stocked(labs: tuple[Laboratory, ...], coming: list[Coming]) -> tuple[Laboratory, ...]:
    """Return the laboratories with their parts of what is in stock; controls use tests as tubes do."""
    items = {item: [each for each in coming if each.what == item] for item in STOCKED}
    items = {item: batches for item, batches in items.items() if batches}
    if not items:
        return labs
    whole = sum(lab.share for lab in labs)

    def stock_of(lab: Laboratory, item: str) -> Stock:
        part = lab.share / whole
        later = sorted((each.from_hour, each.number * part) for each in items[item] if each.from_hour > 0.0)
        return Stock(item, part * sum(each.number for each in items[item] if each.from_hour <= 0.0), tuple(later))

    of_stage = {STOCKED[item]: item for item in items}

    def using(stage: Stage) -> Stage:
        if stage.name not in of_stage:
            return stage
        return replace(stage, item=of_stage[stage.name], units_a_batch=float(stage.controls), units_a_specimen=1.0)

    return tuple(
        replace(
            lab,
            stages=tuple(using(stage) for stage in lab.stages),
            stocks=tuple(stock_of(lab, item) for item in items),
        )
        for lab in labs
    )


def _part(count: int, place: int, n_labs: int) -> int:
    return count // n_labs + (place < count % n_labs)
