"""`allocate`: which site's tubes go to which laboratory, and what one more tube an hour is worth there."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers import transport
from poolkit.planning.answers.assumptions import as_frame, assumed
from poolkit.planning.answers.tables import frame_of, travel_minutes, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUPPOSED = ("km_per_hour", "travel_limit_minutes")
_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, GREY)
_MARKERS = ("s", "D", "^")
_LINES = 500  # a map with more routes shows their sites alone


@dataclass(frozen=True, slots=True)
class Allocation:
    """Tubes from sites to laboratories, with prices.

    Attributes
    ----------
    flows : pandas.DataFrame
        ``site``, ``hour`` of sampling, ``lab``, ``tubes``, ``minutes`` of travel: one row a route in use.
    labs : pandas.DataFrame
        The laboratories as given, with ``capacity`` over all hours, ``tubes``, ``use``, ``price_minutes``
        and ``more_tubes``: those of `prices`, all hours together.
    prices : pandas.DataFrame
        ``lab``, ``hour``, ``capacity``, ``tubes`` started, ``price_minutes`` that one more tube in this hour saves and
        ``more_tubes`` that it would serve, 0 or 1: where it is 1 the price is less the travel of the tube itself.
    left : pandas.DataFrame
        ``site``, ``hour``, ``tubes`` that no laboratory can take, ``reason``.
    minutes : float
        Tube-minutes of travel, and of waiting in laboratories for a free place.
    gap : float
        How far the plan may be above the best, as a part of its tube-minutes; 0 is proven best.
    n_routes, n_rounds : int
        Routes that the last programme held, and programmes solved.
    sites : pandas.DataFrame
        The sites as given.
    assumptions : pandas.DataFrame
        What was supposed: see `assumptions`.
    """

    flows: pd.DataFrame
    labs: pd.DataFrame
    prices: pd.DataFrame
    left: pd.DataFrame
    minutes: float
    gap: float
    n_routes: int
    n_rounds: int
    sites: pd.DataFrame
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give the tubes that go to laboratories, the minutes of each, and what is left."""
        tubes, left = self.flows["tubes"].sum(), self.left["tubes"].sum()
        went = f"routes {len(self.flows):,}, laboratories {self.flows['lab'].nunique()}, tubes {tubes:,.0f}"
        mean = f", {self.minutes / tubes:.1f} minutes a tube" if tubes else ""
        return f"Allocation({went}{mean}; left {left:,.0f}; gap {self.gap:.2g})"


def allocate(
    sites: Any,
    labs: Any,
    *,
    minutes: ArrayLike | None = None,
    hours: int = 1,
    max_wait_hours: int = 0,
    nearest: int = 8,
    values: Mapping[str, float] | None = None,
) -> Allocation:
    """Return which tubes go to which laboratory so that all are taken in time with the least travel and waiting.

    Parameters
    ----------
    sites
        Table with ``site``, ``tubes``, ``x_km``, ``y_km``; with a column ``hour``, whole hours from 0, one row a site
        and hour of sampling.
    labs
        Table with ``lab``, ``tubes_per_hour``, ``x_km``, ``y_km``; and where it is not open all the time ``opens`` and
        ``closes``, whole hours: it starts tubes from the one until before the other.
    minutes
        Travel from each row of `sites` (row) to each laboratory (column) in place of the straight line; then no table
        needs places. Infinite where there is no way.
    hours
        Hours until the last tube must have been started. Without a column ``hour`` they are one span, in which a
        laboratory takes `hours` times its tubes an hour.
    max_wait_hours
        Hours that tubes may lie in a laboratory before they are started, where the sites have a column ``hour``.
    nearest
        Routes of a site that the first programme holds at most.
    values
        Assumptions of your own: ``km_per_hour``, ``travel_limit_minutes``.

    Returns
    -------
    Allocation
        The routes, the use and the prices of the laboratories, and what is left.

    Raises
    ------
    DesignError
        When a table lacks a column or holds what cannot be, or a number is out of range.

    Notes
    -----
    A transport problem, by the dual simplex method of HiGHS: fewest tubes left, then fewest tube-minutes. With hours,
    tubes sampled in hour t are at the laboratory in hour t + minutes / 60 rounded up, start there within
    `max_wait_hours`, and each hour waited costs 60 minutes.

    The first programme holds each site's few laboratories nearest by minutes plus a guessed price. Then every other
    route is priced by the duals, sum over sites of tubes x the least reduced cost bounds what they could save, and
    those that pay are added, until none does: `gap` is 0 up to rounding, whatever `nearest` is. Whole tubes stay whole.

    A price holds for the next tube an hour as long as the same routes stay in use: it may be less for the one after.

    References
    ----------
    Dantzig 1951, *Application of the simplex method to a transportation problem*; Huangfu and Hall 2018, *Parallelizing
    the dual revised simplex method*, Math Prog Comp 10, 119-142 (HiGHS).

    Examples
    --------
    >>> sites = {"site": ["a", "b", "c"], "tubes": [60, 60, 60], "x_km": [0, 1, 9], "y_km": [0, 0, 0]}
    >>> labs = {"lab": ["near", "far"], "tubes_per_hour": [90, 200], "x_km": [0, 10], "y_km": [0, 0]}
    >>> plan = allocate(sites, labs)
    >>> plan.flows[["site", "lab", "tubes"]].values.tolist()
    [['a', 'near', 60.0], ['b', 'near', 30.0], ['b', 'far', 30.0], ['c', 'far', 60.0]]
    >>> plan.labs["price_minutes"].round(1).tolist()
    [12.0, 0.0]
    """
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    place = {} if minutes is not None else {"x_km": True, "y_km": True}
    is_timed = sites is not None and "hour" in getattr(sites, "columns", getattr(sites, "column_names", sites))
    asked = frame_of(sites, "sites", {"site": False, "tubes": True} | place, problems, key="site", many=is_timed)
    given = frame_of(labs, "labs", {"lab": False, "tubes_per_hour": True} | place, problems, key="lab")
    sampled = whole(asked, "sites", "hour", problems) if "hour" in asked else np.zeros(len(asked), np.int64)
    for what, number, least in (("hours", hours, 1), ("max_wait_hours", max_wait_hours, 0), ("nearest", nearest, 1)):
        if number < least:
            problems.append(Problem(what, f"must be at least {least}, found {number}"))
    capacity = _capacity(given, hours, problems, is_timed=is_timed)
    travel = _travel(asked, given, minutes, supposed["km_per_hour"].value, problems)
    if problems:
        raise DesignError("not an allocation", problems)
    limit = supposed["travel_limit_minutes"].value
    near = np.where(travel <= limit, travel, np.inf)
    with np.errstate(invalid="ignore"):
        arrival = sampled[:, None] + np.where(np.isfinite(near), np.ceil(near / 60.0), 0.0).astype(np.int64)
    network = transport.Network(
        near,
        asked["tubes"].to_numpy(np.float64),
        arrival if is_timed else np.zeros_like(arrival),
        capacity,
        max_wait_hours if is_timed else 0,
    )
    solved = transport.solve(network, nearest=nearest)
    return _answer(asked, given, sampled, network, solved, as_frame(supposed))


def _travel(
    sites: pd.DataFrame, labs: pd.DataFrame, minutes: ArrayLike | None, km_per_hour: float, problems: list[Problem]
) -> NDArray[np.float64]:
    if minutes is None:
        return travel_minutes(sites, labs, km_per_hour)
    found = np.asarray(minutes, np.float64)
    if found.shape != (len(sites), len(labs)):
        shape = f"{len(sites)} sites x {len(labs)} laboratories"
        problems.append(Problem("minutes", f"must be {shape}, found {found.shape}"))
    elif not (found >= 0.0).all():
        rows = tuple(int(row) for row in np.flatnonzero(~(found >= 0.0).all(axis=1)))
        problems.append(Problem("minutes", "must be at least 0", rows))
    return found


def _capacity(labs: pd.DataFrame, hours: int, problems: list[Problem], *, is_timed: bool) -> NDArray[np.float64]:
    """Return how many tubes each laboratory (row) can start in each hour (column)."""
    n_hours = max(1, hours)
    opens = whole(labs, "labs", "opens", problems) if "opens" in labs else np.zeros(len(labs), np.int64)
    closes = whole(labs, "labs", "closes", problems) if "closes" in labs else np.full(len(labs), n_hours)
    hour = np.arange(n_hours)[None, :]
    is_open = (hour >= opens[:, None]) & (hour < closes[:, None])
    found = np.where(is_open, labs["tubes_per_hour"].to_numpy(np.float64)[:, None], 0.0)
    return found if is_timed else found.sum(axis=1, keepdims=True)


def _answer(
    sites: pd.DataFrame,
    labs: pd.DataFrame,
    sampled: NDArray[np.int64],
    network: transport.Network,
    solved: transport.Solved,
    supposed: pd.DataFrame,
) -> Allocation:
    i, j = solved.consignment, solved.laboratory
    flows = pd.DataFrame(
        {
            "site": sites["site"].to_numpy()[i],
            "hour": sampled[i],
            "lab": labs["lab"].to_numpy()[j],
            "tubes": solved.flow,
            "minutes": network.minutes[i, j],
        }
    )
    n_labs, n_hours = network.capacity.shape
    prices = pd.DataFrame(
        {
            "lab": np.repeat(labs["lab"].to_numpy(), n_hours),
            "hour": np.tile(np.arange(n_hours), n_labs),
            "capacity": network.capacity.ravel(),
            "tubes": solved.started.ravel(),
            "price_minutes": np.round(solved.price.ravel(), 6) + 0.0,
            "more_tubes": solved.more.ravel(),
        }
    )
    capacity, started = network.capacity.sum(axis=1), solved.started.sum(axis=1)
    with np.errstate(invalid="ignore"):
        use = np.where(capacity > 0.0, started / capacity, np.nan)
    told = labs.assign(
        capacity=capacity,
        tubes=started,
        use=use,
        price_minutes=prices["price_minutes"].to_numpy().reshape(n_labs, n_hours).sum(axis=1),
        more_tubes=prices["more_tubes"].to_numpy().reshape(n_labs, n_hours).sum(axis=1),
    )
    rest = np.flatnonzero(solved.left)
    in_time = np.isfinite(network.minutes) & (network.hour < n_hours)
    left = pd.DataFrame(
        {
            "site": sites["site"].to_numpy()[rest],
            "hour": sampled[rest],
            "tubes": solved.left[rest],
            "reason": np.where(in_time[rest].any(axis=1), "laboratories are full", "no laboratory in reach"),
        }
    )
    gap = max(0.0, solved.cost - solved.bound) / max(solved.cost, 1.0) if solved.n_rounds else 0.0
    return Allocation(
        flows,
        told,
        prices,
        left,
        solved.cost,
        gap if gap > 1e-9 else 0.0,
        solved.n_routes,
        solved.n_rounds,
        sites,
        supposed,
    )


def allocation(plan: Allocation) -> pd.DataFrame:
    """Return the tubes of each site and laboratory over all hours, with places and the price of the laboratory.

    Parameters
    ----------
    plan
        What `allocate` returned.

    Returns
    -------
    pandas.DataFrame
        ``site``, ``lab``, ``tubes``, ``minutes``, ``price_minutes`` of the laboratory, and where sites and laboratories
        have places ``site_x_km``, ``site_y_km``, ``lab_x_km``, ``lab_y_km``.

    Examples
    --------
    >>> sites = {"site": ["a"], "tubes": [60], "x_km": [0], "y_km": [3]}
    >>> labs = {"lab": ["only"], "tubes_per_hour": [90], "x_km": [0], "y_km": [0]}
    >>> allocation(allocate(sites, labs))[["site", "lab", "tubes", "minutes"]].values.tolist()
    [['a', 'only', 60.0, 4.5]]
    """
    grouped = plan.flows.groupby(["site", "lab"], sort=False, as_index=False)
    table = grouped.agg(tubes=("tubes", "sum"), minutes=("minutes", "first"))
    labs = plan.labs.set_index("lab")
    table["price_minutes"] = labs["price_minutes"].reindex(table["lab"]).to_numpy()
    if {"x_km", "y_km"} <= set(plan.sites) & set(plan.labs):
        sites = plan.sites.drop_duplicates("site").set_index("site")
        for which, of, place in (("site", sites, table["site"]), ("lab", labs, table["lab"])):
            for axis in ("x_km", "y_km"):
                table[f"{which}_{axis}"] = of[axis].reindex(place).to_numpy()
    return table


def plot_allocation(plan: Allocation, *, ax: "Axes | None" = None) -> "Axes":
    """Draw which site sends to which laboratory: a map with prices, or a matrix where there are no places.

    Parameters
    ----------
    plan
        What `allocate` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        On the map a line a route, as wide as its tubes, and at each full laboratory what one more tube an hour saves.

    Examples
    --------
    >>> sites = {"site": ["a"], "tubes": [60], "x_km": [0], "y_km": [3]}
    >>> labs = {"lab": ["only"], "tubes_per_hour": [90], "x_km": [0], "y_km": [0]}
    >>> plot_allocation(allocate(sites, labs)).get_xlabel()
    'east (km)'
    """
    table = allocation(plan)
    axes = axes_for(ax, width=7.0, height=6.0)
    if "lab_x_km" not in table:
        return _matrix(plan, table, axes)
    most = max(float(table["tubes"].max()) if len(table) else 1.0, 1e-9)
    is_few = len(plan.labs) <= len(_COLOURS) * len(_MARKERS)
    for number, lab in enumerate(plan.labs.to_dict("records")):
        colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number // len(_COLOURS) % len(_MARKERS)]
        of_lab = table[table["lab"] == lab["lab"]]
        for route in of_lab.to_dict("records") if len(table) <= _LINES else ():
            ends = (route["site_x_km"], route["lab_x_km"]), (route["site_y_km"], route["lab_y_km"])
            axes.plot(*ends, color=colour, linewidth=0.4 + 2.2 * route["tubes"] / most, alpha=0.6, zorder=1)
        axes.scatter(of_lab["site_x_km"], of_lab["site_y_km"], s=9.0, color=colour, linewidths=0.0, zorder=2)
        if is_few:
            place, name = ([lab["x_km"]], [lab["y_km"]]), f"{lab['lab']}: {_told(lab)}"
            axes.scatter(*place, s=110.0, marker=marker, color=colour, edgecolors="black", zorder=3, label=name)
    axes.set(xlabel="east (km)", ylabel="north (km)")
    axes.set_aspect("equal", adjustable="box")
    if is_few:
        title = "use, and minutes that one\nmore tube an hour saves"
        axes.legend(
            frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), title=title, title_fontsize=8
        )
    else:
        priced = plan.labs["price_minutes"].clip(lower=0.0)
        points = axes.scatter(
            plan.labs["x_km"],
            plan.labs["y_km"],
            s=110.0,
            marker="s",
            c=priced,
            cmap="cividis",
            edgecolors="white",
            zorder=3,
        )
        axes.figure.colorbar(points, ax=axes, shrink=0.7, label="minutes that one more tube an hour saves")
    return axes


def _told(lab: Mapping[Hashable, Any]) -> str:
    """Say how much a laboratory is used and what one more tube an hour is worth there."""
    if np.isnan(lab["use"]):
        return "shut"
    if lab["more_tubes"] > 0:
        return f"{lab['use']:.0%}, +1 served"
    return f"{lab['use']:.0%}" + (f", {lab['price_minutes']:.0f} min" if lab["price_minutes"] > 0.0 else "")


def _matrix(plan: Allocation, table: pd.DataFrame, axes: "Axes") -> "Axes":
    labs = plan.labs["lab"].tolist()
    sites = plan.sites["site"].drop_duplicates().tolist()
    grid = table.pivot_table(index="site", columns="lab", values="tubes", aggfunc="sum", fill_value=0.0)
    grid = grid.reindex(index=sites, columns=labs, fill_value=0.0)
    image = axes.imshow(grid.to_numpy(np.float64), aspect="auto", cmap="Blues")
    bar = axes.figure.colorbar(image, ax=axes)
    bar.set_label("tubes")
    told = [_told(lab).replace(", ", "\n") for lab in plan.labs.to_dict("records")]
    names = [f"{lab}\n{text}" for lab, text in zip(labs, told, strict=True)]
    axes.set_xticks(range(len(labs)), names, fontsize=8)
    if len(sites) <= 30:
        axes.set_yticks(range(len(sites)), [str(site) for site in sites])
    axes.set(xlabel="laboratory, its use, minutes that one more tube an hour saves", ylabel="site")
    return axes
