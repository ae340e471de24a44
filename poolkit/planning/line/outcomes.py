"""What a run of a line gives and uses up: `line_turnaround` and `line_stocks`, each with its picture."""

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from poolkit.drawing import BLUE, BROWN, GREEN, INK, ORANGE, SKY, VERMILLION, axes_for
from poolkit.planning.line.replications import Floats, Runs, banded, of_one_line, padded
from poolkit.planning.line.run import WAYS, LineRun, Since

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, BROWN)
_DASHES = ("-", "--", ":")
_OF_WAY = {"all": (BLUE, "-", 3.0), "first pass": (ORANGE, "--", 1.4), "retest": (VERMILLION, "-", 1.4)}
_POINTS = 201
_OF_STOCKS = ["item", "hour", "units", "low", "high", "share"]


def line_turnaround(runs: Runs, *, since: Since = "swab") -> pd.DataFrame:
    """Return the part of the people who have a result after so many hours, first pass and retests apart.

    Parameters
    ----------
    runs
        A run, or replications of one line.
    since : {"swab", "arrival"}
        From the swab, or from the arrival at the site.

    Returns
    -------
    pandas.DataFrame
        ``way`` (all, first pass, retest), ``hours``, ``share`` of the people of all runs, and the least and the largest
        of the runs (``low``, ``high``); missing where there is nobody.

    Raises
    ------
    DesignError
        When there is no run, they are not of one line, or `since` is unknown.

    Notes
    -----
    Among all are those without a result by the horizon, so that their curve ends below 1 where there are any; first
    pass and retest are of those who have one.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> table = line_turnaround(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1))
    >>> table.loc[table["way"] == "all", "share"].iloc[[0, -1]].tolist()
    [0.0, 1.0]
    """
    runs = of_one_line(runs)
    hours = {way: [np.sort(each.hours(since=since, way=way)) for each in runs] for way in WAYS}
    longest = max((float(each[-1]) for each in hours["all"] if each.size), default=0.0)
    grid = np.linspace(0.0, longest, _POINTS)
    frames = []
    for way, of_runs in hours.items():
        n_people = np.array([_counted(run, each, way) for run, each in zip(runs, of_runs, strict=True)], np.float64)
        within = np.array([np.searchsorted(each, grid, side="right") for each in of_runs], np.float64)
        told = n_people > 0.0
        columns = dict.fromkeys(("share", "low", "high"), np.full(grid.size, np.nan))
        if told.any():
            part = within[told] / n_people[told, None]
            together = within[told].sum(axis=0) / n_people.sum()
            columns = {"share": together, "low": part.min(axis=0), "high": part.max(axis=0)}
        frames.append(pd.DataFrame({"way": way, "hours": grid, **columns}))
    return pd.concat(frames, ignore_index=True)


def plot_line_turnaround(
    runs: Runs, *, deadline_hours: float | None = None, since: Since = "swab", ax: "Axes | None" = None
) -> "Axes":
    """Draw the part of the people who have a result after so many hours, with p50, p90, p99 and the deadline.

    Parameters
    ----------
    runs
        As for `line_turnaround`, whose frame stands behind the picture.
    deadline_hours
        Drawn as a line, with the part of the people who have their result by then.
    since : {"swab", "arrival"}
        From the swab, or from the arrival at the site.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        Hours to the right, per cent of the people up; a band from the least to the largest of several runs.

    Raises
    ------
    DesignError
        As `line_turnaround`.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> plot_line_turnaround(simulate_line(Line(Arrivals(2_000), Sites(5)), seed=1), deadline_hours=24).get_xlabel()
    'hours from swab to result'
    """
    table = line_turnaround(runs, since=since)
    runs = of_one_line(runs)
    ax = axes_for(ax, width=8.5)
    for way, of_way in table.groupby("way", sort=False):
        drawn, (colour, dash, width) = of_way.dropna(subset="share"), _OF_WAY[str(way)]
        if drawn.empty:
            continue
        ax.fill_between(drawn["hours"], 100 * drawn["low"], 100 * drawn["high"], color=colour, alpha=0.25, linewidth=0)
        ax.plot(drawn["hours"], 100 * drawn["share"], color=colour, linestyle=dash, linewidth=width, label=way)
    hours = np.sort(np.concatenate([each.hours(since=since) for each in runs]))
    n_people = sum(each.n_people for each in runs)
    for part in (0.5, 0.9, 0.99):
        place = ceil(part * n_people - 1e-9) - 1
        if not 0 <= place < hours.size:
            continue
        at = float(hours[place])
        ax.plot([at], [100.0 * part], "o", color=BLUE, markersize=5, zorder=4, label="_quantile")
        ax.annotate(
            f"p{100 * part:g}: {at:.1f} h",
            (at, 100.0 * part),
            xytext=(6, -3),
            textcoords="offset points",
            va="top",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            zorder=4,
        )
    if deadline_hours is not None:
        by_then = np.searchsorted(hours, deadline_hours, side="right")
        said = f", met for {_percent(by_then / n_people)}" if n_people else ""
        label = f"asked for: {deadline_hours:g} h{said}"
        ax.axvline(deadline_hours, color=INK, linestyle="--", linewidth=1.0, label=label)
    ax.set_xlabel(f"hours from {since} to result")
    ax.set_ylabel("people with a result (%)")
    ax.set_ylim(0.0, 103.0)
    ax.set_xlim(left=0.0)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def line_stocks(runs: Runs) -> pd.DataFrame:
    """Return what is left of each item, hour by hour, all laboratories or all sites together.

    Parameters
    ----------
    runs
        A run, or replications of one line.

    Returns
    -------
    pandas.DataFrame
        ``item``, ``hour``, ``units`` (the mean of the runs), the least and the largest of the runs (``low``, ``high``),
        and ``share`` of the most that there was. No row where nothing is stocked.

    Raises
    ------
    DesignError
        When there is no run, or they are not of one line.

    Notes
    -----
    A stage takes its units when a batch starts, a site a swab when a person starts, a tube when it is opened. One
    laboratory, or one site, may be out of what another one still has: see `LineRun.stocks`.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Laboratory, Line, Sites, Stage, Stock, simulate_line
    >>> test = Stage("test", 3, minutes=30, slots=8, reads=True, item="kit", units_a_specimen=1)
    >>> lab = Laboratory(stages=(test,), stocks=(Stock("kit", 900),))
    >>> line = Line(Arrivals(2_000), Sites(5), labs=(lab,), prevalence=0.0)
    >>> line_stocks(simulate_line(line, seed=1))[["item", "units"]].values.tolist()[0]
    ['kit', 900.0]
    """
    runs = of_one_line(runs)
    width = runs[0].line.grid_minutes / 60.0
    left = [each.stocks().groupby(["item", "hour"], sort=False)["units"].sum() for each in runs]
    frames = []
    sites = runs[0].line.sites
    kept = [*(stock for stock in (sites.swabs, sites.tubes) if stock is not None)]
    kept += [stock for lab in runs[0].line.labs for stock in lab.stocks]
    for item in dict.fromkeys(stock.item for stock in kept):
        of_run = [each.loc[item].to_numpy(np.float64) for each in left]
        n_hours = max(each.size for each in of_run)
        columns = banded("units", [padded(each, n_hours) for each in of_run])
        most = max(float(columns["high"].max()), 1e-300)
        share = columns["units"] / most
        frames.append(pd.DataFrame({"item": item, "hour": np.arange(n_hours) * width, **columns, "share": share}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=_OF_STOCKS)


def plot_line_stocks(runs: Runs, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how the stock of each item burns down in the run, and when it was used up.

    Parameters
    ----------
    runs
        As for `line_stocks`, whose frame stands behind the picture.
    ax
        Axes to draw on; new ones where not given.

    Returns
    -------
    matplotlib.axes.Axes
        A line an item, as a share of the most that there was; a cross where it was used up first.

    Raises
    ------
    DesignError
        As `line_stocks`.

    Examples
    --------
    >>> from poolkit.planning import Arrivals, Line, Sites, simulate_line
    >>> plot_line_stocks(simulate_line(Line(Arrivals(100), Sites(2)), seed=1)).get_ylabel()
    'stock left (% of the most there was)'
    """
    table = line_stocks(runs)
    ax = axes_for(ax, width=8.5)
    for number, (item, of_item) in enumerate(table.groupby("item", sort=False)):
        colour, dash = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
        empty = of_item.loc[of_item["low"] <= 0.0, "hour"]
        said = f"{item}: used up at {empty.iloc[0]:.1f} h" if len(empty) else f"{item}: lasts"
        a_unit = 100.0 / max(float(of_item["high"].max()), 1e-300)
        low, high = of_item["low"] * a_unit, of_item["high"] * a_unit
        ax.fill_between(of_item["hour"], low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(of_item["hour"], 100.0 * of_item["share"], color=colour, linestyle=dash, linewidth=1.8, label=said)
        if len(empty):
            ax.plot([empty.iloc[0]], [0.0], "X", color=colour, markersize=9, clip_on=False, zorder=4, label="_used up")
    ax.set_xlabel("hours since the start")
    ax.set_ylabel("stock left (% of the most there was)")
    ax.set_ylim(0.0, 103.0)
    ax.set_xlim(left=0.0)
    if len(table):
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def _counted(run: LineRun, hours: Floats, way: str) -> int:
    return run.n_people if way == "all" else hours.size


def _percent(part: float) -> str:
    """Write a share in per cent, never rounded up to all."""
    return f"{np.floor(1000.0 * part) / 10.0:g} %"
