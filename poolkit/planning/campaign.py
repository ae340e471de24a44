"""`plan_campaign`: a scenario run as a line: when everybody has a result, what binds, who waits where."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from poolkit.drawing import INK
from poolkit.errors import DesignError, Problem
from poolkit.planning.line import Arrivals, Courier, Laboratory, Line, LineRun, Shift, Sites, capacity, simulate_line
from poolkit.planning.line.defaults import STAGES
from poolkit.planning.matching import match_stages, plot_matching
from poolkit.planning.scenarios.complete import complete
from poolkit.planning.scenarios.fields import RECORDED
from poolkit.planning.scenarios.load import scenario
from poolkit.planning.scenarios.records import Scenario, Value, assumptions

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

PASSED = ("sampled", "delivered", "tested", "resulted")
# The default stages are sized for so many tubes a day; those without a machine of the scenario grow with its tubes.
_TUBES_A_DAY = 100_000.0
_MOST_LABS = 200
_MOST_PEOPLE = 50_000_000
# A line is counted in bins of ten minutes, or wider where these would be too many.
_GRID_MINUTES, _MOST_BINS = 10.0, 200_000
_MACHINES = {"extraction": ("extractors", "extraction_minutes"), "amplification": ("cyclers", "pcr_minutes")}


@dataclass(frozen=True, slots=True, eq=False)
class CampaignPlan:
    """What a run of a scenario shows.

    Attributes
    ----------
    scenario : Scenario
        With the planner's changes.
    values : mapping of str to Value
        Its values and what was filled in.
    line : Line
        What was run.
    run : LineRun
        The run, with all its frames.
    capacity : pandas.DataFrame
        What each stage can take, before anything is run: ``stage``, ``servers``, ``load`` and ``an_hour`` (specimens),
        largest ``backlog``, ``people_a_day``, ``finish_hour``, ``use`` (above 1 a backlog grows while persons come) and
        ``binding``; of `capacity`, all laboratories together.
    stages : pandas.DataFrame
        Degree, backlog and lag of each stage in the run, of `match_stages`.
    turnaround : pandas.DataFrame
        Hours from swab to result of all, of the first pass and of retests.
    """

    scenario: Scenario
    values: Mapping[str, Value] = field(repr=False)
    line: Line = field(repr=False)
    run: LineRun = field(repr=False)
    capacity: pd.DataFrame = field(repr=False)
    stages: pd.DataFrame = field(repr=False)
    turnaround: pd.DataFrame = field(repr=False)

    @property
    def last_hour(self) -> float:
        """Hours from the first swab until everybody has a result; NaN where somebody has none at the horizon."""
        return self.run.last_hour

    @property
    def binding(self) -> str:
        """The stage whose capacity is used most."""
        return str(self.capacity.loc[self.capacity["binding"], "stage"].iloc[0])

    @property
    def meets_deadline(self) -> bool:
        """Whether everybody has a result in the hours that were asked for."""
        return bool(self.last_hour <= float(self.values["deadline_hours"].value))

    def curves(self) -> pd.DataFrame:
        """Return persons that had passed each stage, hour by hour, as `matching` takes it.

        Returns
        -------
        pandas.DataFrame
            ``hour`` since the first swab, ``sampled``, ``delivered``, ``tested`` and ``resulted``.
        """
        return self.run.curves()[["hour", *PASSED]]

    def trace(self) -> pd.DataFrame | None:
        """Return what was observed, its hours moved to where the run has as many swabs as its first moment.

        Returns
        -------
        pandas.DataFrame or None
            As `matching` takes it; None where nothing was observed.
        """
        if not self.scenario.traces:
            return None
        observed = self.scenario.traces[0].curves()
        curves = self.run.curves()
        stage = self.scenario.traces[0].stages[0]
        if stage not in curves.columns:
            return None
        told = observed.dropna(subset=[stage])
        passed = curves[stage].to_numpy(np.float64)
        if not told[stage].iloc[0] <= passed[-1]:
            return None
        place = int(np.searchsorted(passed, told[stage].iloc[0], side="left"))
        moved = curves["hour"].iloc[place] - told["hour"].iloc[0]
        return observed.assign(hour=observed["hour"] + moved)

    def assumptions(self) -> pd.DataFrame:
        """Return every value that the plan stands on, those that nobody verified first.

        Returns
        -------
        pandas.DataFrame
            ``name``, ``value``, ``unit``, ``source``, ``verified``; the stages of the laboratory among them.
        """
        stages = {
            f"servers of {stage.name}": Value(
                stage.servers, f"assumed: sized to keep up; {stage.source}", verified=False
            )
            for stage in self.line.labs[0].stages
            if stage.name not in _MACHINES
        }
        used = {name: value for name, value in self.values.items() if name not in RECORDED}
        return assumptions({**used, **stages})

    def _tested_hour(self) -> float:
        curves = self.run.curves()
        done = curves[curves["tested"] >= self.run.n_people]
        return float(done["hour"].iloc[0]) if len(done) else float("nan")

    def facts(self) -> pd.DataFrame:
        """Return the answer in a few rows.

        Returns
        -------
        pandas.DataFrame
            ``name``, ``fact`` (for people), ``value`` (missing where there is none) and ``unit``: first who is tested,
            then when everybody has a result, then who waits where.
        """
        everybody = self.turnaround[self.turnaround["way"] == "all"].iloc[0]
        worst = self.stages[self.stages["worst"]].iloc[0]
        bound = self.capacity[self.capacity["binding"]].iloc[0]
        rows = [
            ("people", "persons", self.run.n_people, "persons"),
            ("pool_size", "persons a tube", self.line.pool_size, "persons"),
            ("sampling_days", "days of sampling", self.values["sampling_days"].value, "days"),
            ("people_a_day", f"capacity of {self.binding}, which binds", bound["people_a_day"], "persons/day"),
            ("tested_hour", "everybody was tested once after", self._tested_hour(), "h"),
            ("last_hour", "everybody has a result after", self.last_hour, "h"),
            ("deadline_hours", "asked for", self.values["deadline_hours"].value, "h"),
            ("unfinished", "without a result at the horizon", self.run.n_unfinished, "persons"),
            ("p50_hours", "swab to result, half of the persons", everybody["p50"], "h"),
            ("p90_hours", "swab to result, 90 % of the persons", everybody["p90"], "h"),
            ("p99_hours", "swab to result, 99 % of the persons", everybody["p99"], "h"),
            (
                "peak_backlog",
                f"most persons waiting, {worst['before']} to {worst['after']}",
                worst["peak_backlog"],
                "persons",
            ),
            ("peak_hour", "  at hour", worst["peak_hour"], "h"),
            ("peak_wait_hours", "  who joins them then waits", worst["lag_at_peak_hours"], "h"),
        ]
        return pd.DataFrame(rows, columns=["name", "fact", "value", "unit"]).astype({"value": float})


def plan_campaign(what: "Scenario | str | os.PathLike[str]", *, seed: int = 0, **changes: float | str) -> CampaignPlan:
    """Run a scenario from the first swab to the last result.

    Parameters
    ----------
    what
        A scenario, its name or its file.
    seed
        Seed of the simulation.
    **changes
        Values of the scenario to change, by their names, e.g. ``labs=3``.

    Returns
    -------
    CampaignPlan
        The line, its capacity, its run, and what is unverified.

    Raises
    ------
    DesignError
        When no scenario has the name, a change is unknown or out of range, or the values make no line; all that is
        wrong is named.
    FormatError
        When the file cannot be read.

    Notes
    -----
    See `build_line` for what becomes of the values. Hour 0 is the first swab. The cost is that of `simulate_line`,
    about a fifth of a second for a million persons.

    References
    ----------
    The sources of the scenario, see `CampaignPlan.assumptions`.

    Examples
    --------
    >>> plan = plan_campaign("dalian-like", people=4_000, sites=4, tables=16, labs=1, deadline_hours=80)
    >>> plan.binding, plan.meets_deadline
    ('sampling', True)
    """
    changed = scenario(what).changed(**changes)
    values = complete(changed)
    line = _line(values)
    run = simulate_line(line, seed=seed)
    stages = match_stages(run.curves(), stages=PASSED)
    return CampaignPlan(changed, values, line, run, _by_stage(capacity(line)), stages, run.turnaround())


def build_line(what: "Scenario | str | os.PathLike[str]", **changes: float | str) -> Line:
    """Return the line of a scenario, what it does not tell filled in.

    Parameters
    ----------
    what
        A scenario, its name or its file.
    **changes
        Values of the scenario to change, by their names.

    Returns
    -------
    Line
        To be run by `simulate_line` or changed further.

    Raises
    ------
    DesignError
        When no scenario has the name, a change is unknown or out of range, or the values make no line; all that is
        wrong is named.

    Notes
    -----
    Persons come evenly in the hours in which sites are open, on each of the days planned. Machines are those of the
    kind of laboratory, or what the quoted capacity asks for at the minutes a run; extraction and amplification have
    them, all other stages of the laboratory are sized to keep up. What a scenario does not tell is taken from the norms
    or from the scenario dalian-like. Every site has the same whole number of tables.

    References
    ----------
    The sources of the scenario.

    Examples
    --------
    >>> line = build_line("dalian-like", labs=2, pool_size=5)
    >>> [[stage.servers for stage in lab.stages if stage.name == "amplification"] for lab in line.labs]
    [[64], [64]]
    """
    return _line(complete(scenario(what).changed(**changes)))


def plot_plan_campaign(plan: CampaignPlan, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many persons had passed each stage, with the deadline and what was observed.

    Parameters
    ----------
    plan
        Of `plan_campaign`; its ``curves`` and ``trace`` stand behind the picture.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        As of `plot_matching`.

    Examples
    --------
    >>> plan = plan_campaign("dalian-like", people=4_000, sites=4, tables=16, labs=1)
    >>> plot_plan_campaign(plan).get_title()
    'A city like Dalian, more than a million a day'
    """
    curves = plan.curves()
    ax = plot_matching(curves, trace=plan.trace(), ax=ax)
    deadline = float(plan.values["deadline_hours"].value)
    if deadline <= 1.3 * float(curves["hour"].iloc[-1]):
        ax.axvline(deadline, color=INK, linestyle="--", linewidth=1.0, label=f"asked for: {deadline:g} h")
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_title(plan.scenario.title)
    ax.set_xlabel("hours since the first swab")
    return ax


def _line(values: Mapping[str, Value]) -> Line:
    def number(name: str) -> float:
        return float(values[name].value)

    n_sites, n_labs = int(number("sites")), int(number("labs"))
    problems = []
    if n_labs > _MOST_LABS:
        problems.append(Problem("labs", f"at most {_MOST_LABS} are run one by one, found {n_labs}; give tubes_a_day"))
    pool_size = int(number("pool_size"))
    if pool_size > 20:
        problems.append(Problem("pool_size", f"no protocol allows more than 20 swabs a tube, found {pool_size}"))
    if number("people") > _MOST_PEOPLE:
        what = f"at most {_MOST_PEOPLE:,} are run one by one, found {number('people'):,.0f}; plan a part of them"
        problems.append(Problem("people", what))
    if problems:
        raise DesignError("not a line", problems)
    days, hours_open = number("sampling_days"), number("hours_open")
    labs = tuple(_lab(values, place, n_labs) for place in range(n_labs))
    tubes_a_day = sum(stage.an_hour for lab in labs for stage in lab.stages if stage.name == "amplification") * 24.0
    days_of_tests = number("people") / pool_size / tubes_a_day * (1.0 + pool_size * number("prevalence"))
    horizon = float(ceil(24.0 * (days + 3.0 * days_of_tests + 7.0)))
    return Line(
        arrivals=Arrivals(int(number("people")), _profile(days, hours_open)),
        sites=Sites(n_sites, max(1, round(number("tables") / n_sites)), number("sampling_seconds") / 60.0),
        courier=Courier(number("courier_minutes"), number("transport_minutes")),
        labs=labs,
        pool_size=pool_size,
        protocol="cn-10in1-2020" if pool_size <= 10 else "cn-20in1-2022",
        prevalence=number("prevalence"),
        horizon_hours=horizon,
        grid_minutes=_GRID_MINUTES * ceil(60.0 * horizon / _GRID_MINUTES / _MOST_BINS),
    )


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


def _lab(values: Mapping[str, Value], place: int, n_labs: int) -> Laboratory:
    """Return one of the laboratories, with its part of all machines."""
    machines = {name: _part(int(values[name].value), place, n_labs) for name in ("extractors", "cyclers")}
    linger, plate = float(values["linger_minutes"].value), int(values["tubes_a_plate"].value)
    hours = float(values["lab_hours"].value)
    shifts = () if hours >= 24.0 else (Shift(0.0, hours),)
    per_minute = machines["cyclers"] * plate / float(values["pcr_minutes"].value)
    size = max(per_minute * 1440.0 / _TUBES_A_DAY, 1e-9)
    stages = []
    for stage in STAGES:
        if stage.name in _MACHINES:
            machine, minutes = _MACHINES[stage.name]
            own: dict[str, Any] = {
                "servers": machines[machine],
                "minutes": float(values[minutes].value),
                "controls": 96 - plate,
                "linger_minutes": linger,
                "source": values[machine].source,
            }
        else:
            # A fifth more than keeps up, since it must not bind.
            own = {"servers": max(1, ceil(1.2 * stage.servers * size))}
            if stage.name == "inactivation":
                own["minutes"] = float(values["inactivation_minutes"].value)
        stages.append(replace(stage, shifts=shifts, **own))
    name = "laboratory" if n_labs == 1 else f"laboratory {place + 1}"
    return Laboratory(name, tuple(stages), share=max(float(machines["cyclers"]), 1e-9))


def _part(count: int, place: int, n_labs: int) -> int:
    return count // n_labs + (place < count % n_labs)


def _by_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Return the capacity of each stage of all laboratories together."""
    table = table.assign(people_a_day=24.0 * table["people_an_hour"])
    summed = {name: (name, "sum") for name in ("servers", "load", "an_hour", "backlog")}
    # The line can take what each laboratory's part of it allows.
    found = table.groupby("stage", sort=False).agg(
        **summed, people_a_day=("people_a_day", "min"), finish_hour=("finish_hour", "max")
    )
    found = found.reset_index()
    found["use"] = found["load"] / found["an_hour"]
    found["binding"] = found.index == found["use"].fillna(-1.0).idxmax()
    return found
