"""`supplies`: what a campaign uses up, when to order, and when each item runs out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poolkit.assays import Assay
from poolkit.drawing import BLUE, GREEN, GREY, ORANGE, SKY, VERMILLION, axes_for
from poolkit.errors import DesignError, Problem
from poolkit.planning.answers.assumptions import as_frame, assumed
from poolkit.planning.answers.demand import demand, refuse_demand
from poolkit.planning.answers.items import ITEMS, Item

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUPPOSED = ("wells", "people_per_sampler", "tubes_per_lab_staff")
_COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, SKY, GREY)


@dataclass(frozen=True, slots=True)
class Supplies:
    """What is used up, and when it runs out.

    Attributes
    ----------
    items : pandas.DataFrame
        One row an item: ``item``, ``per``, ``needed`` over all hours with wastage, ``a_day`` in the busiest 24 hours,
        ``stock``, ``delivered``, ``runs_out_hour`` (missing where it lasts), ``short`` (units that were not there when
        they were needed), ``reorder_point`` in units, ``order_by_hour`` at which the stock falls to it (missing where
        it does not, 0 where it is below), ``order`` (units that cover the rest and the safety stock).
    levels : pandas.DataFrame
        ``item``, ``hour``, ``level`` at the end of that hour (0 where it has run out), ``reorder_point``.
    assumptions : pandas.DataFrame
        What was supposed, item by item.
    """

    items: pd.DataFrame
    levels: pd.DataFrame
    assumptions: pd.DataFrame

    def __repr__(self) -> str:
        """Give how many items are needed, and which of those in stock run out when."""
        out = self.items.set_index("item")["runs_out_hour"].sort_values(kind="stable")
        when = ", ".join(f"{item} at hour {hour:.1f}" for item, hour in out[out > 0.0].items()) or "none"
        return f"Supplies(items {len(out)}, none left of {(out <= 0.0).sum()} at hour 0; run out: {when})"


def supplies(
    people_per_hour: float | Sequence[float],
    *,
    hours: int | None = None,
    pool_size: int = 10,
    prevalence: float = 0.0,
    stock: Mapping[str, float] | None = None,
    deliveries: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    items: Sequence[Item] = ITEMS,
    assay: Assay | None = None,
    values: Mapping[str, float] | None = None,
) -> Supplies:
    """Return what testing uses up hour by hour, when each item runs out and when it has to be ordered.

    Parameters
    ----------
    people_per_hour
        People sampled in an hour, or in each hour from the start.
    hours
        Hours in which people are sampled; needed where `people_per_hour` is one number. A sequence repeats.
    pool_size
        Swabs in a tube.
    prevalence
        Probability that a person is infected: members of reactive pools are tested alone.
    stock
        Units at the start by name of the item; none of those that are not named.
    deliveries
        (hour, units) by name of the item.
    items
        What is used up; `ITEMS` where not given.
    assay
        How likely a pool reacts; perfect where not given.
    values
        Assumptions of your own: ``wells``, ``people_per_sampler``, ``tubes_per_lab_staff``.

    Returns
    -------
    Supplies
        The items, and their levels hour by hour.

    Raises
    ------
    DesignError
        When a number is out of range, an item stands twice, or stock or a delivery names none of the items.

    Notes
    -----
    Expected use, evenly within an hour, at the hour of sampling: the laboratory draws its items some hours later, so
    that they last a little longer. The re-order point is what the busiest stretch of lead and safety hours uses. A
    delivery counts from the next full hour on, and what was short before it is not used later. Shifts are those of the
    samplers and laboratory staff whom the norms ask for.

    References
    ----------
    World Health Organization 2022, *COVID-19 Essential Supplies Forecasting Tool*: wastage, tests a kit, shifts.

    Examples
    --------
    >>> plan = supplies(40_000, hours=72, stock={"swabs": 1_000_000}, items=ITEMS[:1])
    >>> plan.items[["item", "needed", "runs_out_hour", "reorder_point", "order_by_hour"]].round(1).values.tolist()
    [['swabs', 2938776.0, 24.5, 2938775.5, 0.0]]
    """
    problems: list[Problem] = []
    supposed = assumed(_SUPPOSED, values, problems)
    people = _people(people_per_hour, hours, problems)
    refuse_demand(problems, people=1.0, pool_size=pool_size, prevalence=prevalence)
    names = [item.name for item in items]
    if not names or len(set(names)) < len(names):
        problems.append(Problem("items", "a name stands twice" if names else "must hold at least one"))
    stock, deliveries = stock or {}, deliveries or {}
    for what, given in (("stock", stock), ("deliveries", deliveries)):
        unknown = [name for name in given if name not in names]
        problems += [Problem(what, f"{name} is not among the items {', '.join(names)}") for name in unknown]
    problems += [
        Problem("stock", f"{name} must be at least 0, found {units:g}")
        for name, units in stock.items()
        if not units >= 0.0
    ]
    problems += [
        Problem("deliveries", f"{name}: hour and units must be at least 0, found ({hour:g}, {units:g})")
        for name, each in deliveries.items()
        for hour, units in each
        if not (hour >= 0.0 and units >= 0.0)
    ]
    if problems:
        raise DesignError("not supplies", problems)
    drivers = _drivers(people, pool_size, prevalence, assay or Assay(), {k: v.value for k, v in supposed.items()})
    rows, levels = [], []
    for item in items:
        use = drivers[item.per] * item.quantity / (1.0 - item.wastage)
        come = sorted((float(np.ceil(hour)), float(units)) for hour, units in deliveries.get(item.name, ()))
        row, level = _burn(item, use, float(stock.get(item.name, 0.0)), come)
        rows.append(row)
        levels.append(level)
    told = as_frame(supposed)
    told = pd.concat([told, _of_items(items)], ignore_index=True)
    return Supplies(pd.DataFrame(rows), pd.concat(levels, ignore_index=True), told)


def _people(
    people_per_hour: float | Sequence[float], hours: int | None, problems: list[Problem]
) -> NDArray[np.float64]:
    each = np.atleast_1d(np.asarray(people_per_hour, np.float64))
    if hours is None and np.ndim(people_per_hour) == 0:
        problems.append(Problem("hours", "say for how many hours, or give people hour by hour"))
    if hours is not None and not (hours >= 1 and hours % 1 == 0):
        problems.append(Problem("hours", f"must be whole, at least 1, found {hours}"))
        hours = None
    if not each.size or not (np.isfinite(each) & (each >= 0.0)).all():
        problems.append(Problem("people_per_hour", "must be numbers of at least 0"))
        return np.zeros(1)
    return np.resize(each, max(1, each.size if hours is None else hours))


def _drivers(
    people: NDArray[np.float64], pool_size: int, prevalence: float, assay: Assay, value: Mapping[str, float]
) -> dict[str, NDArray[np.float64]]:
    """Return what uses items up in each hour."""
    one = demand(1e9, pool_size=pool_size, prevalence=prevalence, assay=assay)
    tubes, wells = people * (one.tubes / 1e9), people * (one.wells / 1e9)
    # The norms say how many people a sampler swabs in a shift, and how many tubes a head of the laboratory does.
    return {
        "person": people,
        "tube": tubes,
        "well": wells,
        "plate": wells / value["wells"],
        "sampler shift": people / value["people_per_sampler"],
        "laboratory shift": tubes / value["tubes_per_lab_staff"],
    }


def _burn(
    item: Item, use: NDArray[np.float64], stock: float, deliveries: list[tuple[float, float]]
) -> tuple[dict[str, object], pd.DataFrame]:
    n = use.size
    used = np.concatenate([[0.0], np.cumsum(use)])
    point = _busiest(use, item.lead_hours + item.safety_hours)
    out = _falls_to(used, stock, deliveries, 0.0)
    order_by = _falls_to(used, stock, deliveries, point)
    units = sum(units for hour, units in deliveries if hour <= n)
    hour = np.arange(n + 1)
    come = np.array([sum(units for at, units in deliveries if at <= each) for each in hour])
    # What is short is not drawn later.
    level = np.empty(n + 1)
    level[0] = stock + come[0]
    short = 0.0
    for k in range(n):
        short += max(0.0, use[k] - level[k])
        level[k + 1] = max(0.0, level[k] - use[k]) + come[k + 1] - come[k]
    row: dict[str, object] = {
        "item": item.name,
        "per": item.per,
        "needed": float(np.ceil(used[-1])),
        "a_day": _busiest(use, 24.0),
        "stock": stock,
        "delivered": units,
        "runs_out_hour": out,
        "short": short,
        "reorder_point": point,
        "order_by_hour": order_by,
        "order": float(np.ceil(max(0.0, used[-1] + _busiest(use, item.safety_hours) - stock - units))),
    }
    levels = pd.DataFrame({"item": item.name, "hour": hour, "level": level, "reorder_point": point})
    return row, levels


def _busiest(use: NDArray[np.float64], hours: float) -> float:
    """Return the most that is used in so many hours on end; past the last hour use begins anew."""
    used = np.concatenate([[0.0], np.cumsum(use)])
    rounds, rest = divmod(hours, use.size)
    cycle = np.concatenate([used, used[-1] + used[1:]])
    starts = np.arange(use.size, dtype=np.float64)
    grid = np.arange(cycle.size, dtype=np.float64)
    # A window is fullest where it begins or ends with an hour.
    begun = np.concatenate([starts, np.maximum(0.0, np.mod(starts - rest, use.size))])
    stretch = np.interp(begun + rest, grid, cycle) - np.interp(begun, grid, cycle)
    return float(rounds * used[-1] + stretch.max())


def _falls_to(used: NDArray[np.float64], stock: float, deliveries: list[tuple[float, float]], level: float) -> float:
    """Return the hour at which stock and deliveries less what is used fall to a level; missing where they do not."""
    end = float(used.size - 1)
    changes = [0.0, *sorted({hour for hour, _ in deliveries if 0.0 < hour < end}), end]
    grid = np.arange(used.size, dtype=np.float64)
    for begun, until in pairwise(changes):
        there = stock + sum(units for hour, units in deliveries if hour <= begun)
        if there - float(np.interp(begun, grid, used)) < level:
            return begun
        if there - float(np.interp(until, grid, used)) < level:
            # Within the stretch use rises hour by hour: the first hour that goes below, and the place within it.
            k = int(np.searchsorted(used, there - level, side="right"))
            return float(max(begun, k - 1 + (there - level - used[k - 1]) / (used[k] - used[k - 1])))
    return float("nan")


def _of_items(items: Sequence[Item]) -> pd.DataFrame:
    rows = [
        (f"{item.name}: {what}", value, unit, item.source, item.verified)
        for item in items
        for what, value, unit in (
            ("quantity", item.quantity, f"units a {item.per}"),
            ("wastage", item.wastage, "share"),
        )
    ]
    rows += [
        (f"{item.name}: {what}", value, "hour", "given" if item.source == "given" else "guess", item.source == "given")
        for item in items
        for what, value in (("lead", item.lead_hours), ("safety", item.safety_hours))
    ]
    return pd.DataFrame(rows, columns=["name", "value", "unit", "source", "verified"])


def plot_supplies(plan: Supplies, *, ax: "Axes | None" = None) -> "Axes":
    """Draw how the stock of each item burns down, with the point at which it is to be ordered.

    Parameters
    ----------
    plan
        What `supplies` returned.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        A line an item, in hours of the use at the busiest time, so that all items share one scale; a dot where it falls
        to its re-order point, a cross where it runs out. Items without any stock are not drawn.

    Examples
    --------
    >>> plot_supplies(supplies(40_000, hours=72, stock={"swabs": 3_000_000})).get_xlabel()
    'hours since the start'
    """
    axes = axes_for(ax, width=7.5)
    drawn = [row for row in plan.items.to_dict("records") if row["stock"] + row["delivered"] > 0.0]
    styles = ("-", "--", ":")
    for number, row in enumerate(drawn):
        name = row["item"]
        of_item = plan.levels[plan.levels["item"] == name]
        a_unit = float(row["a_day"]) / 24.0 or 1.0
        hour, level = of_item["hour"].to_numpy(np.float64), of_item["level"].to_numpy(np.float64) / a_unit
        out = float(row["runs_out_hour"])
        colour = _COLOURS[number % len(_COLOURS)]
        style = styles[number // len(_COLOURS) % len(styles)]
        axes.plot(hour, level, color=colour, linestyle=style, label=f"{name}{_until(out)}")
        at = float(row["order_by_hour"])
        if np.isfinite(at):
            axes.plot([at], [np.interp(at, hour, level)], "o", color=colour, markersize=6)
        if np.isfinite(out):
            axes.plot([out], [0.0], "X", color=colour, markersize=9, clip_on=False, zorder=4)
    points = {round(row["reorder_point"] / (row["a_day"] / 24.0 or 1.0), 1) for row in drawn}
    for point in sorted(points):
        axes.axhline(point, color=GREY, linestyle=":", linewidth=1.0)
    if points:
        place = (1.0, max(points))
        axes.annotate(
            "re-order",
            place,
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8,
        )
    axes.set(xlabel="hours since the start", ylabel="stock (hours of use at the busiest time)")
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(left=0.0)
    if drawn:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="runs out at hour")
    return axes


def _until(hour: float) -> str:
    return ": lasts" if np.isnan(hour) else f": {hour:.0f}"
