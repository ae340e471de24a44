"""`one_more`: what one more machine of each kind is worth; `tornado`: ten per cent more and fewer of each."""

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from poolkit.drawing import BLUE, GREY, ORANGE, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.line import Line, LineRun, simulate_line, simulate_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Resource(NamedTuple):
    """A kind of machine or people of a line, and how many there are."""

    name: str
    stage: str
    lab: int | None
    servers: float


def one_more(line: Line, *, seed: int) -> pd.DataFrame:
    """Return what one more machine of each kind is worth: hours saved, and people who have their result sooner.

    Parameters
    ----------
    line
        The line.
    seed
        Seed of the runs; all meet the same people and the same luck.

    Returns
    -------
    pandas.DataFrame
        One row a stage of a laboratory, and ``tables`` and ``vehicles``: ``resource``, ``servers``, ``last_hour`` at
        which the last person has a result with one more, ``hours_saved`` of it, ``mean_minutes_saved`` of a person with
        a result in both runs, and ``people_sooner`` by a minute or more. Most saved minutes first.

    Raises
    ------
    DesignError
        When the seed is negative.

    Notes
    -----
    One run a resource beside that of the line itself. A single machine moves batches about, so that a few people are
    always later and the last result may be: look at the mean. One table or vehicle more is spread over the city: swabs
    by (n + 1) / n faster at every site, headways by n / (n + 1) shorter, with n vehicles = rounds x minutes / headway.

    References
    ----------
    Law 2015, *Simulation Modeling and Analysis*, 5th edition, section 11.2: common random numbers.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites
    >>> line = Line(Arrivals(1_000), Sites(5)).with_servers("amplification", 1)
    >>> worth = one_more(line, seed=1)
    >>> worth["resource"].iloc[0]
    'amplification'
    """
    _refuse(seed, change=0.5)
    base = simulate_line(line, seed=seed)
    rows = []
    for each in _resources(line):
        run = simulate_line(_changed(line, each, each.servers + 1.0), seed=seed)
        rows.append({"resource": each.name, "servers": each.servers, **_saved(base, run)})
    table = pd.DataFrame(rows)
    return table.sort_values("mean_minutes_saved", ascending=False, kind="stable", ignore_index=True)


def _saved(base: LineRun, run: LineRun) -> dict[str, float]:
    both = np.isfinite(base.resulted) & np.isfinite(run.resulted)
    gained = base.resulted[both] - run.resulted[both]
    newly = int((~np.isfinite(base.resulted) & np.isfinite(run.resulted)).sum())
    return {
        "last_hour": run.last_hour,
        "hours_saved": base.last_hour - run.last_hour,
        "mean_minutes_saved": float(gained.mean()) if gained.size else 0.0,
        "people_sooner": int((gained >= 1.0).sum()) + newly,
    }


def tornado(line: Line, *, seed: int, change: float = 0.1, replications: int = 1) -> pd.DataFrame:
    """Return how the last result moves with ten per cent more, and fewer, of each resource.

    Parameters
    ----------
    line
        The line.
    seed
        Seed of the first replication; all lines meet the same people and the same luck.
    change
        Part by which each resource is changed, above 0 and below 1; machines change by one at least.
    replications
        Runs of each line, averaged.

    Returns
    -------
    pandas.DataFrame
        One row a resource, widest first: ``resource``, ``servers``, ``more`` and ``fewer`` (how many then), ``hours``
        at which the last person has a result, ``hours_more``, ``hours_fewer``, ``saved`` and ``lost`` hours.

    Raises
    ------
    DesignError
        When the change is out of range, the seed is negative or there is no replication.

    Notes
    -----
    Two lines a resource and the line itself, run side by side on all processors. A stage with one machine loses none.
    A machine more or fewer moves batches about, so that hours of the last result carry noise of a batch or two, and
    more of a resource may even seem to lose: several replications, whose mean this is, smooth it, and where it matters
    look at the mean minutes of `one_more`.

    References
    ----------
    Howard 1988, *Decision analysis: practice and promise*, Management Science 34(6), 679-695: tornado diagrams.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites
    >>> line = Line(Arrivals(1_000), Sites(5)).with_servers("amplification", 1)
    >>> tornado(line, seed=1)["resource"].iloc[0]
    'amplification'
    """
    _refuse(seed, change=change)
    resources = _resources(line)
    lines, counts = [line], []
    for each in resources:
        if each.lab is None:
            more, fewer = each.servers * (1.0 + change), each.servers * (1.0 - change)
        else:
            step = max(1, round(change * each.servers))
            more, fewer = each.servers + step, max(1.0, each.servers - step)
        counts.append((more, fewer))
        lines += [_changed(line, each, more), _changed(line, each, fewer)]
    runs = simulate_lines(lines, seed=seed, replications=replications)
    # A run in which somebody has no result has no end.
    runs["last_hour"] = runs["last_hour"].where(runs["unfinished"] == 0)
    last = runs.groupby("line")["last_hour"].agg(lambda hours: hours.mean(skipna=False)).to_numpy(np.float64)
    table = pd.DataFrame(
        {
            "resource": [each.name for each in resources],
            "servers": [each.servers for each in resources],
            "more": [more for more, _ in counts],
            "fewer": [fewer for _, fewer in counts],
            "hours": last[0],
            "hours_more": last[1::2],
            "hours_fewer": last[2::2],
        }
    )
    table["saved"] = table["hours"] - table["hours_more"]
    table["lost"] = table["hours_fewer"] - table["hours"]
    width = table[["saved", "lost"]].fillna(np.inf).sum(axis=1)
    return table.loc[width.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _refuse(seed: int, *, change: float) -> None:
    problems = []
    if seed < 0:
        problems.append(Problem("seed", f"must not be negative, found {seed}"))
    if not 0.0 < change < 1.0:
        problems.append(Problem("change", f"must be above 0 and below 1, found {change:g}"))
    if problems:
        raise DesignError("not a comparison", problems)


def _resources(line: Line) -> list[_Resource]:
    sites, courier = line.sites, line.courier
    rounds = ceil(sites.count / courier.sites_a_round)
    vehicles = rounds * courier.round_minutes / courier.headway(sites.count)
    found = [
        _Resource("tables", "sampling", None, float(sites.count * sites.tables)),
        _Resource("vehicles", "courier", None, float(courier.vehicles or vehicles)),
    ]
    several = len(line.labs) > 1
    for number, lab in enumerate(line.labs):
        named = f"{lab.name} {number + 1}: " if several else ""
        found += [_Resource(named + stage.name, stage.name, number, float(stage.servers)) for stage in lab.stages]
    return found


def _changed(line: Line, resource: _Resource, count: float) -> Line:
    """Return the line with another count of one resource; tables and vehicles change in part, by their pace."""
    part = count / resource.servers if resource.servers else 1.0
    if resource.stage == "sampling" and resource.lab is None:
        return replace(line, sites=replace(line.sites, minutes=line.sites.minutes / part))
    if resource.lab is None:
        headway = line.courier.headway(line.sites.count) / part
        return replace(line, courier=replace(line.courier, headway_minutes=headway, vehicles=None))
    labs = list(line.labs)
    lab = labs[resource.lab]
    stages = tuple(replace(s, servers=round(count)) if s.name == resource.stage else s for s in lab.stages)
    labs[resource.lab] = replace(lab, stages=stages)
    return replace(line, labs=tuple(labs))


def plot_tornado(changes: pd.DataFrame, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how the last result moves with more and fewer of each resource, widest on top.

    Parameters
    ----------
    changes
        What `tornado` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Two bars a resource from the hour of the line as it is; where somebody never has a result the bar is left out
        and it is said so.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites
    >>> plot_tornado(tornado(Line(Arrivals(300), Sites(2)), seed=1)).get_xlabel()
    'hour at which the last person has a result'
    """
    axes = axes_for(ax, width=8.0, height=4.5)
    base = float(changes["hours"].iloc[0])
    rows = changes.iloc[::-1].to_dict("records")
    for which, colour, shift in (("more", BLUE, 0.19), ("fewer", ORANGE, -0.19)):
        ends = np.array([float(row[f"hours_{which}"]) for row in rows])
        at = np.arange(len(rows)) + shift
        known = np.isfinite(ends)
        axes.barh(at[known], ends[known] - base, left=base, color=colour, height=0.38, label=which)
        for place in at[~known]:
            axes.annotate(
                "no end",
                (base, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=colour,
            )
    axes.axvline(base, color=GREY, linewidth=1.2)
    axes.set_yticks(range(len(rows)), [f"{row['resource']} ({row['servers']:,.0f})" for row in rows])
    axes.set_xlabel("hour at which the last person has a result")
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes.margins(x=0.08)
    return axes
