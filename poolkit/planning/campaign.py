"""`plan_campaign`: a scenario run as a line: when everybody has a result, what binds, who waits where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.drawing import INK
from poolkit.planning.line import Line, LineRun, capacity, simulate_line
from poolkit.planning.matching import match_stages, plot_matching
from poolkit.planning.scenarios.build import MACHINES, line_from
from poolkit.planning.scenarios.complete import complete
from poolkit.planning.scenarios.fields import RECORDED
from poolkit.planning.scenarios.load import scenario
from poolkit.planning.scenarios.records import Scenario, Value, assumptions

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

PASSED = ("sampled", "delivered", "tested", "resulted")


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

    def __repr__(self) -> str:
        """Give when everybody has a result, what was asked for, and what binds."""
        asked = f"asked for {float(self.values['deadline_hours'].value):g} h"
        out = "".join(
            f"; {item} run out at hour {hour:.1f}" for item, hour in self._out().items() if not np.isnan(hour)
        )
        return f"CampaignPlan({self.scenario.name!r}, {self.run.told}, {asked}; {self.binding} binds{out})"

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
            if stage.name not in MACHINES
        }
        used = {name: value for name, value in self.values.items() if name not in RECORDED}
        return assumptions({**used, **stages})

    def _tested_hour(self) -> float:
        curves = self.run.curves()
        done = curves[curves["tested"] >= self.run.n_people]
        return float(done["hour"].iloc[0]) if len(done) else float("nan")

    def _out(self) -> dict[str, float]:
        """Return the first hour at which some laboratory has too little of each item for a batch of one tube."""
        stages = [stage for stage in self.line.labs[0].stages if stage.item is not None]
        left = self.run.stocks()
        found = {}
        for stage in stages:
            few = left["units"] < stage.units_a_batch + stage.units_a_specimen
            found[str(stage.item)] = float(left.loc[few & (left["item"] == stage.item), "hour"].min())
        return found

    def facts(self) -> pd.DataFrame:
        """Return the answer in a few rows.

        Returns
        -------
        pandas.DataFrame
            ``name``, ``fact`` (for people), ``value`` (missing where there is none) and ``unit``: first who is tested,
            then when everybody has a result, then who waits where, and when what is in stock runs out.
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
        rows += [
            (f"out_{item.replace(' ', '_')}", f"{item} run out in a laboratory at", hour, "h")
            for item, hour in self._out().items()
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
    line = line_from(values)
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

    Three values say what comes, as text; entries are joined by ``and``, and ``none`` is nothing. ``mobile_labs``, e.g.
    ``2 van-shaoxing from 12``: laboratories of a kind that open at an hour. ``support``, e.g. ``20 cyclers from 24 to
    72``: machines beside those that are there, shared evenly by the fixed laboratories, or tables for all sites.
    ``stock``, e.g. ``90,000 PCR tests and 90,000 PCR tests from 36``: what is not told has no limit. Each laboratory
    has the part of tubes and stock that its cyclers, support included, are of all.

    References
    ----------
    The sources of the scenario.

    Examples
    --------
    >>> line = build_line("dalian-like", labs=2, pool_size=5)
    >>> [[stage.servers for stage in lab.stages if stage.name == "amplification"] for lab in line.labs]
    [[64], [64]]
    >>> vans = build_line("dalian-like", mobile_labs="2 van-yutu from 12", support="9 cyclers from 24")
    >>> [(lab.name, lab.opens_hour) for lab in vans.labs[3:]], vans.labs[0].stages[3].teams[0].servers
    ([('van-yutu 1', 12.0), ('van-yutu 2', 12.0)], 3)
    """
    return line_from(complete(scenario(what).changed(**changes)))


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
